"""Writing a network: one guarded patch, decided on the very object that it is applied to."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

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
from services.contract.open_doubts import NO_DOUBTS
from services.network.parse.nad import Network
from services.network.reasons.switch_ports import Announced
from services.network.write.writing import Change
from services.runtime.process.clock import Clock
from services.runtime.process.outside_log import tell
from services.updater.decide.assessment import Assessment
from services.updater.decide.reviewing import LEFT_PAUSE_S, Reviewer
from services.updater.memory.kept_memories import KeptMemories
from services.updater.memory.memories import CORRECTIONS_COUNT_S
from services.updater.metrics import UpdaterMetrics
from services.updater.write.pacing import Pace
from services.updater.write.telling import Teller, Writer

MAX_CONFLICTS = 8
"""Conflicts in a row on one network; then others have their turn."""
CONFLICT_PAUSE_S = 0.02
CONFLICTS_PAUSE_S = 5.0
"""Pause after so many conflicts."""

log = structlog.get_logger(__name__)


class Reconciler:
    """Writes networks. Thread-safe, except for two calls on the same network."""

    def __init__(
        self,
        writer: Writer,
        cache: NetworkCache,
        reviewer: Reviewer,
        memories: KeptMemories,
        clock: Clock,
        *,
        is_paused: Callable[[], bool],
        random: Callable[[], float],
        stopping: threading.Event,
        pace: Pace,
        metrics: UpdaterMetrics,
        look_again: Callable[[str], None],
        announced: Callable[[], Announced] = dict,
    ) -> None:
        """random gives numbers from 0 to 1; stopping ends every wait; is_paused may raise RedisError.

        look_again: has a network reviewed. announced: the hosts, whose switch ports Events name.
        """
        self._look_again = look_again
        self._writer = writer
        self._teller = Teller(writer, announced)
        self._cache = cache
        self._reviewer = reviewer
        self._memories = memories
        self._is_paused = is_paused
        self._clock = clock
        self._random = random
        self._stopping = stopping
        self._pace = pace
        self._metrics = metrics
        self._failures: dict[str, int] = {}
        self._being_written: dict[str, Network] = {}
        """By uid: what patches in progress make of networks, if nobody else writes them."""
        self._throttled_until: dict[str, float] = {}
        """By uid: until when the API server asked to wait, whatever else is found until then."""

    def reconcile(self, uid: str) -> float | None:
        """Write this network if it needs it; return the seconds after which to try again, or None."""
        throttled_s = self._throttled_until.get(uid, 0.0) - self._clock.monotonic()
        if throttled_s > 0:
            return throttled_s
        network, retry_in_s = self._cache.get(uid), None
        if network is not None:
            try:
                if self._is_paused():
                    self._reviewer.drop(uid)
                    self._look_again(uid)
                    return None
                retry_in_s = self._write(network)
            except NotFound:
                # This one is gone. Whatever has its name by now is another one, which the watch reports.
                self._cache.deleted(uid)
            except (ClusterError, redis.RedisError) as error:
                return self._retry_in_s(network, error)
            finally:
                self._being_written.pop(uid, None)
                if self._reviewer.processed(uid):
                    # It was compared with what stood before.
                    self._look_again(uid)
        self._failures.pop(uid, None)
        self._throttled_until.pop(uid, None)
        if self._cache.get(uid) is None:
            # Gone, perhaps while it was written: nothing remembered of it may stay.
            self.forget(uid)
        return retry_in_s

    def is_own(self, network: Network) -> bool:
        """Whether this version is what a patch in progress makes of it: then nothing is new about it.

        The watch may report a write before the API server's response to it is here.
        """
        expected = self._being_written.get(network.uid)
        return expected is not None and _content(network, {}) == expected

    def forget(self, uid: str) -> None:
        """Forget a network that is gone."""
        self._failures.pop(uid, None)
        self._throttled_until.pop(uid, None)
        self._reviewer.forget(uid)

    def _write(self, network: Network) -> float | None:
        """Return the seconds after which to try again, or None.

        Raise ClusterError or redis.RedisError where it cannot be written.
        """
        for attempt in range(1, MAX_CONFLICTS + 1):
            if self._stopping.is_set():
                return None
            assessment = self._reviewer.decide(network)
            change, wait_s = assessment.change, self._reviewer.wait_s(assessment)
            if change is None or wait_s != 0.0:
                return wait_s
            if change.left_for_s is not None:
                self._leave(network, change)
                return max(LEFT_PAUSE_S, change.left_for_s)
            if change.hindrance is not None:
                self._reported(assessment, change)
                self._teller.told(assessment, change, network)
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
                return self._reviewer.wait_s(assessment)
            except Forbidden as error:
                self._reviewer.record_refusal(assessment, change, str(error))
                raise
            self._wrote(assessment, change, written)
            # Until then a finding names the other writer.
            return CORRECTIONS_COUNT_S if change.is_correction else assessment.again_in_s
        log.info("write postponed after conflicts", network=str(network.ref), conflicts=MAX_CONFLICTS)
        return CONFLICTS_PAUSE_S

    def _wrote(self, assessment: Assessment, change: Change, written: Network) -> None:
        """Remember what was written, and post its Events."""
        # Ahead of the watch event: the next review must see this write, or it would write again.
        self._cache.returned(written, keeps_segment=self.is_own(written))
        if change.is_news:
            # What is only put back leaves open what is in doubt.
            self._reported(assessment, change)
        self._reviewer.accepted(written.uid)
        self._teller.told(assessment, change, written)
        self._memories.remember_written(
            written.uid,
            change.content,
            change.after.digest,
            change.result,
            is_correction=change.is_correction,
        )
        if assessment.record is not None and assessment.record.unwritten is not None:
            self._reviewer.record(assessment.record.model_copy(update={"unwritten": None}))

    def _reported(self, assessment: Assessment, change: Change) -> None:
        """Close what was in doubt, and have the record say so."""
        self._reviewer.reported(assessment.network.uid, change.after)
        if assessment.record is not None and assessment.record.doubts is not NO_DOUBTS:
            self._look_again(assessment.network.uid)

    def _leave(self, network: Network, change: Change) -> None:
        """Tell once that what another writer took back is left as it is."""
        if change.left:
            # Before posting: a missing Event is better than one every few seconds.
            self._memories.remember_told(network.uid)
            self._teller.left(network, change)

    def _read_again(self, network: Network) -> Network:
        """Return the network as it is now; raise NotFound if it is gone, whatever has its name."""
        present = self._writer.get_network(network.ref)
        if present.uid != network.uid:
            raise NotFound(f"{network.ref}: uid {network.uid} is gone, {present.uid} has its name")
        self._cache.returned(present)
        return present

    def _annotate(self, network: Network, annotations: Mapping[str, str]) -> Network:
        began, failure = self._clock.monotonic(), None
        self._being_written[network.uid] = _content(network, annotations)
        try:
            return self._writer.annotate(network, annotations)
        except ClusterError as error:
            failure = error
            raise
        finally:
            self._metrics.wrote(failure, self._clock.monotonic() - began)
            self._pace.ended(is_throttled=isinstance(failure, Throttled))

    def _back_off(self, assessment: Assessment, change: Change, error: Denied) -> None:
        is_first = self._reviewer.denied(assessment, change, str(error))
        self._teller.denied(assessment, change, error, is_first=is_first)
        self._reviewer.record_refusal(assessment, change, str(error))

    def _retry_in_s(self, network: Network, error: ClusterError | redis.RedisError) -> float:
        attempt = self._failures[network.uid] = self._failures.get(network.uid, 0) + 1
        cause = error if isinstance(error, ClusterError) else Unavailable(str(error))
        delay_s = backoff_s(attempt, cause, jitter=self._random())
        if isinstance(error, Throttled):
            self._throttled_until[network.uid] = self._clock.monotonic() + delay_s
        tell(
            log,
            "write failed",
            network=str(network.ref),
            error=str(error),
            attempt=attempt,
            retry_in_s=round(delay_s, 2),
        )
        return delay_s


def _content(network: Network, annotations: Mapping[str, str]) -> Network:
    """Return the network with these annotations, and without what the API server adds to a write."""
    annotations = {**network.annotations, **annotations}
    return replace(network, annotations=annotations, resource_version="", route_writer="")
