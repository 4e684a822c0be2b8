"""What an updater needs, without Redis, Kubernetes or real time."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from services.cluster.errors import ClusterError, Conflict, NotFound
from services.contract.conclusions import ConclusionRecord
from services.contract.doubts import Doubt
from services.contract.limits import REPORT_WITHIN_S
from services.contract.messages import HostAnnouncement, Segment, Verdict
from services.contract.reports import Repeats, Report
from services.contract.verdicts import AgedVerdict, Confirmed, ObservedTime, SegmentVerdicts
from services.network.judge.evidence import Carriers
from services.network.parse.nad import Network, NetworkRef
from services.network.reasons.events import Event
from services.network.write.disputes import Written
from tests.support.manual_clock import ManualClock


class FakeStore:
    """Verdicts whose ages follow the clock, which is the observed time as well."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.latest: dict[tuple[Segment, str], tuple[float, Verdict]] = {}
        """By segment and host: when it arrived, and the verdict."""
        self.asked: dict[tuple[Segment, str], tuple[float, Verdict]] = {}
        self.failure: Exception | None = None
        self.looked_at: list[Segment] = []

    def set_verdicts(self, *verdicts: Verdict, age_s: float = 1.0) -> None:
        """Make these the only verdicts of their segment."""
        for known in (self.latest, self.asked):
            for key in [key for key in known if key[0] == verdicts[0].segment]:
                del known[key]
        self._store(verdicts, self.clock.seconds - age_s)

    def put(self, verdicts: Iterable[Verdict]) -> frozenset[Segment]:
        return self._store(verdicts, self.clock.seconds)

    def confirm(self, host: str, repeats: Repeats) -> Confirmed:
        gaps_s: dict[Segment, float] = {}
        unknown = []
        for vlan, _, fingerprint, asked in repeats.verdicts:
            segment = Segment(cluster_network=repeats.cluster_network, vlan=vlan)
            at, verdict = (self.asked if asked else self.latest).get((segment, host), (0.0, None))
            if verdict is None or verdict.fingerprint != fingerprint:
                unknown.append(segment)
            else:
                gaps_s[segment] = self.clock.seconds - at
                self._store([verdict], self.clock.seconds)
        return Confirmed(gaps_s, tuple(unknown), self.now_ms)

    def _store(self, verdicts: Iterable[Verdict], at: float) -> frozenset[Segment]:
        given = list(verdicts)
        for verdict in given:
            key = verdict.segment, verdict.host
            self.latest[key] = at, verdict
            if verdict.is_dhcp_conclusive:
                self.asked[key] = at, verdict
        return frozenset(verdict.segment for verdict in given)

    def lose(self) -> None:
        """Lose all verdicts, as Redis may."""
        self.latest.clear()
        self.asked.clear()

    @property
    def now_ms(self) -> int:
        return round(self.clock.seconds * 1000)

    def tick(self) -> ObservedTime:
        return ObservedTime(self.now_ms)

    def time(self) -> ObservedTime:
        if self.failure is not None:
            raise self.failure
        return ObservedTime(self.now_ms)

    def read(self, segments: Collection[Segment]) -> Mapping[Segment, SegmentVerdicts]:
        if self.failure is not None:
            raise self.failure
        self.looked_at += segments

        def seen(
            known: Mapping[tuple[Segment, str], tuple[float, Verdict]],
        ) -> dict[Segment, list[AgedVerdict]]:
            found: dict[Segment, list[AgedVerdict]] = {}
            for (segment, _), (at, verdict) in known.items():
                found.setdefault(segment, []).append(AgedVerdict(verdict, self.clock.seconds - at))
            return found

        latest, asked = seen(self.latest), seen(self.asked)
        return {
            s: SegmentVerdicts(tuple(latest.get(s, ())), tuple(asked.get(s, ())), self.now_ms)
            for s in segments
        }


