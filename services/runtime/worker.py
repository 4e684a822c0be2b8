"""Running a Celery worker in a service's main thread, and checking that it consumes.

A worker can keep running without consuming, and raises no error then. So a liveness check requires its event
loop to iterate, and the worker to consume, while Redis answers.
"""

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import celery.apps.worker
import structlog
from celery import Celery, bootsteps, signals
from celery.platforms import SecurityWarning

from services.runtime.clock import Clock

log = structlog.get_logger(__name__)

HEARTBEAT_S = 1.0
"""Interval at which the worker's event loop updates the check."""
EVENT_HEARTBEAT_S = 5.0
"""Between two events that say that the worker is online. Celery's own two seconds take a tenth of an idle
worker's CPU."""


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
        # In a thread: the handler may have interrupted the logging module.
        threading.Thread(target=log.info, args=(message,), name="celery-print").start()

    celery.apps.worker.safe_say = log_message
    try:
        yield
    finally:
        celery.apps.worker.safe_say = print_message


class WorkerCheck:
    """The liveness and readiness of a Celery worker. Written by the worker's thread, read by any."""

    def __init__(self, app: Celery, *, clock: Clock, redis_up_since: Callable[[], float | None]) -> None:
        """Create it before the worker. redis_up_since: monotonic seconds; None while Redis is down."""
        self._clock = clock
        self._redis_up_since = redis_up_since
        self._consuming = False
        self._heartbeat_at: float | None = None
        app.steps["consumer"].add(_consuming_step(self))

    def problem(self) -> str | None:
        """Return why the worker takes no tasks now; None while it does."""
        return None if self._consuming else "the worker does not consume"

    def iterated_at(self) -> float | None:
        """Return when the worker was last known to be live, in monotonic seconds.

        Not before the return of Redis. None while Redis is down, and before the worker starts.
        """
        up_since = self._redis_up_since()
        if up_since is None or self._heartbeat_at is None:
            return None
        return max(up_since, self._heartbeat_at)

    def connected(self) -> None:
        """Record that the worker consumes."""
        self._consuming = True
        self.heartbeat()

    def disconnected(self) -> None:
        """Record that the worker does not consume any more."""
        self._consuming = False

    def heartbeat(self) -> None:
        """Record an iteration of the worker's event loop."""
        self._heartbeat_at = self._clock.monotonic()


def _consuming_step(check: WorkerCheck) -> type:
    """Return a bootstep that Celery starts with each connection to the broker and stops with it."""

    class Consuming(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def __init__(self, parent: Any, **options: Any) -> None:
            super().__init__(parent, **options)
            self._timer: Any = None

        def start(self, parent: Any) -> None:
            check.connected()
            self._timer = parent.timer.call_repeatedly(HEARTBEAT_S, check.heartbeat)

        def stop(self, parent: Any) -> None:  # noqa: ARG002 - Celery's signature
            check.disconnected()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        shutdown = stop

    return Consuming
