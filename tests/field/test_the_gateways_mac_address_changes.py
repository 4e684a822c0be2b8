"""The gateway's MAC address changes between two probes, and nothing is told.

One Event tells it, with both addresses, when every host is answered by the new one. Where two take turns
it is a duplicate; where each host has its own answer, as in some fabrics, and for virtual routers,
nothing is.
"""

import json
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from services.contract.open_doubts import NO_DOUBTS
from services.contract.outcomes import ReachOutcome, Reason, State
from services.contract.reports import Report
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import NetworkRef
from services.network.parse.status import Status
from services.network.reasons.events import NEW_MAC_REASON
from services.updater.metrics import UpdaterMetrics
from services.updater.service import Updater
from services.updater.settings import UpdaterSettings
from tests.support.manual_clock import ManualClock
from tests.unit.network.builders import CIDR, GATEWAY, config, network, reach, verdict
from tests.unit.network.judged_network import JudgedNetwork
from tests.unit.network.test_reduction import AUTO
from tests.unit.updater.fakes import FakeCluster, FakeDoubtLog, FakeHosts, FakeMemories, FakeStore
from tests.unit.updater.world import R, S

A, B = "02:fe:00:00:00:01", "02:fe:00:00:00:02"
FORWARDERS = ("00:07:b4:00:0a:01", "00:07:b4:00:0a:02")
BY_HAND = replace(AUTO, mode="manual", gateway=GATEWAY)
HOSTS = ("node1", "node2", "node3")
SWEEP_S = 40.0
HOUR_S = 3_600.0


class Site:
    """An updater in memory, with three hosts and a manual network on each of these VLANs."""

    def __init__(self, *vlans: int, observe_only: bool = False) -> None:
        self.clock, self.memories = ManualClock(), FakeMemories()
        self.store = FakeStore(self.clock)
        route = json.dumps({"mode": "manual", "cidr": str(CIDR), "gateway": str(GATEWAY)})
        made = [
            network(route, config=config(vlan=v), ref=NetworkRef("default", f"net{v}"), uid=f"uid-{v}")
            for v in vlans
        ]
        self.cluster = FakeCluster(*made)
        self.refs = {vlan: each.ref for vlan, each in zip(vlans, made, strict=True)}
        self.settings = UpdaterSettings(
            redis_url=SecretStr("unix:///nowhere"), kubeconfig=Path("/nowhere"), observe_only=observe_only
        )
        self.counter = 0
        self.restart()

    def restart(self) -> None:
        """Start an updater, which knows what was stored."""
        self.updater = Updater(
            self.cluster, self.store, FakeHosts(*HOSTS), self.memories, FakeDoubtLog(), self.clock,
            self.settings, is_paused=lambda: False, random=lambda: 0.5,
            metrics=UpdaterMetrics(CollectorRegistry()),
        )  # fmt: skip
        for present in self.cluster.objects.values():
            self.updater.upserted(present)

    def report(self, host: str, vlan: int, mac: str | None, *others: str) -> None:
        """Report that these answered one question; None: nobody did."""
        self.counter += 1
        intent = read_intent(self.cluster.objects[self.refs[vlan]])
        assert isinstance(intent, Intent)
        outcome = S if mac is None else R
        said = verdict(
            intent.digest, host=host, counter=self.counter, vlan=outcome, routed=outcome,
            segment=intent.segment,
        )  # fmt: skip
        macs = tuple(sorted({mac or "", *others})) if others else ()
        by_arp = reach(outcome).model_copy(update={"mac": mac, "macs": macs})
        target = said.targets[0].model_copy(update={"vlan": by_arp})
        said = said.model_copy(update={"targets": (target,)})
        self.updater.take_report(Report(host=host, verdicts=(said,)))
        self.look()

    def look(self, after_s: float = 0.0) -> None:
        self.clock.seconds += after_s
        self.updater.review_due()
        while self.updater.write_due():
            pass

    def sweep(self, vlan: int, mac: str | None, *others: str, hosts: tuple[str, ...] = HOSTS) -> None:
        """Let the hosts report one after the other."""
        for host in hosts:
            self.report(host, vlan, mac, *others)
            self.look(SWEEP_S / len(HOSTS))

    def told(self, reason: str) -> list[str]:
        """Return the messages of the Events with this reason."""
        return [message for _, code, message in self.cluster.events if code == reason]

    def status(self, vlan: int = 7) -> Status:
        if self.settings.observe_only:
            told = Status.from_fields(self.memories.records[f"uid-{vlan}"].status)
        else:
            told = self.cluster.objects[self.refs[vlan]].status
        assert told is not None
        return told


@pytest.mark.parametrize("observe_only", [False, True], ids=["written", "observed"])
def test_a_failover_is_one_event_and_no_change_of_state(observe_only: bool) -> None:
    """It is told once every host has seen it, with both addresses, and not again by a new updater."""
    site = Site(7, observe_only=observe_only)
    site.sweep(7, A)
    before = site.cluster.events.copy()
    site.sweep(7, B, hosts=HOSTS[:2])
    assert site.told(NEW_MAC_REASON) == []
    for _ in range(5):
        site.sweep(7, B)
        site.restart()
    new = [event for event in site.cluster.events if event not in before]
    assert [code for _, code, _ in new] == [NEW_MAC_REASON]
    message = new[0][2]
    assert A in message
    assert B in message
    assert str(GATEWAY) in message
    assert (site.status().state, site.status().gateway_mac) == (State.ACTIVE, B)