class FakeMemories:
    """Memories without Redis that never expire."""

    def __init__(self) -> None:
        self.records: dict[str, ConclusionRecord] = {}
        self.corrected: dict[str, int] = {}
        self.failure: Exception | None = None
        """Raised where something is stored or deleted."""
        self.stored: list[ConclusionRecord] = []
        """Each record that was stored, in order."""
        self.renewed: list[list[str]] = []
        self.contents: dict[str, str] = {}
        self.stored_together: list[list[str]] = []
        """The networks of which what was written was stored, by round trip."""
        self.told: set[str] = set()
        self.unwritten: set[str] = set()

    def conclusions(self, uids: Collection[str]) -> Mapping[str, ConclusionRecord]:
        return {uid: self.records[uid] for uid in uids if uid in self.records}

    def conclude(self, records: Collection[ConclusionRecord]) -> None:
        if self.failure is not None:
            raise self.failure
        self.stored += records
        self.records |= {record.uid: record for record in records}

    def name_unwritten(self, uids: Collection[str]) -> None:
        self.unwritten |= set(uids)

    def renew(self, uids: Collection[str]) -> None:
        self.renewed.append(list(uids))

    def forget(self, uids: Collection[str]) -> None:
        if self.failure is not None:
            raise self.failure
        for uid in uids:
            self.records.pop(uid, None)

    def written(self, uids: Collection[str]) -> Mapping[str, Written]:
        return {
            uid: Written(self.contents.get(uid, ""), self.corrected.get(uid, 0), is_told=uid in self.told)
            for uid in uids
        }

    def remember_written(self, contents: Mapping[str, str]) -> None:
        if self.failure is not None:
            raise self.failure
        self.contents |= contents
        self.stored_together.append(sorted(contents))

    def remember_correction(self, uid: str, content: str) -> None:
        self.contents[uid] = content
        self.corrected[uid] = self.corrected.get(uid, 0) + 1

    def remember_told(self, uid: str) -> None:
        self.told.add(uid)


class FakeHosts:
    """Hosts that carry every cluster network."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = frozenset(hosts)
        self.is_settled = True
        self.bound_s = REPORT_WITHIN_S
        self.own: frozenset[IPv4Address] = frozenset()
        self.unsure: frozenset[IPv4Address] = frozenset()
        self.connected: frozenset[IPv4Network] = frozenset()
        self.unsure_connected: frozenset[IPv4Network] = frozenset()
        self.vlans: Mapping[Segment, frozenset[IPv4Network]] = {}

    def refresh(self) -> None:
        """Do nothing: the test sets the hosts."""

    def carrying(self, cluster_network: str) -> Carriers:
        return Carriers(self.hosts, round(self.bound_s * 1000), self.is_settled)

    def reported(self, report: Report) -> None: ...

    def announced(self) -> Mapping[str, HostAnnouncement]:
        return {}

    def addresses(self) -> frozenset[IPv4Address]:
        return self.own

    def claimed(self) -> frozenset[IPv4Address]:
        return self.unsure

    def own_networks(self) -> frozenset[IPv4Network]:
        return self.connected

    def on_vlans(self) -> Mapping[Segment, frozenset[IPv4Network]]:
        return self.vlans

    def claimed_networks(self) -> frozenset[IPv4Network]:
        return self.unsure_connected


class FakeDoubtLog:
    """Doubts that the watcher would read."""

    def __init__(self) -> None:
        self.published: list[Doubt] = []

    def publish(self, doubts: Iterable[Doubt]) -> None:
        self.published += doubts


class FakeCluster:
    """The objects of an API server, guarded by uid and resourceVersion; each write may fail as scripted."""

    def __init__(self, *networks: Network) -> None:
        self.objects = {network.ref: network for network in networks}
        self.failures: list[ClusterError] = []
        self.attempts = 0
        self.written: list[Mapping[str, str | None]] = []
        self.events: list[tuple[str, str, str]] = []

    def edit(self, ref: NetworkRef, **annotations: str) -> Network:
        """Apply another writer's change."""
        network = self.objects[ref]
        version = str(int(network.resource_version) + 1)
        self.objects[ref] = replace(
            network, annotations={**network.annotations, **annotations}, resource_version=version
        )
        return self.objects[ref]

    def _find(self, ref: NetworkRef) -> Network:
        if ref not in self.objects:
            raise NotFound(str(ref))
        return self.objects[ref]

    def get_network(self, ref: NetworkRef) -> Network:
        return self._find(ref)

    def annotate(self, network: Network, annotations: Mapping[str, str | None]) -> Network:
        self.attempts += 1
        if self.failures:
            raise self.failures.pop(0)
        present = self._find(network.ref)
        if present.uid != network.uid:
            raise NotFound(str(network.ref))
        if present.resource_version != network.resource_version:
            raise Conflict(str(network.ref))
        self.written.append(annotations)
        return self.edit(network.ref, **{k: v for k, v in annotations.items() if v is not None})

    def post_event(self, network: Network, event: Event) -> None:
        self.events.append((event.type, event.reason, event.message))
