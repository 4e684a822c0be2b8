"""Replacements of the cluster, Redis and hosts for the services of a simulated site."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from lab.kube.errors import ApiError
from lab.kube.jsontypes import JsonObject, metadata
from lab.kube.objects import Actor
from lab.kube.resources import NADS
from lab.kube.store import Store
from services.cluster.errors import from_status
from services.contract.messages import HostAnnouncement, Segment, Verdict
from services.contract.reports import Repeats, Report
from services.contract.verdicts import AgedVerdict, Confirmed, ObservedTime, SegmentVerdicts
from services.network.judge.evidence import Carriers
from services.network.parse.nad import Network, NetworkRef
from services.network.reasons.events import Event
from services.network.write.disputes import Written
from services.updater.memory.memories import CORRECTIONS_COUNT_S
from tests.support.manual_clock import ManualClock
from tests.unit.updater.fakes import FakeMemories

US = Actor(user="nadroute", agent="nadroute/0")


class StoreWriter:
    """The cluster as the updater writes to it."""

    def __init__(self, store: Store) -> None:
        self.events: list[tuple[str, str, str]] = []
        """Network, reason, message."""
        self._store = store

    def get_network(self, ref: NetworkRef) -> Network:
        try:
            return Network.from_object(self._store.get(NADS, ref.namespace, ref.name).body)
        except ApiError as error:
            raise from_status(error.code, error.message) from None

    def annotate(self, network: Network, annotations: Mapping[str, str | None]) -> Network:
        def edit(body: JsonObject) -> JsonObject:
            own = metadata(body)
            own.update(uid=network.uid, resourceVersion=network.resource_version)
            present = own.setdefault("annotations", {})
            assert isinstance(present, dict)
            for key, value in annotations.items():
                present.pop(key, None)
                if value is not None:
                    present[key] = value
            return body

        try:
            stored = self._store.change(NADS, network.ref.namespace, network.ref.name, edit, actor=US)
        except ApiError as error:
            raise from_status(error.code, error.message) from None
        return Network.from_object(stored.body)

    def post_event(self, network: Network, event: Event) -> None:
        self.events.append((network.ref.name, event.reason, event.message))


class MemoryStore:
    """The newest verdict of each host, with ages by the simulated clock."""

    def __init__(self, clock: ManualClock) -> None:
        self.changes: dict[Segment, int] = {}
        """Number of changes in what hosts report about a segment."""
        self._clock = clock
        self._latest: dict[Segment, dict[str, tuple[float, Verdict]]] = {}
        self._asked: dict[Segment, dict[str, tuple[float, Verdict]]] = {}

    def put(self, verdicts: Iterable[Verdict]) -> frozenset[Segment]:
        given = list(verdicts)
        for verdict in given:
            now, segment = self._clock.seconds, verdict.segment
            kinds = [self._latest, self._asked] if verdict.is_dhcp_conclusive else [self._latest]
            news = False
            for known in kinds:
                before = known.setdefault(segment, {}).get(verdict.host)
                news |= before is None or _content(before[1]) != _content(verdict)
                known[segment][verdict.host] = (now, verdict)
            self.changes[segment] = self.changes.get(segment, 0) + news
        return frozenset(verdict.segment for verdict in given)

    def confirm(self, host: str, repeats: Repeats) -> Confirmed:
        gaps_s: dict[Segment, float] = {}
        unknown = []
        for vlan, _, fingerprint, asked in repeats.verdicts:
            segment = Segment(cluster_network=repeats.cluster_network, vlan=vlan)
            known = (self._asked if asked else self._latest).get(segment, {}).get(host)
            if known is None or known[1].fingerprint != fingerprint:
                unknown.append(segment)
            else:
                gaps_s[segment] = self._clock.seconds - known[0]
                self.put([known[1]])
        return Confirmed(gaps_s, tuple(unknown), self.time().now_ms)

    def tick(self) -> ObservedTime:
        """Return the simulated time: ages follow the clock."""
        return self.time()

    def time(self) -> ObservedTime:
        return ObservedTime(round(self._clock.seconds * 1000))

    def read(self, segments: Collection[Segment]) -> Mapping[Segment, SegmentVerdicts]:
        now_ms = self.time().now_ms
        return {
            s: SegmentVerdicts(self._seen(self._latest, s), self._seen(self._asked, s), now_ms)
            for s in segments
        }

    def _seen(
        self, known: Mapping[Segment, Mapping[str, tuple[float, Verdict]]], segment: Segment
    ) -> tuple[AgedVerdict, ...]:
        of_segment = sorted(known.get(segment, {}).items())
        return tuple(AgedVerdict(verdict, self._clock.seconds - at) for _, (at, verdict) in of_segment)


def _content(verdict: Verdict) -> object:
    return verdict.dhcp, verdict.targets, verdict.fault


class MemoryMemories(FakeMemories):
    """Memories whose corrections count for an hour."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock
        self._contents: dict[str, str] = {}
        self._corrected: dict[str, deque[float]] = {}
        self._told: dict[str, float] = {}

    def written(self, uids: Collection[str]) -> Mapping[str, Written]:
        return {uid: self._written(uid) for uid in uids}

    def _written(self, uid: str) -> Written:
        since = self._clock.seconds - CORRECTIONS_COUNT_S
        counted = [at for at in self._corrected.get(uid, ()) if at > since]
        room_in_s = min(counted, default=since) - since
        is_told = self._told.get(uid, since) > since
        return Written(self._contents.get(uid, ""), len(counted), room_in_s, is_told=is_told)

    def remember_written(self, contents: Mapping[str, str]) -> None:
        self._contents |= contents

    def remember_correction(self, uid: str, content: str) -> None:
        self._contents[uid] = content
        self._corrected.setdefault(uid, deque(maxlen=16)).append(self._clock.seconds)

    def remember_told(self, uid: str) -> None:
        self._told[uid] = self._clock.seconds


@dataclass(frozen=True)
class EveryHost:
    """Hosts that all carry every cluster network."""

    names: frozenset[str]

    def refresh(self) -> None:
        """Do nothing: they never change."""

    def carrying(self, cluster_network: str) -> Carriers:
        return Carriers(self.names)

    def reported(self, report: Report) -> None: ...

    def announced(self) -> Mapping[str, HostAnnouncement]:
        return {}

    def addresses(self) -> frozenset[IPv4Address]:
        return frozenset()

    def claimed(self) -> frozenset[IPv4Address]:
        return frozenset()

    def own_networks(self) -> frozenset[IPv4Network]:
        return frozenset()

    def on_vlans(self) -> Mapping[Segment, frozenset[IPv4Network]]:
        return {}

    def claimed_networks(self) -> frozenset[IPv4Network]:
        return frozenset()
