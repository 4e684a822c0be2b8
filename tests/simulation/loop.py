"""The loop in simulated time: the real schedule and the real assessor, with simulated probers. Queues, Redis
and Kubernetes are left out: a request arrives at once, a report when the prober is done unless it is lost,
and the watcher sees a write a moment later."""

import heapq
import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network

from prometheus_client import CollectorRegistry

from services.contract.doubts import Doubt
from services.contract.limits import REPORT_WITHIN_S
from services.contract.messages import HostAnnouncement, Segment, Verdict
from services.contract.reports import Report
from services.contract.verdicts import AgedVerdict, SegmentVerdicts
from services.network.judge.evidence import Carriers
from services.network.parse import nad
from services.network.parse.nad import Network, NetworkRef
from services.network.parse.status import Status
from services.network.write.disputes import Written
from services.updater.decide.assessing import Assessor
from services.updater.memory.kept_memories import KeptMemories
from services.updater.metrics import UpdaterMetrics
from services.updater.settings import UpdaterSettings
from services.watcher.limits.pace import Pace
from services.watcher.plan.host_probe import HostProbe
from services.watcher.plan.schedule import Schedule
from tests.simulation.site import Probers, Vlan
from tests.support.manual_clock import ManualClock
from tests.unit.updater.fakes import FakeMemories

PACE = Pace(sweep_s=300.0, retry_s=30.0, ask_window_s=15.0)
WRITE_S = 0.05
"""Time from a report until the watcher sees the write."""
REVIEW_S = 0.5
"""Reports on a segment within this time are reviewed together."""
REVIEW_ALL_S = 300.0
ROUTER_S = 10.0
"""Time from a report until the watcher knows which router answered."""
TICK_S = 1.0
EPOCH_MS = 1_000_000
"""Observed time at the start."""


@dataclass
class Record:
    """What happened on one segment."""

    asks: list[tuple[float, float, str]] = field(default_factory=list)
    """DHCP asks: begin, end and host."""
    checks: list[tuple[float, float, str, int]] = field(default_factory=list)
    """Gateway checks: begin, end, host and number of ARP probes."""
    reported: list[tuple[float, str, str, bool]] = field(default_factory=list)
    """Each written state: time, state, reason, and whether DHCP is out."""
    writes: int = 0
    lost: int = 0
    """Reports that never arrived."""


class _Nothing(FakeMemories):
    """Memories of an updater that writes at once and has no other writer."""

    def written(self, uids: Collection[str]) -> Mapping[str, Written]:
        return {}

    def remember_written(self, contents: Mapping[str, str]) -> None:
        raise AssertionError("nothing is written here")

    def remember_correction(self, uid: str, content: str) -> None:
        raise AssertionError("nothing is written here")

    def remember_told(self, uid: str) -> None:
        raise AssertionError("there is no other writer")


