"""Whether a Celery worker consumes: a step that Celery starts with each connection and stops with it.

A worker that says that it runs, and takes nothing any more, is the failure that no exception tells of. So its
event loop has to turn while it consumes, and it has to consume while Redis answers.
"""

from collections.abc import Callable
from typing import Any

from celery import Celery, bootsteps

from services.runtime.clock import Clock

BEAT_S = 1.0


class WorkerCheck:
    """What a worker's own steps and timers told. Written by the worker's thread, read by any."""

    def __init__(self, app: Celery, *, clock: Clock, redis_up_since: Callable[[], float | None]) -> None:
        """Before the worker is made. redis_up_since: monotonic seconds; None while Redis is away."""
        self._clock = clock
        self._redis_up_since = redis_up_since
        self.consuming = False
        self._seen_at: float | None = None
        app.steps["consumer"].add(_consuming_step(self))

    def why_not(self) -> str | None:
        """Why the worker takes no task now; None while it does."""
        return None if self.consuming else "the worker does not consume"

    def turned_at(self) -> float | None:
        """When the worker last did what it should; None while Redis is away, and before its start."""
        up_since = self._redis_up_since()
        if up_since is None or self._seen_at is None:
            return None
        return max(up_since, self._seen_at)

    def connected(self) -> None:
        """It consumes."""
        self.consuming = True
        self.beat()

    def disconnected(self) -> None:
        """It does not, and should again soon."""
        self.consuming = False

    def beat(self) -> None:
        """Its event loop has turned."""
        self._seen_at = self._clock.monotonic()


def _consuming_step(check: WorkerCheck) -> type:
    class Consuming(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def __init__(self, parent: Any, **options: Any) -> None:
            super().__init__(parent, **options)
            self._timer: Any = None

        def start(self, parent: Any) -> None:
            check.connected()
            self._timer = parent.timer.call_repeatedly(BEAT_S, check.beat)

        def stop(self, parent: Any) -> None:  # noqa: ARG002 - Celery's signature
            check.disconnected()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        shutdown = stop

    return Consuming
