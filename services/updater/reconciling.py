"""Writing a network: one guarded patch, decided on the very object that it is applied to."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import redis
import structlog

from services.cluster.cache import NetworkCache
from services.cluster.errors import (
    ClusterError,
    Conflict,
    Denied,
    Forbidden,
    NotFound,
    Throttled,
    Unavailable,
    backoff_s,
)
from services.contract.conclusions import ConclusionRecord
from services.network.parse.intent import Intent
from services.network.parse.nad import Network, NetworkRef
from services.network.reasons.events import Event, describe_finding, describe_limit, describe_transition
from services.network.write.writing import Change
from services.runtime.clock import Clock
from services.updater.assessing import Assessment, Assessor
from services.updater.denied_backoff import DeniedBackoff
from services.updater.kept_memories import KeptMemories
from services.updater.metrics import UpdaterMetrics
from services.updater.pacing import Pace
from services.updater.recording import refused

MAX_CONFLICTS = 8
"""Conflicts in a row on one network; then it waits for the next review of all networks."""
CONFLICT_PAUSE_S = 0.02
LEFT_PAUSE_S = 1.0
"""Shortest pause before another look at what is left to another writer."""
DENIED_REASON = "WriteDenied"

log = structlog.get_logger(__name__)


class Writer(Protocol):
    """cluster.writing.ClusterWriter, or what stands in for it; the first two may raise ClusterError."""

    def get_network(self, ref: NetworkRef) -> Network:
        """Read the network as it is now."""
        ...

    def annotate(self, network: Network, annotations: Mapping[str, str | None]) -> Network:
        """Set annotations on exactly this version of this object."""
        ...

    def post_event(self, network: Network, event: Event) -> None:
        """Queue an Event on the network; it never fails."""
        ...


class Reconciler:
    """Reviews networks and writes them. Thread-safe, except for two calls on the same network."""

    def __init__(
        self,
        writer: Writer,
        cache: NetworkCache,
        assessor: Assessor,
        memories: KeptMemories,
        clock: Clock,
        *,
        is_paused: Callable[[], bool],
        random: Callable[[], float],
        stopping: threading.Event,
        pace: Pace,
        metrics: UpdaterMetrics,
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
        self._pace = pace
        self._metrics = metrics
        self._denied = DeniedBackoff(clock)
        self._recording = threading.Lock()
        self._recorded: set[str] = set()
        """Networks of which a write has stored the record since the present review began."""
        self._failures: dict[str, int] = {}
        self._throttled_until: dict[str, float] = {}
        """By uid: until when the API server asked to wait, whatever else is found until then."""

    def review(self, networks: Sequence[Network]) -> list[str]:
        """Record what is concluded of these networks; return the uids of those to write.

        May raise redis.RedisError.
        """
        with self._recording:
            self._recorded.clear()
        assessed = [self._with_refusal(assessment) for assessment in self._assessor.assess(networks)]
        # A record that waits for its Event is stored with it: afterwards the transition is no news any more.
        records = [a.new_record for a in assessed if a.change is None or a.change.hindrance is None]
        with self._recording:
            # What a write has recorded meanwhile is newer than this assessment.
            fresh = [r for r in records if r is not None and r.uid not in self._recorded]
            self._memories.conclude(fresh)
        return [a.network.uid for a in assessed if self._wanted(a) is not None]

    def reconcile(self, uid: str) -> float | None:
        """Write this network if it needs it; return the seconds after which to try again, or None."""
        throttled_s = self._throttled_until.get(uid, 0.0) - self._clock.monotonic()
        if throttled_s > 0:
            return throttled_s
        network, retry_in_s = self._cache.get(uid), None
        if network is not None:
            try:
                if self._is_paused():
                    # All networks are reviewed after the pause.
                    return None
                retry_in_s = self._write(network)
            except NotFound:
                # This one is gone. Whatever has its name by now is another one, which the watch reports.
                self._cache.deleted(uid)
            except (ClusterError, redis.RedisError) as error:
                return self._retry_in_s(network, error)
        self._failures.pop(uid, None)
        self._throttled_until.pop(uid, None)
        if self._cache.get(uid) is None:
            # Gone, perhaps while it was written: nothing remembered of it may stay.
            self.forget(uid)
        return retry_in_s

    def forget(self, uid: str) -> None:
        """Forget a network that is gone."""
        self._failures.pop(uid, None)
        self._throttled_until.pop(uid, None)
        self._denied.clear(uid)
        self._assessor.forget(uid)

    def _write(self, network: Network) -> float | None:
        """Return the seconds after which to try again, or None.

        Raise ClusterError or redis.RedisError where it cannot be written.
        """
        for attempt in range(1, MAX_CONFLICTS + 1):
            if self._stopping.is_set():
                return None
            (assessment,) = self._assessor.assess([network])
            change = self._wanted(assessment)
            if change is None:
                return None
            # Before the patch that it leads to, which a restart could not explain otherwise, and before the
            # Event: a missing one is better than one every few seconds.
            if assessment.new_record is not None:
                self._record(assessment.new_record)
            if change.left_for_s is not None:
                self._leave(network, change)
                return max(LEFT_PAUSE_S, change.left_for_s)
            if change.hindrance is not None:
                self._assessor.reported(network.uid)
                self._report(assessment, change, network)
                return None
            try:
                written = self._annotate(network, change.annotations)
            except Conflict:
                # Somebody else wrote: keep their change and decide again.
                ceiling_s = CONFLICT_PAUSE_S * 2**attempt
                self._clock.wait(self._stopping, ceiling_s * self._random())
                network = self._read_again(network)
                continue
            except Denied as error:
                self._back_off(assessment, change, error)
                return None
            except Forbidden as error:
                self._record_refusal(assessment, change, str(error))
                raise
            self._wrote(assessment, change, written)
            return None
        log.info("write postponed after conflicts", network=str(network.ref), conflicts=MAX_CONFLICTS)
        return None

    def _wrote(self, assessment: Assessment, change: Change, written: Network) -> None:
        """Remember what was written, and post its Events."""
        # Ahead of the watch event: the next review must see this write, or it would write again.
        self._cache.returned(written)
        if change.is_news:
            # What is only put back leaves open what is in doubt.
            self._assessor.reported(written.uid)
        self._denied.clear(written.uid)
        self._report(assessment, change, written)
        self._memories.remember_written(
            written.uid,
            change.content,
            change.after.digest,
            change.result,
            is_correction=change.is_correction,
        )
        if assessment.record is not None and assessment.record.unwritten is not None:
            self._record(assessment.record.model_copy(update={"unwritten": None}))

    def _record(self, record: ConclusionRecord) -> None:
        """Store the record of a write; a review that assessed the network before leaves it as it is."""
        with self._recording:
            self._memories.conclude([record])
            self._recorded.add(record.uid)

    def _leave(self, network: Network, change: Change) -> None:
        """Tell once that what another writer took back is left as it is."""
        if change.left:
            # Before posting: a missing Event is better than one every few seconds.
            self._memories.remember_told(network.uid)
            log.warning("correction limit reached", network=str(network.ref), left=change.left)
            self._writer.post_event(network, describe_limit(change.left))

    def _read_again(self, network: Network) -> Network:
        """Return the network as it is now; raise NotFound if it is gone, whatever has its name."""
        present = self._writer.get_network(network.ref)
        if present.uid != network.uid:
            raise NotFound(f"{network.ref}: uid {network.uid} is gone, {present.uid} has its name")
        self._cache.returned(present)
        return present

    def _wanted(self, assessment: Assessment) -> Change | None:
        change = assessment.change
        if change is None or self._denied.blocks(assessment.network.uid, change):
            return None
        return change

    def _annotate(self, network: Network, annotations: Mapping[str, str]) -> Network:
        began, failure = self._clock.monotonic(), None
        try:
            return self._writer.annotate(network, annotations)
        except ClusterError as error:
            failure = error
            raise
        finally:
            self._metrics.wrote(failure, self._clock.monotonic() - began)
            self._pace.ended(is_throttled=isinstance(failure, Throttled))

    def _report(self, assessment: Assessment, change: Change, written: Network) -> None:
        """Log the write and post its Events."""
        # Repeated writes while hosts join are no news to a reader of the log.
        write_log = log.info if change.is_transition or change.new_findings else log.debug
        write_log(
            "network written" if change.hindrance is None else "network observed",
            network=str(written.ref),
            segment=str(assessment.intent.segment) if isinstance(assessment.intent, Intent) else "",
            state=change.after.state,
            reason=change.after.reason,
            annotations=sorted(change.annotations if change.hindrance is None else ()),
        )
        facts = (change.after, assessment.intent, assessment.conclusion)
        if change.is_transition:
            self._writer.post_event(written, describe_transition(*facts))
        for code in change.new_findings:
            self._writer.post_event(written, describe_finding(code, *facts))

    def _back_off(self, assessment: Assessment, change: Change, error: Denied) -> None:
        network = assessment.network
        is_first = self._denied.record(network.uid, change, str(error))
        log.warning("write denied", network=str(network.ref), state=change.after.state, error=str(error))
        if is_first:
            event = describe_transition(change.after, assessment.intent, assessment.conclusion)
            message = f"{event.reason}: {event.message}. It cannot be written to the network: {error}"
            self._writer.post_event(network, Event("Warning", DENIED_REASON, message))
        self._record_refusal(assessment, change, str(error))

    def _record_refusal(self, assessment: Assessment, change: Change, error: str) -> None:
        assert assessment.record is not None
        record = refused(assessment.record, change, error)
        if record != assessment.record:
            self._record(record)

    def _with_refusal(self, assessment: Assessment) -> Assessment:
        """Return the assessment with a record that names the refusal, if this change was denied."""
        network, change = assessment.network, assessment.change
        if change is None or (error := self._denied.refusal(network.uid, change)) is None:
            return assessment
        assert assessment.record is not None
        return replace(assessment, record=refused(assessment.record, change, error))

    def _retry_in_s(self, network: Network, error: ClusterError | redis.RedisError) -> float:
        attempt = self._failures[network.uid] = self._failures.get(network.uid, 0) + 1
        cause = error if isinstance(error, ClusterError) else Unavailable(str(error))
        delay_s = backoff_s(attempt, cause, jitter=self._random())
        if isinstance(error, Throttled):
            self._throttled_until[network.uid] = self._clock.monotonic() + delay_s
        log.warning(
            "write failed",
            network=str(network.ref),
            error=str(error),
            attempt=attempt,
            retry_in_s=round(delay_s, 2),
        )
        return delay_s
