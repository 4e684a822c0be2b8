"""The updater without Celery: reports in, annotations out, and the threads in between."""

import threading
from collections.abc import Callable, Iterable
from typing import Protocol

import redis
import structlog

from services.cluster.cache import NetworkCache
from services.contract.messages import Repeats, Report, Segment, Verdict
from services.contract.verdicts import Confirmed
from services.network.parse.intent import Intent
from services.network.parse.nad import Network
from services.runtime.clock import Clock
from services.runtime.repeating import is_alive
from services.updater.assessing import Assessor, DoubtLog, Hosts, Verdicts
from services.updater.kept_memories import KeptMemories
from services.updater.memories import Memories
from services.updater.metrics import UpdaterMetrics
from services.updater.pacing import Pace
from services.updater.queueing import WriteQueue
from services.updater.reconciling import Reconciler, Writer
from services.updater.repeats import RepeatedVerdicts
from services.updater.settings import UpdaterSettings

STOP_TIMEOUT_S = 5.0
REDIS_PAUSE_S = 1.0
SPARE_WRITERS = 4
"""Threads for each write that may be in progress: slow writes hold threads, and no other write."""
PAUSE_POLL_S = 1.0
"""Between two reads of the pause switch while paused."""
TICK_S = 1.0
"""Between two ticks of observed time; see runtime.verdict_store."""
RENEWAL_S = 3_600.0
"""Between two renewals of the conclusions' records, which are kept for a day."""

log = structlog.get_logger(__name__)


