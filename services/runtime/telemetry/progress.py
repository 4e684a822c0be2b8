"""Whether work gets done: threads may run, and Redis answer, while nothing goes on.

Each service names its works. One that has something to do and has finished nothing for STALLED_S makes the
service not ready; one that has nothing to do does not.
"""

from collections.abc import Callable
from typing import Any

import redis
import structlog
from celery import signals
from prometheus_client import CollectorRegistry, Gauge

from services.runtime.process.clock import Clock
from services.runtime.process.repeating import RepeatingThread
from services.runtime.telemetry.health import Health

STALLED_S = 45.0
"""Longer than a sender or a worker waits between two tries, and than it takes until Redis counts as down."""
LOOK_S = 2.0
"""Between two looks at the length of a queue."""

log = structlog.get_logger(__name__)

Since = Callable[[], float | None]
"""Returns since when there has been something to do, and nothing was done (monotonic seconds).

None when there is nothing to do.
"""


class Progress:
    """The works of one service, with their readiness checks and their metric."""

    def __init__(self, health: Health, *, clock: Clock, registry: CollectorRegistry) -> None:
        self._health = health
        self._clock = clock
        self._gauge = Gauge(
            "nadroute_stalled_seconds",
            "How long there has been something to do of this work, and nothing was done.",
            ["work"],
            registry=registry,
        )

    def add(self, work: str, problem: str, since: Since) -> None:
        """Follow a work. problem: what is wrong when it stalls, as in "no report was taken"."""

        def stalled_s() -> float:
            at = since()
            return 0.0 if at is None else max(0.0, self._clock.monotonic() - at)

        def stalled() -> str | None:
            seconds = stalled_s()
            return f"{problem} for {seconds:.0f} s" if seconds > STALLED_S else None

        self._gauge.labels(work).set_function(stalled_s)
        self._health.add_readiness_check(f"progress of {work}", stalled)


class QueueProgress(RepeatingThread):
    """Looks whether messages wait in the queue of this process's worker, which ends a task now and then."""

    def __init__(self, client: redis.Redis, queue: str, *, clock: Clock) -> None:
        super().__init__("queue-progress", self.look, clock=clock, interval_s=LOOK_S)
        self._client = client
        self._queue = queue
        self._waiting_since: float | None = None
        # By reference, since Celery would forget a bound method.
        signals.task_postrun.connect(self.ended, weak=False)

    def stop(self) -> None:
        """Stop looking."""
        signals.task_postrun.disconnect(self.ended)
        super().stop()

    def since(self) -> float | None:
        """Return since when a message has waited without any being taken; None without one."""
        return self._waiting_since

    def ended(self, **_: Any) -> None:
        """Record that a task has ended, whatever came of it."""
        self._waiting_since = None

    def look(self) -> None:
        """Look once. What cannot be read counts as it was; others tell of it."""
        try:
            waits = self._client.llen(self._queue) > 0
        except redis.RedisError as error:
            log.debug("queue not read", queue=self._queue, error=str(error))
            return
        if not waits:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = self._clock.monotonic()
