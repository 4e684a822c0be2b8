"""Two updaters: one leads by a Lease and takes the reports, the other stands by and takes over."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from services.contract.messages import Segment
from services.network.parse.nad import Network
from services.updater.app import LOST_LEASE
from tests.support.redis_server import RedisServer
from tests.support.service_process import ServiceProcess, running_service
from tests.support.updater_site import NAMESPACE, TIMEOUT_S, UpdaterSite, digest_of, state_of, updater_site
from tests.unit.network.builders import dhcp, offer, verdict


class Pair:
    """An updater that leads, one that stands by, and a network on each of several VLANs."""

    def __init__(self, site: UpdaterSite, standby: ServiceProcess) -> None:
        self.site, self.leader, self.standby = site, site.process, standby

    def create(self, name: str, vlan: int) -> Network:
        return self.site.create(name, vlan=vlan)

    def report(self, network: Network, vlan: int) -> None:
        segment = Segment(cluster_network="extra", vlan=vlan)
        self.site.send(verdict(digest_of(network), segment=segment, dhcp=dhcp(offer())))

    def told(self, name: str) -> None:
        self.site.wait_for(name, lambda network: state_of(network) == "Active")

    @property
    def leads(self) -> bool:
        """Whether the one that stands by leads now."""
        return 'nadroute_leader{lease="nadroute-updater"} 1.0' in self.standby.get("/metrics")[1]


@pytest.fixture
def pair(tmp_path: Path, redis_server: RedisServer) -> Iterator[Pair]:
    with contextlib.ExitStack() as stack:
        election = {"NADROUTE_LEADER_ELECTION": "true", "NADROUTE_LEASE_NAMESPACE": NAMESPACE}
        site = stack.enter_context(updater_site(tmp_path, redis_server, admission=None, **election))
        folder = tmp_path / "standby"
        folder.mkdir()
        environment: Mapping[str, str] = {
            name: value for name, value in site.environment.items() if name.startswith("NADROUTE_")
        }
        standby = stack.enter_context(running_service("updater", folder, environment))
        site.announce("node1")
        yield Pair(site, standby)


def test_the_one_that_stands_by_is_ready_and_takes_no_report(pair: Pair) -> None:
    """Each report is written once, by the leader."""
    pair.standby.wait_ready()
    for vlan in range(101, 111):
        pair.report(pair.create(f"net-{vlan}", vlan), vlan)
    for vlan in range(101, 111):
        pair.told(f"net-{vlan}")
    assert not pair.leads
    assert b"network written" not in pair.standby.log.read_bytes()
    assert {len(pair.site.writes(f"net-{vlan}")) for vlan in range(101, 111)} == {1}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_another_takes_over_when_the_leader_ends(pair: Pair, number: signal.Signals) -> None:
    """What stands is not written again; what is reported meanwhile is."""
    first = pair.create("first", 101)
    pair.report(first, 101)
    pair.told("first")
    pair.standby.wait_ready()
    pair.leader.send_signal(number)
    pair.leader.wait(TIMEOUT_S)
    second = pair.create("second", 102)
    pair.report(second, 102)
    pair.told("second")
    assert pair.leads
    assert len(pair.site.writes("first")) == 1


def test_a_leader_that_was_frozen_ends_without_a_write(pair: Pair) -> None:
    """Another leads meanwhile, and knows more."""
    pair.standby.wait_ready()
    pair.leader.send_signal(signal.SIGSTOP)
    never = threading.Event()
    while not pair.leads:
        never.wait(0.1)
    network = pair.create("net", 101)
    pair.report(network, 101)
    pair.told("net")
    pair.leader.send_signal(signal.SIGCONT)
    assert pair.leader.wait(TIMEOUT_S) == LOST_LEASE
    assert len(pair.site.writes("net")) == 1


def test_an_updater_that_stands_by_ends_on_sigterm(pair: Pair) -> None:
    """At once, without having led."""
    pair.standby.wait_ready()
    os.kill(pair.standby.process.pid, signal.SIGTERM)
    try:
        assert pair.standby.process.wait(TIMEOUT_S) == 0
    except subprocess.TimeoutExpired:
        pytest.fail(pair.standby.log.read_text()[-3000:])