class Store(Verdicts, Protocol):
    """The verdict store; see runtime.verdict_store."""

    def put(self, verdicts: Iterable[Verdict]) -> frozenset[Segment]:
        """Store the new verdicts; return the segments that changed."""
        ...

    def confirm(self, host: str, repeats: Repeats) -> Confirmed:
        """Take what a host repeats of its stored verdicts."""
        ...

    def tick(self) -> int:
        """Count observed time; return it in milliseconds."""
        ...


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
    ) -> None:
        """random gives numbers from 0 to 1; is_paused may raise redis.RedisError."""
        self.iterated_at: float | None = None
        """When the review loop iterated last (monotonic seconds); None before its start."""
        self._metrics = metrics
        self._is_paused = is_paused
        self._store = store
        self._memories = kept = KeptMemories(memories, clock)
        self._clock = clock
        self._interval_s = settings.reduce_interval_s
        assessor = Assessor(store, hosts, kept, doubt_log, clock, settings, metrics=metrics)
        self._assessor = assessor

        def segment_of(network: Network) -> Segment | None:
            intent = assessor.read(network)
            return intent.segment if isinstance(intent, Intent) else None

        self._stopping = threading.Event()
        self._cache = NetworkCache(segment_of)
        pace = Pace(clock)
        self._queue = WriteQueue(clock, pace, concurrency=settings.write_concurrency)
        self._hosts = hosts
        self._repeated = RepeatedVerdicts(
            fresh_s=settings.fresh_s,
            is_awaited=lambda s: any(assessor.awaits(network.uid) for network in self._cache.on_segment(s)),
        )
        self._reconciler = Reconciler(
            writer,
            self._cache,
            assessor,
            kept,
            clock,
            is_paused=is_paused,
            random=random,
            stopping=self._stopping,
            pace=pace,
            metrics=metrics,
        )
        self._lock = threading.Lock()
        self._networks: set[str] = set()
        self._segments: set[Segment] = set()
        self._gone: set[str] = set()
        self._woken = threading.Event()
        self._review_all_at = self._renew_at = clock.monotonic()
        self._threads = [
            threading.Thread(target=self._review_forever, name="reviewer", daemon=True),
            threading.Thread(target=self._tick_forever, name="ticker", daemon=True),
        ]
        self._threads += [
            threading.Thread(target=self._write_forever, name=f"writer-{n}", daemon=True)
            for n in range(settings.write_concurrency * SPARE_WRITERS)
        ]

    @property
    def is_alive(self) -> bool:
        """Whether all its threads run."""
        return all(is_alive(thread, self._stopping) for thread in self._threads)

    def start(self) -> None:
        """Start reviewing and writing."""
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

    def networks(self) -> list[Network]:
        """Return all known networks, by namespace and name."""
        return self._cache.snapshot()

    def upserted(self, network: Network) -> None:
        """Take a version of a network from the watch; our own write is no news."""
        if self._cache.get(network.uid) == network:
            return
        self._cache.upserted(network)
        with self._lock:
            self._networks.add(network.uid)
        self._woken.set()

    def deleted(self, uid: str) -> None:
        """Forget a network that the watch saw deleted."""
        self._cache.deleted(uid)
        self._reconciler.forget(uid)
        with self._lock:
            self._gone.add(uid)

    def take_report(self, report: Report) -> tuple[Segment, ...]:
        """Store its verdicts and queue the networks that they concern for review; may raise redis.RedisError.

        Returns the segments on which the host repeats what is unknown, and should report in full.
        """
        changed = self._store.put(report.verdicts) if report.verdicts else frozenset()
        self._metrics.verdicts(report.verdicts, changed)
        self._repeated.full(verdict for verdict in report.verdicts if verdict.segment in changed)
        wanted: list[Segment] = []
        for repeats in report.repeats:
            confirmed = self._store.confirm(report.host, repeats)
            self._metrics.repeats(repeats, confirmed)
            changed |= self._repeated.matter(report.host, repeats, confirmed)
            if confirmed.unknown and self._carries(report.host, repeats.cluster_network):
                wanted += confirmed.unknown
        if changed:
            with self._lock:
                self._segments |= changed
            self._woken.set()
        return tuple(wanted)

    def _carries(self, host: str, cluster_network: str) -> bool:
        """Whether the host is announced: nobody serves the queue of another one."""
        self._hosts.refresh()
        return host in self._hosts.carrying(cluster_network).hosts

    def review_due(self) -> None:
        """Review the changed networks, or all when it is time; queue those that must be written."""
        now = self._clock.monotonic()
        if self._is_paused():
            # Cache and store keep what happens meanwhile; all networks are reviewed after the pause.
            self._review_all_at = now
            return
        with self._lock:
            uids, self._networks = self._networks, set()
            segments, self._segments = self._segments, set()
            gone, self._gone = self._gone, set()
        try:
            self._memories.forget(gone)
            if now >= self._review_all_at:
                networks = self._cache.snapshot()
                if now >= self._renew_at:
                    self._memories.renew([network.uid for network in networks])
                    self._renew_at = now + RENEWAL_S
                self._review(networks)
                self._review_all_at = now + self._interval_s
            else:
                found = {network.uid: network for s in segments for network in self._cache.on_segment(s)}
                found |= {uid: network for uid in uids if (network := self._cache.get(uid)) is not None}
                self._review(list(found.values()))
        except redis.RedisError:
            with self._lock:
                self._networks |= uids
                self._segments |= segments
                self._gone |= gone
            raise

    def tick(self) -> None:
        """Count observed time, except while paused; review what time alone may have changed.

        While nobody probes, nothing may age. May raise redis.RedisError.
        """
        if self._is_paused():
            return
        due = self._assessor.due(self._store.tick())
        if due:
            with self._lock:
                self._networks.update(due)
            self._woken.set()

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
                with self._lock:
                    self._gone.add(uid)
        if retry_in_s is not None:
            self._queue.add(uid, delay_s=retry_in_s)
        return True

    def _review(self, networks: list[Network]) -> None:
        began = self._clock.monotonic()
        uids = self._reconciler.review(networks)
        self._metrics.reduced(self._clock.monotonic() - began)
        for uid in uids:
            self._queue.add(uid)

    def _review_forever(self) -> None:
        while not self._stopping.is_set():
            self.iterated_at = self._clock.monotonic()
            self._woken.clear()
            try:
                self.review_due()
            except redis.RedisError as error:
                log.warning("review postponed", error=str(error))
                self._clock.wait(self._stopping, REDIS_PAUSE_S)
            except Exception:
                # One network that cannot be assessed must not stop the review of all others.
                log.exception("review failed")
                self._clock.wait(self._stopping, REDIS_PAUSE_S)
            with self._lock:
                idle = not (self._networks or self._segments)
            wait_s = self._review_all_at - self._clock.monotonic()
            if wait_s <= 0:
                # Paused.
                self._clock.wait(self._stopping, PAUSE_POLL_S)
            elif idle and not self._stopping.is_set():
                self._clock.wait(self._woken, wait_s)

    def _tick_forever(self) -> None:
        while not self._stopping.is_set():
            try:
                self.tick()
            except redis.RedisError as error:
                log.warning("observed time not counted", error=str(error))
            self._clock.wait(self._stopping, TICK_S)

    def _write_forever(self) -> None:
        while not self._stopping.is_set():
            try:
                self.write_due(wait=True)
            except Exception:
                log.exception("write failed")