class Loop:
    """The watcher, probers and updater of one site."""

    def __init__(
        self,
        vlans: Collection[Vlan],
        *,
        seed: int,
        lost: float,
        pace: Pace = PACE,
        review_all_s: float = REVIEW_ALL_S,
    ) -> None:
        """lost: share of reports that never arrive."""
        self.clock = ManualClock(0.0, on_wait="fail")
        self.records: defaultdict[int, Record] = defaultdict(Record)
        self.networks: dict[int, Network] = {}
        self._vlans = {vlan.vlan: vlan for vlan in vlans}
        self.cluster_networks = sorted({vlan.cluster_network for vlan in vlans})
        self._chance = random.Random(seed)
        self._lost = lost
        self._review_all_s = review_all_s
        self._pace = pace
        self._schedule = Schedule(pace=pace, random=self._chance.random)
        self._probers = Probers()
        self._hosts: dict[str, HostAnnouncement] = {}
        self._ended: dict[str, float] = {}
        """When the announcement of each host ended that is or was missing."""
        self._latest: defaultdict[int, dict[str, tuple[Verdict, float]]] = defaultdict(dict)
        self._asked: defaultdict[int, dict[str, tuple[Verdict, float]]] = defaultdict(dict)
        self._assessor = Assessor(
            self,
            self,
            KeptMemories(_Nothing(), self.clock),
            self,
            self.clock,
            UpdaterSettings(sweep_interval_s=pace.sweep_s),
            metrics=UpdaterMetrics(CollectorRegistry()),
        )
        self._to_review: set[int] = set()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._tie = itertools.count()

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Schedule an action."""
        heapq.heappush(self._events, (when, next(self._tie), action))

    def create(self, vlan: int, network: Network) -> None:
        """Apply a network as its owner does."""
        self.networks[vlan] = network
        self._schedule.upsert(network, self.clock.seconds)

    def announce(self, hosts: Mapping[str, int]) -> None:
        """Announce these hosts from now on, with these incarnations."""
        self._ended |= {host: self.clock.seconds for host in self._hosts if host not in hosts}
        # As the updater's review does, which runs seldom here: from then on it does not count.
        self.at(self.clock.seconds + REPORT_WITHIN_S, lambda: self._review(list(self.networks)))
        carried = dict.fromkeys(self.cluster_networks, "any-bo")
        self._hosts = {
            name: HostAnnouncement(host=name, uplinks=carried, version="0", incarnation=number)
            for name, number in hosts.items()
        }
        self._schedule.set_hosts(self._hosts.values(), self.clock.seconds)

    def run(self, until: float) -> None:
        """Advance the time."""
        self.at(self.clock.seconds, self._tick)
        self.at(self.clock.seconds + self._review_all_s, self._review_all)
        while True:
            event_at = self._events[0][0] if self._events else until
            due_at = max(self.clock.seconds, self._schedule.next_due())
            self.clock.seconds = min(event_at, due_at)
            if self.clock.seconds >= until:
                self.clock.seconds = until
                return
            if event_at <= due_at:
                heapq.heappop(self._events)[2]()
            else:
                for probe in self._schedule.due(self.clock.seconds):
                    self._probe(probe)

    def read(self, segments: Collection[Segment]) -> Mapping[Segment, SegmentVerdicts]:
        """Implement the updater's Verdicts."""
        now_ms = self._observed_ms()
        return {
            s: SegmentVerdicts(self._aged(self._latest, s), self._aged(self._asked, s), now_ms)
            for s in segments
        }

    def _observed_ms(self) -> int:
        return EPOCH_MS + round(self.clock.seconds * 1000)

    def _aged(
        self, known: Mapping[int, Mapping[str, tuple[Verdict, float]]], segment: Segment
    ) -> tuple[AgedVerdict, ...]:
        now = self.clock.seconds
        return tuple(AgedVerdict(verdict, max(0.0, now - at)) for verdict, at in known[segment.vlan].values())

    def refresh(self) -> None:
        """Implement the updater's Hosts."""

    def carrying(self, cluster_network: str) -> Carriers:
        """Implement the updater's Hosts: those that are announced, and those that restart."""
        now = self.clock.seconds
        restarting = {host for host, at in self._ended.items() if now - at < REPORT_WITHIN_S}
        return Carriers(
            frozenset(self._hosts) | restarting,
            pace=self._schedule.crowds.doubt_pace,
            sweep_s=self._schedule.intervals(now).get(cluster_network, 0.0),
        )

    def publish(self, doubts: Iterable[Doubt]) -> None:
        """Implement the updater's DoubtLog: the watcher sees them a moment later."""
        given = list(doubts)
        self.at(self.clock.seconds + WRITE_S, lambda: self._doubt(given))

    def _doubt(self, doubts: Iterable[Doubt]) -> None:
        self._schedule.doubt(doubts, self.clock.seconds)

    def reported(self, report: Report) -> None:
        """Implement the updater's Hosts."""

    def announced(self) -> Mapping[str, HostAnnouncement]:
        return self._hosts

    def addresses(self) -> frozenset[IPv4Address]:
        """Implement the updater's Hosts."""
        return frozenset()

    def claimed(self) -> frozenset[IPv4Address]:
        """Implement the updater's Hosts."""
        return frozenset()

    def own_networks(self) -> frozenset[IPv4Network]:
        """Implement the updater's Hosts."""
        return frozenset()

    def on_vlans(self) -> Mapping[Segment, frozenset[IPv4Network]]:
        return {}

    def claimed_networks(self) -> frozenset[IPv4Network]:
        """Implement the updater's Hosts."""
        return frozenset()

    def _probe(self, probe: HostProbe) -> None:
        vlan = probe.segment.vlan
        host, incarnation = probe.host, self._hosts[probe.host].incarnation
        found = self._probers.probe(self._vlans[vlan], host, probe.probe, self.clock.seconds)
        record = self.records[vlan]
        done_at = self.clock.seconds + found.after_s
        if probe.probe.ask_dhcp:
            record.asks.append((self.clock.seconds, done_at, host))
        if found.arp_probes:
            record.checks.append((self.clock.seconds, done_at, host, found.arp_probes))
        if self._chance.random() < self._lost:
            record.lost += 1
            return
        before = self._latest[vlan].get(host, (None, 0.0))[0]
        is_same = before is found.verdict or (before is not None and before.targets == found.verdict.targets)
        if is_same and not found.verdict.is_dhcp_conclusive:
            # Only its age is new.
            self._latest[vlan][host] = (found.verdict, done_at)
        else:
            self.at(done_at, lambda: self._report(found.verdict, incarnation))

    def _report(self, verdict: Verdict, incarnation: int) -> None:
        announced = self._hosts.get(verdict.host)
        if announced is None or announced.incarnation != incarnation:
            return
        vlan = verdict.segment.vlan
        self._latest[vlan][verdict.host] = (verdict, self.clock.seconds)
        if verdict.is_dhcp_conclusive:
            self._asked[vlan][verdict.host] = (verdict, self.clock.seconds)
        if routers := {str(target.vlan.mac) for target in verdict.targets if target.vlan.mac is not None}:
            self.at(self.clock.seconds + ROUTER_S, lambda: self._learn(verdict.segment, routers))
        self._review_soon(vlan)

    def _learn(self, segment: Segment, routers: Collection[str]) -> None:
        # As its reading of verdicts does.
        if len(self.cluster_networks) > 1:
            self._schedule.take_routers({segment: routers})

    def _review_soon(self, vlan: int) -> None:
        if vlan not in self._to_review:
            self._to_review.add(vlan)
            reported = self.records[vlan].reported
            # The first report of a quiet segment is reviewed at once, as all reports are on a small site.
            quiet = not reported or self.clock.seconds - reported[-1][0] > REVIEW_S
            self.at(self.clock.seconds + (0.0 if quiet else REVIEW_S), lambda: self._review([vlan]))

    def _tick(self) -> None:
        """Review the networks of which time alone may have completed a doubt, as the updater does."""
        self._review([int(uid.removeprefix("uid-")) for uid in self._assessor.due(self._observed_ms())])
        self.at(self.clock.seconds + TICK_S, self._tick)

    def _review_all(self) -> None:
        self._review(list(self.networks))
        self.at(self.clock.seconds + self._review_all_s, self._review_all)

    def _review(self, vlans: list[int]) -> None:
        self._to_review.difference_update(vlans)
        for vlan in vlans:
            network = self.networks.get(vlan)
            if network is None:
                continue
            (assessment,) = self._assessor.assess([network])
            if assessment.change is not None:
                self._write(vlan, network, assessment.change.annotations)

    def _write(self, vlan: int, network: Network, annotations: Mapping[str, str]) -> None:
        written = replace(network, annotations={**network.annotations, **annotations})
        self.networks[vlan] = written
        record = self.records[vlan]
        record.writes += 1
        status = Status.parse(written.annotations.get(nad.STATUS, ""))
        assert status is not None
        self._assessor.reported(network.uid, status)
        reported = (status.state, status.reason, status.dhcp_out)
        if not record.reported or record.reported[-1][1:] != reported:
            record.reported.append((self.clock.seconds, *reported))
        self.at(self.clock.seconds + WRITE_S, lambda: self._see(vlan, written))

    def _see(self, vlan: int, written: Network) -> None:
        self._schedule.upsert(written, self.clock.seconds)


def network_of(vlan: Vlan) -> Network:
    """Return a network on this VLAN as its owner writes it."""
    config = f'{{"type":"bridge","bridge":"{vlan.cluster_network}-br","vlan":{vlan.vlan}}}'
    route = f'{{"mode":"manual","cidr":"{vlan.cidr}","gateway":"{vlan.gateway}"}}'
    annotations = {nad.ROUTE: route} if vlan.is_manual else {}
    return Network(NetworkRef("default", f"net-{vlan.vlan}"), f"uid-{vlan.vlan}", "1", config, annotations)
