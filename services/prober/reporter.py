"""Sends verdicts to the updater: the first at once, those that follow together, every 100 ms."""

import itertools
import queue
import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

import redis
import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from services.contract.messages import MAX_SEGMENTS, Report, Segment, Verdict
from services.contract.names import REPORT_QUEUE, REPORT_TASK, outstanding_key
from services.prober.engine.results import SegmentResult
from services.prober.host_lock import HostLock
from services.prober.metrics import ProberMetrics
from services.prober.verdicts import verdict
from services.runtime.celery_app import describe_report
from services.runtime.clock import Clock
from services.runtime.redis_client import delete_if_equal
from services.runtime.repeating import RepeatingThread

log = structlog.get_logger(__name__)

REPORT_INTERVAL_S = 0.1
"""After a report, verdicts are collected for so long: each report has a cost, however few verdicts it has."""
IDLE_S = 5.0
"""Between two iterations without a verdict, which the liveness check counts."""
MAX_WAITING = 20_000
"""Verdicts kept while Redis is down; beyond it the oldest are discarded, and the next sweep repeats them."""
_STOP_TIMEOUT_S = 10.0

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
    ) -> None:
        """lock: verdicts carry its incarnation, and nothing is sent without it."""
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
        self._counter = itertools.count()
        self._inbox: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._waiting: list[Verdict] = []
        self._woken = threading.Event()
        self._is_idle = False
        self._sent = 0

    def add(self, result: SegmentResult, *, request_id: str, deliver: Deliver | None) -> None:
        """Queue a result, from any thread. deliver: gets its verdict, in the reporter's thread."""
        self._inbox.put(_Item(result, request_id, next(self._counter), deliver))
        if self._is_idle:
            self._woken.set()

    def stop(self) -> None:
        """Send what is queued and end the thread."""
        self._stopping.set()
        self._woken.set()
        super().stop()

    def _pause(self) -> None:
        """Collect what follows a report; without one, wait for the next verdict."""
        if self._sent or self._waiting:
            self._clock.wait(self._stopping, REPORT_INTERVAL_S)
            return
        self._woken.clear()
        self._is_idle = True
        # A verdict that was added before is_idle was set has woken nobody.
        if self._inbox.empty() and not self._stopping.is_set():
            self._clock.wait(self._woken, IDLE_S)
        self._is_idle = False

    def _flush(self) -> None:
        while not self._inbox.empty():
            item = self._inbox.get()
            self._metrics.segment_done(item.result)
            made = verdict(
                item.result,
                host=self._host,
                request_id=item.request_id,
                incarnation=self._lock.incarnation,
                counter=item.counter,
            )
            self._waiting.append(made)
            if item.deliver is not None:
                item.deliver(made)
        if len(self._waiting) > MAX_WAITING:
            self._metrics.verdicts_discarded(len(self._waiting) - MAX_WAITING)
            del self._waiting[:-MAX_WAITING]
        sent = 0
        while self._waiting and self._lock.holds() and self._send(batch := self._waiting[:MAX_SEGMENTS]):
            del self._waiting[: len(batch)]
            sent += len(batch)
        self._sent = sent
        self._metrics.verdicts_sent(sent, waiting=len(self._waiting))

    def _send(self, verdicts: list[Verdict]) -> bool:
        report = Report(host=self._host, verdicts=tuple(verdicts))
        try:
            self._app.send_task(
                REPORT_TASK,
                kwargs={"report": report.to_json()},
                queue=REPORT_QUEUE,
                shadow=describe_report(len(verdicts), self._host),
                ignore_result=True,
                retry=False,
            )
        except (OperationalError, redis.RedisError, OSError) as error:
            log.warning("report not sent yet", verdicts=len(self._waiting), error=str(error))
            return False
        clear_outstanding(
            self._client, host=self._host, done=[(made.segment, made.request_id) for made in verdicts]
        )
        return True


def clear_outstanding(client: redis.Redis, *, host: str, done: Iterable[tuple[Segment, str]]) -> None:
    """Delete the watcher's marks that these (segment, request id) are outstanding.

    The mark of a newer request for the same segment is kept. Does not raise: marks expire by their TTL.
    """
    try:
        with client.pipeline(transaction=False) as pipe:
            for segment, request_id in done:
                delete_if_equal(pipe, outstanding_key(host, segment), request_id)
            pipe.execute()
    except redis.RedisError as error:
        log.warning("outstanding marks not deleted; they expire", error=str(error))
