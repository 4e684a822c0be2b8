"""Running a Celery worker in a service's main thread, and checking that it consumes.

A worker can keep running without consuming, and raises no error then. So a liveness check requires its event
loop to iterate, and the worker to consume, while Redis answers. While Redis refuses, the worker waits: an
iteration too.
"""

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import celery.apps.worker
import structlog
from celery import Celery, bootsteps, signals
from celery.exceptions import CPendingDeprecationWarning
from celery.platforms import SecurityWarning

from services.runtime.connection.outages import Outage
from services.runtime.connection.redis_check import RedisCheck
from services.runtime.connection.refusals import kind_of
from services.runtime.process.clock import Clock
from services.runtime.queues.patient_consumer import patient_consumer

log = structlog.get_logger(__name__)

HEARTBEAT_S = 1.0
"""Interval at which the worker's event loop updates the check."""
EVENT_HEARTBEAT_S = 5.0
"""Between two events that say that the worker is online. Celery's own two seconds take a tenth of an idle
worker's CPU."""
TRIAL_S = 5.0
"""Interval at which a worker tries what taking a message needs, and sets aside what is in the way."""
RETRY_BASE_S = 0.25
RETRY_CAP_S = 4.0
"""The first and the longest wait before a try to consume again. By chance, half of it at least."""
CALM_S = 10.0
"""A worker that has consumed for so long waits as for the first time."""


def run_worker(app: Celery, *, name: str, concurrency: int) -> int:
    """Run tasks until SIGTERM or SIGINT; returns the worker's exit code. Configure logging first.

    name: from names.worker_name. concurrency: maximum number of concurrent tasks, each in a thread.
    """

    def keep_logging(**_: object) -> None:
        """Leave logging alone: Celery configures it only when this signal has no receiver."""

    # A prober runs as root with every capability but NET_RAW dropped, and accepts JSON only.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    signals.setup_logging.connect(keep_logging)
    try:
        worker = app.Worker(
            hostname=name,
            pool="threads",
            concurrency=concurrency,
            # They cost 2 kB/s per worker and serve no purpose here.
            without_gossip=True,
            without_mingle=True,
            # For Flower, which calls a worker offline twice that time after its last heartbeat.
            task_events=True,
            heartbeat_interval=EVENT_HEARTBEAT_S,
            quiet=True,
        )
        # At each lost connection, about a setting that make_app() sets. Celery has asked for it meanwhile.
        warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
        with _logging_prints():
            worker.start()
        return int(worker.exitcode or 0)
    finally:
        signals.setup_logging.disconnect(keep_logging)


@contextmanager
def _logging_prints() -> Iterator[None]:
    """Log what Celery's signal handlers would print to stdout and stderr, such as the kind of shutdown."""
    print_message = celery.apps.worker.safe_say

    def log_message(message: str, *_: object) -> None:
        # In a thread: the handler may have interrupted the logging module. So is looking up `info`, which
        # makes the logger at its first use: the interrupted code may iterate over all loggers.
        threading.Thread(target=lambda: log.info(message), name="celery-print").start()

    celery.apps.worker.safe_say = log_message
    try:
        yield
    finally:
        celery.apps.worker.safe_say = print_message


class WorkerCheck:
    """The liveness and readiness of a Celery worker, and how long it waits while Redis refuses.

    Written by the worker's thread, read by any.
    """

    def __init__(self, app: Celery, *, clock: Clock, redis: RedisCheck, random: Callable[[], float]) -> None:
        """Create it before the worker. random gives numbers from 0 to 1."""
        self._clock = clock
        self._redis = redis
        self._random = random
        self._never = threading.Event()
        self._consuming_since: float | None = None
        self._heartbeat_at: float | None = None
        self._connected = False
        self._outdated: BaseException | None = None
        """What the check of Redis still says of the time before this connection."""
        self._outage = Outage(log, "the worker waits for Redis", over="the worker consumes again")
        self._failures = 0
        self._retry_at = float("-inf")
        app.steps["consumer"].add(_consuming_step(self))
        app.conf["worker_consumer"] = patient_consumer(self)

    def problem(self) -> str | None:
        """Return why the worker takes no tasks now; None while it does."""
        if self._consuming_since is not None:
            return None
        cause = self._outage.cause
        return "the worker does not consume" + (f": {cause}" if cause else "")

    def iterated_at(self) -> float | None:
        """Return when the worker was last known to be live, in monotonic seconds.

        Not before the return of Redis. None while Redis is down, and before the worker starts.
        """
        up_since = self._redis.up_since
        if up_since is None or self._heartbeat_at is None:
            return None
        return max(up_since, self._heartbeat_at)

    def connected(self) -> None:
        """Record that the worker has a connection, on which Redis has taken a write."""
        self._connected = True
        self._outdated = self._redis.refusal
        self.heartbeat()

    def consumed(self) -> None:
        """Record that Redis has answered whether there is a message."""
        if self._consuming_since is not None or not self._connected:
            # What ends a connection may read a last answer.
            return
        self._consuming_since = self._clock.monotonic()
        self._outage.succeeded()

    def disconnected(self) -> None:
        """Record that the worker does not consume any more."""
        self._connected = False
        since, self._consuming_since = self._consuming_since, None
        if since is not None and self._clock.monotonic() - since >= CALM_S:
            self._failures = 0

    def heartbeat(self) -> None:
        """Record an iteration of the worker's event loop."""
        self._heartbeat_at = self._clock.monotonic()

    def beat(self) -> None:
        """Record an iteration; raise what Redis answers to writes if it refuses them.

        A message that is taken then could not be recorded as unacknowledged.
        """
        self.heartbeat()
        refusal = self._redis.refusal
        if refusal is not None and refusal is not self._outdated:
            raise refusal

    def refused(self, error: BaseException) -> None:
        """Record why the worker lost its connection or got none, and decide when it tries again.

        Each kind of error is logged once until the worker consumes, and counted each time.
        """
        self.disconnected()
        kind = kind_of(error)
        self._redis.count(kind)
        self._outage.failed(error, kind=kind)
        wait_s = min(RETRY_CAP_S, RETRY_BASE_S * 2.0 ** min(self._failures, 10))
        if kind != "WRONGTYPE":
            # The key is set aside at the next try.
            self._failures += 1
        self._retry_at = self._clock.monotonic() + wait_s * (1 + self._random()) / 2

    def waits(self, seconds: float) -> bool:
        """Wait so long at most, if the worker is not to try now; return whether it did."""
        self.heartbeat()
        left_s = self._retry_at - self._clock.monotonic()
        if left_s <= 0:
            return False
        self._clock.wait(self._never, min(seconds, left_s))
        return True


def _consuming_step(check: WorkerCheck) -> type:
    """Return a bootstep that Celery starts with each connection to the broker and stops with it."""

    class Consuming(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def __init__(self, parent: Any, **options: Any) -> None:
            super().__init__(parent, **options)
            self._timers: list[Any] = []

        def start(self, parent: Any) -> None:
            check.connected()
            again = parent.timer.call_repeatedly
            channel = parent.connection.default_channel
            self._timers = [again(HEARTBEAT_S, check.beat), again(TRIAL_S, channel.try_to_take)]

        def stop(self, parent: Any) -> None:  # noqa: ARG002 - Celery's signature
            check.disconnected()
            for timer in self._timers:
                timer.cancel()
            self._timers = []

        shutdown = stop

    return Consuming
