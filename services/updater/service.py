"""The updater without Celery: reports in, annotations out, and the threads in between."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping

import redis
import structlog

from services.cluster.cache import NetworkCache
from services.contract.conclusions import ConclusionRecord
from services.contract.messages import Segment
from services.contract.reports import Report
from services.contract.verdicts import SegmentVerdicts
from services.network.parse.intent import Intent, NotProbed
from services.network.parse.nad import Network
from services.runtime.connection.outages import Outage
from services.runtime.process.clock import Clock
from services.runtime.process.repeating import is_alive
from services.updater.decide.assessing import Assessor
from services.updater.decide.assessment import DoubtLog, Hosts
from services.updater.decide.reviewing import Reviewer
from services.updater.memory.kept_memories import KeptMemories
from services.updater.memory.kept_verdicts import KeptVerdicts, Store
from services.updater.memory.memories import Memories
from services.updater.metrics import UpdaterMetrics
from services.updater.review.reports import Reports
from services.updater.review.rounds import Rounds
from services.updater.review.touching import Touch, Touched
from services.updater.settings import UpdaterSettings
from services.updater.write.pacing import Pace
from services.updater.write.queueing import WriteQueue
from services.updater.write.reconciling import Reconciler
from services.updater.write.telling import Writer

STOP_TIMEOUT_S = 5.0
REDIS_PAUSE_S = 1.0
SPARE_WRITERS = 4
"""Threads for each write that may be in progress: slow writes hold threads, and no other write."""
LOOK_S = 1.0
"""Between two looks at hosts, the pause switch and the due moments, while nothing is touched."""
STORE_S = 0.5
"""Between two times at which what was written is stored: in a storm, each write would store little."""
TICK_S = 1.0
"""Between two ticks of observed time; see runtime.verdict_store."""

log = structlog.get_logger(__name__)


class Updater:
    """A NetworkListener that keeps the annotations of its networks as the verdicts say."""

    def __init__(
        self,
        writer: Writer,
        store: Store,
        hosts: Hosts,
        memories: Memories,
        doubt_log: DoubtLog,
        clock: Clock,
        settings: UpdaterSettings,
        *,
        is_paused: Callable[[], bool],
        random: Callable[[], float],
        metrics: UpdaterMetrics,
        touched_causes: Callable[[Collection[str]], None] = lambda _: None,
    ) -> None:
        """random gives numbers from 0 to 1; is_paused may raise redis.RedisError. touched_causes: called with
        the uids of networks of which something else may be told."""
        self.iterated_at: float | None = None
        """When the review loop iterated last (monotonic seconds); None before its start."""
        self.reviewed_at: float | None = None
        """When what was touched or due was reviewed last, or the start; None before it."""
        self.ticked_at: float | None = None
        """When observed time was counted last, or the start; None before it."""
        self._reviewing = Outage(log, "review postponed", over="networks are reviewed again")
        self._ticking = Outage(log, "observed time not counted", over="observed time is counted again")
        self._is_paused = is_paused
        self._touched_causes = touched_causes

        def fresh_s(cluster_network: str) -> float:
            return hosts.carrying(cluster_network).fresh_s(settings.fresh_s)

        self.fresh_s = fresh_s
        """Returns the age from which a verdict on a cluster network does not count, in seconds."""
        self._verdicts = verdicts = KeptVerdicts(store, fresh_s=fresh_s)
        self._memories = kept = KeptMemories(memories, clock, concluded=touched_causes)
        self._clock = clock
        self._assessor = Assessor(verdicts, hosts, kept, doubt_log, clock, settings, metrics=metrics)

        def segment_of(network: Network) -> Segment | None:
            intent = self._assessor.read(network)
            return intent.segment if isinstance(intent, Intent) else None

        self._stopping = threading.Event()
        self._cache = NetworkCache(segment_of)
        pace = Pace(clock)
        self._queue = WriteQueue(clock, pace, concurrency=settings.write_concurrency)
        self._woken = threading.Event()
        self._touched = Touched(self._woken.set)

        def look_again(uid: str) -> None:
            self._touched.add(Touch(networks={uid}))

        reviewer = Reviewer(self._assessor, kept, clock, look_again=look_again)
        self._reconciler = Reconciler(
            writer,
            self._cache,
            reviewer,
            kept,
            clock,
            is_paused=is_paused,
            random=random,
            stopping=self._stopping,
            pace=pace,
            metrics=metrics,
            look_again=look_again,
            announced=hosts.announced,
        )
        self._reports = Reports(
            self._touched, self._cache, hosts, verdicts, self._assessor, fresh_s=fresh_s, metrics=metrics
        )
        self._rounds = Rounds(
            self._touched,
            self._cache,
            hosts,
            verdicts,
            kept,
            self._assessor,
            reviewer,
            clock,
            queue=self._queue,
            metrics=metrics,
            reviewed=touched_causes,
        )
        self._threads = [
            threading.Thread(target=self._review_forever, name="reviewer", daemon=True),
            threading.Thread(target=self._tick_forever, name="ticker", daemon=True),
            *(
                threading.Thread(target=self._write_forever, name=f"writer-{n}", daemon=True)
                for n in range(settings.write_concurrency * SPARE_WRITERS)
            ),
        ]

    @property
    def is_alive(self) -> bool:
        """Whether all its threads run."""
        return all(is_alive(thread, self._stopping) for thread in self._threads)

    def problem(self) -> str | None:
        """Return why reviews are postponed; None while they are not."""
        return self._reviewing.problem()

    def start(self) -> None:
        """Start reviewing and writing."""
        self.reviewed_at = self.ticked_at = self._clock.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop; wait up to STOP_TIMEOUT_S for writes in progress."""
        self._stopping.set()
        self._woken.set()
        self._queue.stop()
        deadline = self._clock.monotonic() + STOP_TIMEOUT_S
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - self._clock.monotonic()))
        self._store_written(every_s=0.0)

    def networks(self) -> list[Network]:
        """Return all known networks, by namespace and name."""
        return self._cache.snapshot()

    def upserted(self, network: Network) -> None:
        """Take a version of a network from the watch; our own write is no news."""
        if self._cache.get(network.uid) == network:
            return
        is_own = self._reconciler.is_own(network)
        self._cache.upserted(network, keeps_segment=is_own)
        if not is_own:
            self._touched.add(Touch(networks={network.uid}))

    def deleted(self, uid: str) -> None:
        """Forget a network that the watch saw deleted."""
        self._cache.deleted(uid)
        self._reconciler.forget(uid)
        self._touched.add(Touch(gone={uid}))
        self._touched_causes({uid})

    def forget_others(self, uids: Collection[str]) -> None:
        """Forget those of these uids that no network has."""
        gone = {uid for uid in uids if self._cache.get(uid) is None}
        if gone:
            self._touched.add(Touch(gone=gone))

    def network(self, uid: str) -> Network | None:
        """Return the present version of a network; None if it is gone."""
        return self._cache.get(uid)

    def intent(self, network: Network) -> Intent | NotProbed:
        """Return what its owner asks."""
        return self._assessor.read(network)

    def conclusions(self, uids: Collection[str]) -> Mapping[str, ConclusionRecord]:
        """Return what is told of these networks, by uid. May raise redis.RedisError."""
        return self._memories.conclusions(uids)

    def verdicts_on(self, segments: Collection[Segment]) -> Mapping[Segment, SegmentVerdicts]:
        """Return what the hosts found on these segments. May raise redis.RedisError."""
        return self._verdicts.read(segments)

    def has_network(self, segment: Segment) -> bool:
        """Return whether a network is on this segment."""
        return bool(self._cache.on_segment(segment))

    def verdicts(self) -> Iterator[tuple[Segment, SegmentVerdicts]]:
        """Yield what is known of each segment with a network."""
        return self._verdicts.known(self._cache.segments())

    def take_report(self, report: Report) -> tuple[Segment, ...]:
        """Take a report; see Reports.take."""
        return self._reports.take(report)

    def review_due(self) -> None:
        """Review what was touched, or is due; queue what must be written. May raise redis.RedisError."""
        self._memories.store_written(every_s=STORE_S)
        if self._is_paused():
            # Cache and store keep what happens meanwhile.
            self._rounds.skip()
        else:
            self._rounds.run()

    def tick(self) -> None:
        """Count observed time, except while paused: while nobody probes, nothing may age.

        May raise redis.RedisError.
        """
        if not self._is_paused():
            self._verdicts.tick()

    def write_due(self, *, wait: bool = False) -> bool:
        """Write one due network; return False when stopped or, without wait, when none is due."""
        uid = self._queue.take(wait=wait)
        if uid is None:
            return False
        retry_in_s: float | None = None
        try:
            retry_in_s = self._reconciler.reconcile(uid)
        finally:
            self._queue.done(uid)
            if self._cache.get(uid) is None:
                # Deleted meanwhile, perhaps before its record was stored.
                self._touched.add(Touch(gone={uid}))
        if retry_in_s is not None:
            self._queue.add(uid, delay_s=retry_in_s)
        if not self._queue.has_due():
            self._store_written(every_s=STORE_S)
        return True

    def _store_written(self, *, every_s: float) -> None:
        """Store what was written; where Redis fails, the next review does."""
        try:
            self._memories.store_written(every_s=every_s)
        except redis.RedisError as error:
            log.warning("what was written is not remembered yet", error=str(error))

    def _review_forever(self) -> None:
        while not self._stopping.is_set():
            self.iterated_at = self._clock.monotonic()
            self._woken.clear()
            try:
                self.review_due()
                self.reviewed_at = self._clock.monotonic()
                self._reviewing.succeeded()
            except redis.RedisError as error:
                self._reviewing.failed(error)
                self._clock.wait(self._stopping, REDIS_PAUSE_S)
            except Exception:
                log.exception("review failed")
                self._clock.wait(self._stopping, REDIS_PAUSE_S)
            if not self._stopping.is_set():
                self._clock.wait(self._woken, LOOK_S)

    def _tick_forever(self) -> None:
        while not self._stopping.is_set():
            try:
                self.tick()
                self.ticked_at = self._clock.monotonic()
                self._ticking.succeeded()
            except redis.RedisError as error:
                self._ticking.failed(error)
            self._clock.wait(self._stopping, TICK_S)

    def _write_forever(self) -> None:
        while not self._stopping.is_set():
            try:
                self.write_due(wait=True)
            except Exception:
                log.exception("write failed")
