"""Making a network's annotations what they should be: one guarded patch, decided on that very object."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import redis
import structlog

from services.cluster.backoff import backoff_s
from services.cluster.cache import NetworkCache
from services.cluster.errors import ClusterError, Conflict, Denied, NotFound, Throttled, Unavailable
from services.network.parse.intent import Intent
from services.network.parse.nad import Network, NetworkRef
from services.network.write.writing import Change
from services.runtime.clock import Clock
from services.updater.assessing import Assessment, Assessor
from services.updater.denied_backoff import Parking
from services.updater.event_text import describe, describe_finding
from services.updater.memories import Memories

COMPONENT = "nadroute-updater"
MAX_CONFLICTS = 8
"""Fresh looks at one network in a row; then it is left for the next look at all networks."""
CONFLICT_PAUSE_S = 0.02
DENIED_REASON = "WriteDenied"

log = structlog.get_logger(__name__)


class Writer(Protocol):
    """The part of cluster.client.Cluster that is needed here; raises ClusterError."""

    def get_network(self, ref: NetworkRef) -> Network:
        """The network as it is now."""
        ...

    def annotate(self, network: Network, annotations: Mapping[str, str | None]) -> Network:
        """Set annotations on exactly this version of this object."""
        ...

    def post_event(
        self,
        network: Network,
        *,
        event_type: Literal["Normal", "Warning"],
        reason: str,
        message: str,
        component: str,
    ) -> None:
        """Tell an Event on the network."""
        ...


class Reconciler:
    """Looks at networks and writes them. Safe to share by threads, but for one network at a time."""

    def __init__(
        self,
        writer: Writer,
        cache: NetworkCache,
        assessor: Assessor,
        memories: Memories,
        clock: Clock,
        *,
        is_paused: Callable[[], bool],
        random: Callable[[], float],
        stopping: threading.Event,
    ) -> None:
        """random gives numbers from 0 to 1; stopping ends every wait; is_paused may raise RedisError."""
        self._writer = writer
        self._cache = cache
        self._assessor = assessor
        self._memories = memories
        self._is_paused = is_paused
        self._clock = clock
        self._random = random
        self._stopping = stopping
        self._parking = Parking(clock)
        self._lock = threading.Lock()
        self._failures: dict[NetworkRef, int] = {}
        self._paused_until = 0.0

    def review(self, networks: Sequence[Network]) -> list[NetworkRef]:
        """Those of them that are to be written; only reads, and may raise redis.RedisError."""
        return [a.network.ref for a in self._assessor.assess(networks) if self._wanted(a) is not None]

    def reconcile(self, ref: NetworkRef) -> float | None:
        """Write this network if it needs it. Returns the seconds after which to try again, or None."""
        paused_s = self._paused_until - self._clock.monotonic()
        if paused_s > 0:
            return paused_s * (1 + 0.1 * self._random())
        try:
            if self._is_paused():
                # On resuming all networks are looked at.
                return None
            self._write(ref)
        except NotFound:
            self._forget(ref)
        except (ClusterError, redis.RedisError) as error:
            return self._retry_in_s(ref, error)
        self._failures.pop(ref, None)
        return None

    def forget(self, uid: str) -> None:
        """This network is gone."""
        self._parking.release(uid)
        self._assessor.forget(uid)

    def _write(self, ref: NetworkRef) -> None:
        """Raises ClusterError and redis.RedisError."""
        network = self._cache.get(ref)
        for attempt in range(1, MAX_CONFLICTS + 1):
            if network is None or self._stopping.is_set():
                return
            (assessment,) = self._assessor.assess([network])
            change = self._wanted(assessment)
            if change is None:
                return
            if not change.annotations:
                # Before it is told: an Event less is better than one every few seconds.
                self._memories.remember_told(network.uid, change.after)
                self._tell(assessment, change, network)
                return
            try:
                written = self._writer.annotate(network, change.annotations)
            except Conflict:
                # Somebody wrote meanwhile: what they wrote stands, and decides anew.
                ceiling_s = CONFLICT_PAUSE_S * 2**attempt
                self._clock.wait(self._stopping, ceiling_s * self._random())
                network = self._writer.get_network(ref)
                self._cache.upserted(network)
                continue
            except Denied as error:
                self._park(assessment, change, error)
                return
            # Before the watch tells of it: the next look must see what we wrote, or it would write again.
            self._cache.written(written)
            self._parking.release(network.uid)
            self._tell(assessment, change, written)
            if change.is_correction:
                self._memories.remember_correction(network.uid)
            return
        log.info("network left for later", network=str(ref), conflicts=MAX_CONFLICTS)

    def _wanted(self, assessment: Assessment) -> Change | None:
        change = assessment.change
        if change is None or self._parking.holds(assessment.network.uid, change):
            return None
        return change

    def _tell(self, assessment: Assessment, change: Change, written: Network) -> None:
        # What is written again and again, as hosts join in, is no news to whoever reads the log.
        tell = log.info if change.is_transition or change.new_findings else log.debug
        tell(
            "network written" if change.annotations else "network observed",
            network=str(written.ref),
            segment=str(assessment.intent.segment) if isinstance(assessment.intent, Intent) else "",
            state=change.after.state,
            reason=change.after.reason,
            annotations=sorted(change.annotations),
        )
        if change.is_transition:
            event_type, reason, message = describe(assessment)
            self._post(written, event_type, reason, message)
        for code, text in change.new_findings.items():
            self._post(written, "Warning", code, describe_finding(assessment, code, text))

    def _park(self, assessment: Assessment, change: Change, error: Denied) -> None:
        network = assessment.network
        first = self._parking.park(network.uid, change)
        log.warning("write denied", network=str(network.ref), state=change.after.state, error=str(error))
        if first:
            _, state, message = describe(assessment)
            told = f"{state}: {message}. It cannot be written to the network: {error}"
            self._post(network, "Warning", DENIED_REASON, told)

    def _post(
        self, network: Network, event_type: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        """An Event is told once or not at all: nothing depends on it."""
        try:
            self._writer.post_event(
                network, event_type=event_type, reason=reason, message=message, component=COMPONENT
            )
        except ClusterError as error:
            log.warning("event not posted", network=str(network.ref), reason=reason, error=str(error))

    def _forget(self, ref: NetworkRef) -> None:
        network = self._cache.get(ref)
        self._failures.pop(ref, None)
        if network is not None:
            # The watch tells of whatever took its name; until then nothing stands here to be written.
            self._cache.deleted(ref, network.uid)
            self.forget(network.uid)

    def _retry_in_s(self, ref: NetworkRef, error: ClusterError | redis.RedisError) -> float:
        attempt = self._failures[ref] = self._failures.get(ref, 0) + 1
        cause = error if isinstance(error, ClusterError) else Unavailable(str(error))
        delay_s = backoff_s(attempt, cause, jitter=self._random())
        if isinstance(error, Throttled):
            # The server asks all of us, not this network alone.
            with self._lock:
                until = self._clock.monotonic() + error.retry_after_s
                self._paused_until = max(self._paused_until, until)
        log.warning(
            "write failed", network=str(ref), error=str(error), attempt=attempt, retry_in_s=round(delay_s, 2)
        )
        return delay_s