def test_a_failover_and_its_end_are_two_events() -> None:
    """They are no duplicate, however soon the first router is back."""
    site = Site(7)
    for mac in (A, B, A):
        site.sweep(7, mac)
        site.sweep(7, mac)
    assert len(site.told(NEW_MAC_REASON)) == 2
    assert site.told(Reason.DUPLICATE_GATEWAY) == []


def test_a_replaced_router_is_told_after_its_outage() -> None:
    """While the gateway is silent, its last MAC address stays known."""
    site = Site(7)
    site.sweep(7, A)
    for _ in range(3):
        site.sweep(7, None)
    assert (site.status().state, site.status().gateway_mac) == (State.UNREACHABLE, A)
    site.sweep(7, B)
    site.sweep(7, B)
    assert len(site.told(NEW_MAC_REASON)) == 1


def test_glbp_is_quiet_and_a_duplicate_in_the_same_run_is_named() -> None:
    """The forwarders of a group alternate over three hosts for an hour, next to VLAN 8, where two machines
    answer: nothing is told or written of the one, and the other is named once, with both."""
    site = Site(7, 8)
    forwarders = cycle(FORWARDERS)
    for host in HOSTS:
        site.report(host, 7, next(forwarders))
        site.report(host, 8, A)
    first = site.cluster.objects[site.refs[7]].resource_version
    while site.clock.seconds < HOUR_S:
        for host in HOSTS:
            site.report(host, 7, next(forwarders))
            site.report(host, 8, A, B)
            site.look(SWEEP_S / len(HOSTS))
        next(forwarders)
    assert site.cluster.objects[site.refs[7]].resource_version == first
    assert site.told(NEW_MAC_REASON) == []
    (message,) = site.told(Reason.DUPLICATE_GATEWAY)
    assert f"{A}, {B}" in message
    assert Reason.DUPLICATE_GATEWAY in site.status(8).findings
    assert Reason.DUPLICATE_GATEWAY not in site.status(7).findings


@pytest.mark.parametrize("hosts", [HOSTS[:1], HOSTS], ids=["one host", "three hosts"])
def test_two_that_take_turns_are_a_duplicate(hosts: tuple[str, ...]) -> None:
    """Each question has one answer, now from one machine and now from the other: after a few Events the
    finding says so, and goes when they do so no more."""
    site = Site(7)
    turns = cycle((A, B))
    for _ in range(60):
        mac = next(turns)
        for host in hosts:
            site.report(host, 7, mac)
        site.look(SWEEP_S)
    assert len(site.told(NEW_MAC_REASON)) <= 3
    (message,) = site.told(Reason.DUPLICATE_GATEWAY)
    assert f"{A}, {B}" in message
    writes = len(site.cluster.written)
    assert writes <= 5
    while site.clock.seconds < 2 * HOUR_S:
        site.sweep(7, A, hosts=hosts)
    assert site.status().findings == {}
    assert site.status().gateway_mac == A


def test_a_network_that_moves_to_another_vlan_tells_no_change() -> None:
    """The gateway there is another machine, of course; what follows is compared with that."""
    site = Site(7)
    site.sweep(7, A)
    present = site.cluster.objects[site.refs[7]]
    site.cluster.objects[site.refs[7]] = replace(present, config=config(vlan=8), resource_version="99")
    site.updater.upserted(site.cluster.objects[site.refs[7]])
    site.sweep(7, B)
    assert (site.told(NEW_MAC_REASON), site.status().gateway_mac) == ([], B)
    site.sweep(7, A)
    assert len(site.told(NEW_MAC_REASON)) == 1


def test_while_nothing_is_known_the_mac_stays_known() -> None:
    """Frames are lost for an hour, and the state is told as unknown; then another machine answers."""
    net = JudgedNetwork(BY_HAND, "node1")
    net.report("node1", mac=A).stand()
    for _ in range(120):
        net.now += 30
        net.report("node1", vlan=ReachOutcome.INCONCLUSIVE).look()
    assert net.status is not None
    assert (net.status.state, net.status.gateway_mac) == (State.UNKNOWN, A)


def test_it_is_not_told_before_all_hosts_are_known() -> None:
    """After its start the updater waits for the hosts, which may say something else."""
    net = JudgedNetwork(BY_HAND, "node1")
    net.report("node1", mac=A).stand()
    net.is_settled = False
    net.report("node1", mac=B)
    assert net.look() is None
    net.is_settled = True
    told = net.look(after=1)
    assert told is not None
    assert told.gateway_mac == B


def test_hosts_with_an_answer_of_their_own_are_no_change() -> None:
    """Leaves of a fabric may answer their own hosts with MAC addresses of their own: each host says the same
    for hours, so neither a change nor a duplicate is told."""
    net = JudgedNetwork(BY_HAND, "node1", "node2")
    for host, mac in (("node1", A), ("node2", B)):
        net.report(host, mac=mac)
        net.now += 100
    net.stand()
    told = net.status
    for _ in range(100):
        net.now += 100
        for host, (at, seen) in net.latest.items():
            # A repeat makes the verdict younger; it came in full when it did.
            since = at - seen.full_age_s
            net.latest[host] = net.now, replace(seen, full_age_s=net.now - since)
            assert net.look() is None
    assert told == net.status
    assert net.doubts is NO_DOUBTS
