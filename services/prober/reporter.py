"""Sends verdicts to the updater: the first at once, those that follow together, every 100 ms.

See prober.outbox for what is sent of a verdict that says what the last one said.
"""

import queue
import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

import redis
import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from services.contract.envelopes import MAX_SENT_BYTES
from services.contract.messages import Segment, Verdict, segment_of
from services.contract.names import (
    OFFERED_TTL_S,
    REPORT_QUEUE,
    REPORT_TASK,
    offered_key,
    outstanding_key,
)
from services.contract.outcomes import BridgeFault
from services.prober.engine.results import SegmentResult
from services.prober.host_lock import HostLock
from services.prober.metrics import ProberMetrics
from services.prober.outbox import Batch, Found, Outbox
from services.prober.vm_paths import SettlingResults
from services.runtime.connection.outages import Outage
from services.runtime.connection.redis_client import delete_all_equal
from services.runtime.process.clock import Clock
from services.runtime.process.repeating import RepeatingThread
from services.runtime.queues.celery_app import describe_report

log = structlog.get_logger(__name__)

REPORT_INTERVAL_S = 0.1
"""After a report, verdicts are collected for so long: each report has a cost, however few verdicts it has."""
RETRY_S = 1.0
"""After a report that could not be sent: each try makes a connection, and some thousand objects."""
IDLE_S = 5.0
"""Between two iterations without a verdict, which the liveness check counts."""
_STOP_TIMEOUT_S = 10.0
_MARK_OFFERS = """
for _, key in ipairs(KEYS) do
  redis.call('SET', key, '1', 'EX', ARGV[1])
end
"""

Deliver = Callable[[Verdict], None]


class _Item(NamedTuple):
    result: SegmentResult
    request_id: str
    counter: int
    deliver: Deliver | None


