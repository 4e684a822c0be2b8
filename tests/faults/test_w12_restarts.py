"""Real probers that restart, crash again and again, or are lost, and a Redis that loses its data."""

import json
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.contract.messages import Segment
from services.contract.names import outstanding_key, probe_queue
from services.network.parse import nad
from services.network.parse.nad import Network
from tests.faults.trunk import standing_at_port
from tests.faults.whole_site import (
    HOSTS,
    PARTIAL,
    SITE,
    SWEEP_S,
    VLANS,
    WELL,
    WholeSite,
    name_of,
    site_of,
    whole_site,
)
from tests.network.lab_site import require_lab
from tests.support.updater_site import route_of, state_of

BOUND_S = 25.0
PROBE_S = 5.0
"""The longest check of a silent gateway, its report and its review."""
FLAPPING_S = 2 * SWEEP_S
SLACK_S = 15.0
"""For a busy machine."""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeSite]:
    require_lab(SITE)
    with (
        tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as folder,
        whole_site(Path(folder), tmp_path_factory.mktemp("lab") / "state") as running,
    ):
        yield running


@pytest.fixture
def site(started: WholeSite) -> WholeSite:
    """The site with every prober running, whatever the test before has ended."""
    started.make_well()
    return started


def test_a_rolling_restart_is_no_news(site: WholeSite) -> None:
    """W12: each prober restarts; nothing is written, also not where the hosts see a VLAN differently."""
    assert_a_rolling_restart_is_no_news(site)


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_a_rolling_restart_of_sixteen_hosts_is_no_news(short_folder: Path, tmp_path: Path) -> None:
    """W12: the same with as many hosts as a large site has."""
    hosts = [f"node{number}" for number in range(1, 17)]
    require_lab(site_of(hosts))
    with whole_site(short_folder, tmp_path / "state", hosts) as running:
        assert_a_rolling_restart_is_no_news(running)


def assert_a_rolling_restart_is_no_news(site: WholeSite) -> None:
    before = site.sequence()
    for host in site.hosts:
        site.kill(host, signal.SIGTERM)
        site.start(host)
        site.wait_for_reports(host)
    site.settle()
    assert site.writes(after=before) == []


def test_a_redis_without_its_data_is_no_news(site: WholeSite) -> None:
    """R2: FLUSHALL on a healthy site: the hosts report again, and nothing is written."""
    before = site.sequence()
    site.redis.client.flushall()
    site.updater.wait(lambda: all(site.incarnation(host) for host in HOSTS) and site.has_reported(*HOSTS))
    site.settle()
    assert site.writes(after=before) == []


def test_a_crash_loop_hides_no_outage(site: WholeSite) -> None:
    """W12: node2 is killed as soon as it is back, again and again, while one VLAN dies: that is told within
    the bound, and nothing is written of the others."""
    before, dead = site.sequence(), VLANS[0]
    site.lab.break_vlan(dead)
    try:
        began = time.monotonic()
        while not site.writes(after=before):
            assert time.monotonic() - began < SWEEP_S + PROBE_S + BOUND_S + SLACK_S
            site.kill("node2")
            site.start("node2")
        # A second one may follow before this is read, which no longer names node2 as not heard.
        written, *_ = site.writes(after=before)
        assert written.after is not None
        network = Network.from_object(written.after)
        assert (written.name, route_of(network)["connectivity"]) == (name_of(dead), "false")
        status = json.loads(network.annotations[nad.STATUS])
        assert status["state"] == "Unreachable"
    finally:
        site.lab.heal_vlan(dead)
    site.updater.wait_for(name_of(dead), lambda n: state_of(n) == "Active", after=written.sequence)
    site.updater.wait(lambda: site.has_reported(*HOSTS))
    site.settle()
    assert site.writes(after=before, vlans=(*VLANS[1:], PARTIAL)) == []


def test_lost_hosts_are_not_believed_for_longer_than_a_minute(site: WholeSite) -> None:
    """W6: all probers are killed for good: within a minute nothing is told any more as if it still held."""
    before = site.sequence()
    for host in HOSTS:
        site.kill(host)
    lost = time.monotonic()
    for vlan in (*VLANS, PARTIAL):
        site.updater.wait_for(name_of(vlan), lambda n: state_of(n) == "Unknown", after=before)
    assert time.monotonic() - lost < 60.0
    # The host that differed may have been gone a moment sooner than the other one.
    assert len(site.writes(after=before, vlans=VLANS)) == len(VLANS)


def test_a_prober_that_is_killed_during_a_batch_is_no_news(site: WholeSite) -> None:
    """W1: node2 has taken a request and not answered when it is killed: after its restart it has reported on
    every VLAN again, a network that was new meanwhile is Active, and nothing else is written."""
    before, slow = site.sequence(), VLANS[1]
    taken = Segment(cluster_network="extra", vlan=slow)
    # While its gateway is silent, a check takes seconds.
    site.lab.break_vlan(slow)
    try:
        site.updater.create("meanwhile", vlan=slow)
        client = site.redis.client
        site.updater.wait(lambda: bool(client.exists(outstanding_key("node2", taken))))
        site.updater.wait(lambda: not client.exists(probe_queue("node2")))
        assert client.exists(outstanding_key("node2", taken)), "it had answered already"
        site.kill("node2")
    finally:
        site.lab.heal_vlan(slow)
    site.start("node2")
    site.updater.wait_for("meanwhile", lambda network: state_of(network) == "Active")
    site.wait_for_reports("node2")
    site.settle()
    assert site.writes(after=before) == []


@pytest.mark.long
def test_a_flapping_uplink_is_no_failure_of_dhcp(site: WholeSite) -> None:
    """N3: node1's uplink flaps ten times a second for two sweeps: no network is told to have a problem of
    DHCP, and afterwards all is as before."""
    before = site.sequence()
    with standing_at_port(site.lab, "flapping", str(FLAPPING_S)) as flapping:
        assert flapping.wait(2 * FLAPPING_S) == 0
    site.updater.wait(lambda: site.states() == WELL)
    told = [json.dumps(record.after) for record in site.writes(after=before)]
    assert [text for text in told if "DHCPFailed" in text or "DHCP failed" in text] == []
