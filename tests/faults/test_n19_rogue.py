"""N19: a rogue DHCP server for a short time on a VLAN without DHCP. What only it named does not stay."""

import json
import subprocess
import sys
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from lab.namespaces import python_environment
from lab.running import RunningSite
from services.contract.outcomes import DHCPOutcome
from services.contract.reports import Report
from services.network.judge.expiry import KEPT_FRESHNESS
from services.network.parse import nad
from services.network.parse.intent import Intent, read_intent
from services.network.parse.status import Status
from services.updater.metrics import UpdaterMetrics
from services.updater.service import Updater
from services.updater.settings import UpdaterSettings
from services.watcher.limits.workload import segment_probe
from tests.faults.hostile import HOSTS_GATEWAY, ROGUE
from tests.faults.trunk import EMPTY, HOST, WAIT_S, outcome, probe, standing_at_port
from tests.support.manual_clock import ManualClock
from tests.unit.network.builders import config, network
from tests.unit.updater.fakes import FakeCluster, FakeDoubtLog, FakeHosts, FakeStore
from tests.unit.updater.world import TimedMemories

pytestmark = pytest.mark.network

SETTINGS = UpdaterSettings(redis_url=SecretStr("unix:///nowhere"), kubeconfig=Path("/nowhere"))
KEPT_S = KEPT_FRESHNESS * SETTINGS.fresh_s
STARTED_S = 60.0
"""After this time an updater knows all hosts."""
LISTING = "from services.prober.sockets.routes import *; print(*read_host_networks())"


class Judged:
    """A VM network on the empty VLAN: real frames, a real updater, and a clock that the test moves."""

    def __init__(self, site: RunningSite, *, host_networks: frozenset[IPv4Network] = frozenset()) -> None:
        self._site = site
        self.clock = ManualClock()
        self._store, self._memories = FakeStore(self.clock), TimedMemories(self.clock)
        self._hosts = FakeHosts(HOST)
        self._hosts.connected = host_networks
        target = network(config=config(vlan=EMPTY))
        self._ref, self.cluster = target.ref, FakeCluster(target)
        self.start()

    def start(self) -> None:
        """Start an updater, which replaces the one before."""
        self._updater = Updater(
            self.cluster,
            self._store,
            self._hosts,
            self._memories,
            FakeDoubtLog(),
            self.clock,
            SETTINGS,
            is_paused=lambda: False,
            random=lambda: 0.5,
            metrics=UpdaterMetrics(CollectorRegistry()),
        )
        self._updater.upserted(self.cluster.objects[self._ref])
        self._work()
        self.clock.seconds += STARTED_S

    def probe(self, *scripts: str) -> DHCPOutcome:
        """Probe while these scripts answer on the VLAN; pass the verdict to the updater, and let it write."""
        intent = read_intent(self.cluster.objects[self._ref])
        assert isinstance(intent, Intent)
        asking = segment_probe([intent], ask_dhcp=True)
        with standing_at_port(self._site, "hostile", json.dumps({EMPTY: scripts})):
            found = probe(self._site, [asking], deadline_s=1.5)[EMPTY]
        self._updater.take_report(Report(host=HOST, verdicts=(found,)))
        self._work()
        return outcome(found)

    def _work(self) -> None:
        self._updater.review_due()
        while self._updater.write_due():
            pass

    @property
    def route(self) -> dict[str, object]:
        """The route annotation; empty without one."""
        fields = json.loads(self.cluster.objects[self._ref].annotations.get(nad.ROUTE, "{}"))
        assert isinstance(fields, dict)
        return fields

    @property
    def status(self) -> Status:
        status = self.cluster.objects[self._ref].status
        assert status is not None
        return status