class Reporter(RepeatingThread):
    """A thread that converts segment results to verdicts and sends them; stop() sends what is queued.

    It waits for the slowest segment of no request.
    """

    def __init__(
        self,
        *,
        app: Celery,
        client: redis.Redis,
        host: str,
        lock: HostLock,
        clock: Clock,
        metrics: ProberMetrics,
        bridge_fault: Callable[[str, int], BridgeFault | None] = lambda *_: None,
        with_members: Callable[[SegmentResult], SegmentResult] = lambda result: result,
    ) -> None:
        """lock: verdicts carry its incarnation, and nothing is sent without it. bridge_fault: see VMPaths.
        with_members: see MemberChecks.complete.
        """
        super().__init__(
            "prober-reporter",
            self._flush,
            clock=clock,
            interval_s=REPORT_INTERVAL_S,
            finish=self._flush,
            stop_timeout_s=_STOP_TIMEOUT_S,
        )
        self._metrics = metrics
        self._app = app
        self._client = client
        self._host = host
        self._lock = lock
        self._inbox: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._wanted: queue.SimpleQueue[Segment] = queue.SimpleQueue()
        self._outbox = Outbox()
        self._results = SettlingResults(bridge_fault)
        self._with_members = with_members
        self._woken = threading.Event()
        self._is_idle = False
        self._sent = 0
        self._outage = Outage(log, "reports not sent yet", over="reports are sent again")

    def problem(self) -> str | None:
        """Return why the last report could not be sent; None if it could."""
        return self._outage.problem()

    def add(self, result: SegmentResult, *, request_id: str, deliver: Deliver | None) -> None:
        """Queue a result, from any thread. deliver: gets its verdict, in the reporter's thread."""
        self._inbox.put(_Item(result, request_id, self._lock.next_counter(), deliver))
        self._wake()

    def report_in_full(self, segments: Iterable[Segment]) -> None:
        """Report these segments in full, from any thread: the updater does not know what was repeated."""
        for segment in segments:
            self._wanted.put(segment)
        self._wake()

    def _wake(self) -> None:
        if self._is_idle:
            self._woken.set()

    def stop(self) -> None:
        """Send what is queued and end the thread."""
        self._stopping.set()
        self._woken.set()
        super().stop()

    def _pause(self) -> None:
        """Collect what follows a report; without one, wait for the next verdict, or until repeats are due."""
        due_at = self._outbox.due_at()
        due_in_s = IDLE_S if due_at is None else due_at - self._clock.monotonic()
        if self._outage.cause is not None:
            self._clock.wait(self._stopping, RETRY_S)
            return
        if self._sent or due_in_s <= 0:
            self._clock.wait(self._stopping, REPORT_INTERVAL_S)
            return
        self._woken.clear()
        self._is_idle = True
        # What was added before is_idle was set has woken nobody.
        if self._inbox.empty() and self._wanted.empty() and not self._stopping.is_set():
            self._clock.wait(self._woken, min(IDLE_S, due_in_s))
        self._is_idle = False

    def _flush(self) -> None:
        now = self._clock.monotonic()
        while not self._wanted.empty():
            self._outbox.answer(self._wanted.get(), now)
        while not self._inbox.empty():
            item = self._inbox.get()
            self._metrics.segment_done(item.result)
            result = self._results.complete(self._with_members(item.result), item.request_id, now)
            found = Found(result, item.request_id, self._lock.incarnation, item.counter)
            added = self._outbox.add(found, now)
            if item.deliver is not None:
                item.deliver(added.verdict(self._host))
        for result, request_id in self._results.settled(now):
            counter = self._lock.next_counter()
            self._outbox.add(Found(result, request_id, self._lock.incarnation, counter), now)
        discarded = self._outbox.discard()
        if discarded:
            self._metrics.verdicts_discarded(discarded)
        self._sent = 0
        while self._is_due(now) and self._lock.holds():
            batch, text = self._next()
            if not self._send(batch, text):
                break
            self._outbox.sent(batch, now)
            self._sent += len(batch)
        self._metrics.verdicts_sent(self._sent, waiting=len(self._outbox))

    def _is_due(self, now: float) -> bool:
        due_at = self._outbox.due_at()
        return due_at is not None and (due_at <= now or self._stopping.is_set())

    def _next(self) -> tuple[Batch, str]:
        """Return what is reported next, and the report as JSON."""
        batch = self._outbox.next()
        text = batch.report(self._host).to_json()
        while len(text) > MAX_SENT_BYTES and len(batch) > 1:
            batch = batch.first_half()
            text = batch.report(self._host).to_json()
        return batch, text

    def _send(self, batch: Batch, text: str) -> bool:
        try:
            self._app.send_task(
                REPORT_TASK,
                kwargs={"report": text},
                queue=REPORT_QUEUE,
                shadow=describe_report(len(batch), self._host),
                ignore_result=True,
                retry=False,
            )
        except (OperationalError, redis.RedisError, OSError) as error:
            self._outage.failed(error, verdicts=len(self._outbox))
            return False
        self._outage.succeeded()
        done = [(Segment(cluster_network=f.key[0], vlan=f.key[1]), f.request_id) for f in batch]
        mark_offers(self._client, host=self._host, batch=batch)
        clear_outstanding(self._client, host=self._host, done=done)
        return True


def mark_offers(client: redis.Redis, *, host: str, batch: Iterable[Found]) -> None:
    """Mark on which segments DHCP has made an offer, so that it is not asked again before that is told.

    Does not raise: without a mark, DHCP is asked once more.
    """
    offered = [found.key for found in batch if found.is_offered]
    keys = [offered_key(host, segment_of(*segment)) for segment in offered]
    try:
        if keys:
            # One command for all: the client takes longer for each than Redis for the whole.
            client.eval(_MARK_OFFERS, len(keys), *keys, OFFERED_TTL_S)
    except redis.RedisError as error:
        log.warning("offers not marked; DHCP may be asked again", error=str(error))


def clear_outstanding(client: redis.Redis, *, host: str, done: Iterable[tuple[Segment, str]]) -> None:
    """Delete the watcher's marks that these (segment, request id) are outstanding.

    The mark of a newer request for the same segment is kept. Does not raise: marks expire by their TTL.
    """
    marks = [(outstanding_key(host, segment), request_id) for segment, request_id in done]
    try:
        if marks:
            delete_all_equal(client, marks)
    except redis.RedisError as error:
        log.warning("outstanding marks not deleted; they expire", error=str(error))
