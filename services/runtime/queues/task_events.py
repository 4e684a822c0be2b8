"""What a worker reports to Flower: sent together, once a second, and never retried."""

from typing import Any

from celery import bootsteps
from celery.app.events import Events
from celery.events import EventDispatcher

SENT_EVERY_S = 1.0
"""Between two messages with the events of tasks: one for each change of a task costs as much as the task.
Each event has its own time."""


class _Dispatcher(EventDispatcher):  # type: ignore[misc]
    """Sends an event without retrying; buffers it until the connection is back.

    A worker sends heartbeats from the loop that takes tasks and handles signals, with endless retries:
    while Redis is down, they would block that loop.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        """Create it as Celery does, but let SendTaskEvents send the events of tasks, and a full buffer."""
        super().__init__(*args, **{**options, "on_send_buffered": None})

    def send(self, type: str, **fields: Any) -> Any:  # noqa: A002 - Celery's name
        """Send as Celery does, with retries disabled."""
        return super().send(type, **{**fields, "retry": False})


class WorkerEvents(Events):  # type: ignore[misc]
    """An app's events."""

    dispatcher_cls = _Dispatcher


class SendTaskEvents(bootsteps.StartStopStep):  # type: ignore[misc]
    """Sends the events of tasks from the loop of a worker, as long as it has its connection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._timer: Any = None

    def start(self, parent: Any) -> None:
        self._timer = parent.timer.call_repeatedly(SENT_EVERY_S, parent.event_dispatcher.flush)

    def stop(self, parent: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            parent.event_dispatcher.flush()

    shutdown = stop