def test_n19_a_rogues_gateway_expires(trunk_site: RunningSite) -> None:
    """It stays while it might be a router that reboots, and an updater that restarts forgets no time."""
    judged = Judged(trunk_site)
    assert judged.probe("rogue") is DHCPOutcome.OFFERED
    assert (judged.route["gateway"], judged.route["cidr"]) == (ROGUE, "10.9.9.0/24")
    judged.clock.seconds += 30.0
    assert judged.probe() is DHCPOutcome.NO_OFFER
    assert (judged.status.state, judged.status.dhcp_out) == ("Unreachable", True)
    judged.clock.seconds += 600.0
    judged.probe()
    assert (judged.status.state, judged.route["gateway"]) == ("Unreachable", ROGUE)
    judged.start()
    judged.clock.seconds += KEPT_S - 600.0
    judged.probe()
    assert (judged.status.state, judged.status.reason) == ("DHCPFailed", "NoDHCPOffer")
    assert judged.route == {"mode": "auto", "connectivity": "DHCP failed"}
    removed = f"cidr 10.9.9.0/24 and gateway {ROGUE} are removed"
    assert [reason for _, reason, message in judged.cluster.events if removed in message] == ["DHCPFailed"]


def test_n19_a_gateway_that_answers_on_the_vlan_stays(trunk_site: RunningSite) -> None:
    """However long ago DHCP named it; that DHCP is out is told."""
    judged = Judged(trunk_site)
    judged.probe("rogue")
    for _ in range(2):
        judged.clock.seconds += KEPT_S
        judged.probe("is the rogue's gateway")
    assert (judged.status.state, judged.status.dhcp_out) == ("Isolated", True)
    assert judged.route["gateway"] == ROGUE


def test_n19_an_offer_begins_the_hour_anew(trunk_site: RunningSite) -> None:
    """What counts is the time since DHCP named the gateway last, not since it first failed to."""
    judged = Judged(trunk_site)
    judged.probe("rogue")
    judged.clock.seconds += 30.0
    judged.probe()
    judged.clock.seconds += KEPT_S - 60.0
    assert judged.probe("rogue") is DHCPOutcome.OFFERED
    judged.clock.seconds += 120.0
    judged.probe()
    assert (judged.status.state, judged.route["gateway"]) == ("Unreachable", ROGUE)


def test_n19_half_of_all_addresses_are_never_written(trunk_site: RunningSite) -> None:
    """The offer is refused with its values, on a VLAN with no other."""
    judged = Judged(trunk_site)
    assert judged.probe("rogue with half of all addresses") is DHCPOutcome.OFFERED
    assert (judged.status.state, judged.status.reason) == ("DHCPFailed", "SubnetTooWide")
    assert judged.status.detail == (
        "10.9.9.9 (02:fe:00:00:00:01) offered 10.9.9.50 (0.0.0.0/1) with router 10.9.9.9"
    )
    assert judged.route == {}


def host_networks(site: RunningSite) -> frozenset[IPv4Network]:
    """Return the host's own networks, as its kernel names them."""
    listed = subprocess.run(
        [*site.command(HOST), sys.executable, "-c", LISTING],
        check=True,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env=python_environment(),
    )
    return frozenset(map(IPv4Network, listed.stdout.split()))


def test_n19_the_hosts_own_gateway_is_believed_only_where_it_answers(trunk_site: RunningSite) -> None:
    """It answers through routing from everywhere; with its answer on the VLAN it is a legitimate gateway."""
    known = host_networks(trunk_site)
    assert known >= {IPv4Network(HOSTS_GATEWAY), IPv4Network((HOSTS_GATEWAY, 24), strict=False)}
    judged = Judged(trunk_site, host_networks=known)
    for rogue in ("names a neighbour of the hosts", "names the hosts' gateway"):
        assert judged.probe(rogue) is DHCPOutcome.OFFERED
        assert (judged.status.state, judged.status.reason) == ("DHCPFailed", "RouterNotOnVlan")
        assert judged.route == {}
        judged.clock.seconds += 30.0
    judged.clock.seconds += 30.0
    judged.probe("names the hosts' gateway", "is the hosts' gateway")
    assert (judged.status.state, judged.route["gateway"]) == ("Active", HOSTS_GATEWAY)
    assert judged.route["connectivity"] == "true"
    judged.clock.seconds += 30.0
    judged.probe()
    assert judged.status.state == "DHCPFailed"
    assert judged.route == {"mode": "auto", "connectivity": "DHCP failed"}
