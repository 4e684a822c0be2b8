"""What passes between the updater and its neighbours, noted for the metrics, and changed by nothing here."""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Literal, NamedTuple

import redis

from services.cluster.errors import ClusterError
from services.cluster.tracking import NetworkListener
from services.contract.messages import Segment, Verdict
from services.contract.verdicts import SegmentVerdicts
from services.network.parse.nad import Network, NetworkRef
from services.network.parse.status import Status
from services.runtime.clock import Clock
from services.runtime.verdict_store import VerdictStore
from services.updater.memories import RedisMemories
from services.updater.metrics import UpdaterMetrics
from services.updater.reconciling import Writer


class ReadAt(NamedTuple):
    """What was known of a segment at a moment (monotonic seconds)."""

    at: float
    verdicts: SegmentVerdicts


class ObservedStore(VerdictStore):
    """A verdict store that knows what was read last."""

    def __init__(self, client: redis.Redis, metrics: UpdaterMetrics, clock: Clock) -> None:
        super().__init__(client)
        self._metrics = metrics
        self._observing_clock = clock
        self._observing_lock = threading.Lock()
        self._last_read: dict[Segment, ReadAt] = {}

    def put(self, verdicts: Iterable[Verdict]) -> frozenset[Segment]:
        """See VerdictStore."""
        given = list(verdicts)
        changed = super().put(given)
        self._metrics.verdicts(given, changed)
        return changed

    def read(self, segments: Iterable[Segment]) -> dict[Segment, SegmentVerdicts]:
        """See VerdictStore."""
        found = super().read(segments)
        self.note(found)
        return found

    def note(self, found: Mapping[Segment, SegmentVerdicts]) -> None:
        """This is known now."""
        now = self._observing_clock.monotonic()
        with self._observing_lock:
            for segment, verdicts in found.items():
                self._last_read[segment] = ReadAt(now, verdicts)

    def last_read(self, *, within_s: float) -> dict[Segment, ReadAt]:
        """What was read within the last so many seconds; what was not is forgotten."""
        since = self._observing_clock.monotonic() - within_s
        with self._observing_lock:
            self._last_read = {s: known for s, known in self._last_read.items() if known.at >= since}
            return dict(self._last_read)


class ToldStates:
    """The state that is told of each network: a NetworkListener beside the updater."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._networks: dict[NetworkRef, Network] = {}
        self._by_event: dict[str, tuple[float, str]] = {}
        self._looked_at = clock.monotonic()

    def upserted(self, network: Network) -> None:
        """A version of a network."""
        with self._lock:
            self._networks[network.ref] = network

    def deleted(self, ref: NetworkRef, uid: str) -> None:
        """A network is gone."""
        with self._lock:
            present = self._networks.get(ref)
            if present is not None and present.uid == uid:
                del self._networks[ref]

    def told_by_event(self, told: Mapping[str, Status]) -> None:
        """This is told, by their uids, of networks on which nothing is written; called at every look."""
        with self._lock:
            self._looked_at = self._clock.monotonic()
            self._by_event.update({uid: (self._looked_at, status.state) for uid, status in told.items()})

    def states(self, *, within_s: float) -> dict[NetworkRef, str]:
        """The state that is told of each network; the empty word where none is.

        within_s: between two looks at all networks at most; what was not seen again by then is forgotten.
        """
        with self._lock:
            since = self._looked_at - within_s
            self._by_event = {uid: told for uid, told in self._by_event.items() if told[0] >= since}
            networks, by_event = list(self._networks.values()), dict(self._by_event)
        found = {}
        for network in networks:
            if network.uid in by_event:
                found[network.ref] = by_event[network.uid][1]
            else:
                found[network.ref] = "" if network.status is None else network.status.state
        return found


class Both:
    """A NetworkListener that passes on to two."""

    def __init__(self, first: NetworkListener, second: NetworkListener) -> None:
        self._listeners = (first, second)

    def upserted(self, network: Network) -> None:
        """A version of a network."""
        for listener in self._listeners:
            listener.upserted(network)

    def deleted(self, ref: NetworkRef, uid: str) -> None:
        """A network is gone."""
        for listener in self._listeners:
            listener.deleted(ref, uid)


class ObservedMemories(RedisMemories):
    """Memories that pass on what is told by Events alone."""

    def __init__(self, client: redis.Redis, listener: Callable[[Mapping[str, Status]], None]) -> None:
        super().__init__(client)
        self._listener = listener

    def told(self, uids: Collection[str]) -> Mapping[str, Status]:
        """See RedisMemories."""
        found = super().told(uids)
        self._listener(found)
        return found

    def remember_told(self, uid: str, status: Status) -> None:
        """See RedisMemories."""
        super().remember_told(uid, status)
        self._listener({uid: status})


class CountingWriter:
    """A Writer in front of another."""

    def __init__(self, inner: Writer, metrics: UpdaterMetrics, clock: Clock) -> None:
        self._inner = inner
        self._metrics = metrics
        self._clock = clock

    def get_network(self, ref: NetworkRef) -> Network:
        """See Writer."""
        return self._inner.get_network(ref)

    def annotate(self, network: Network, annotations: Mapping[str, str | None]) -> Network:
        """See Writer."""
        began, failure = self._clock.monotonic(), None
        try:
            return self._inner.annotate(network, annotations)
        except ClusterError as error:
            failure = error
            raise
        finally:
            self._metrics.wrote(failure, self._clock.monotonic() - began)

    def post_event(
        self,
        network: Network,
        *,
        event_type: Literal["Normal", "Warning"],
        reason: str,
        message: str,
        component: str,
    ) -> None:
        """See Writer."""
        failure = None
        try:
            self._inner.post_event(
                network, event_type=event_type, reason=reason, message=message, component=component
            )
        except ClusterError as error:
            failure = error
            raise
        finally:
            self._metrics.posted(failure)
