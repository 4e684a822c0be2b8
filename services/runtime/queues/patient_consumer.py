"""A Celery consumer that waits as long as Redis refuses or is away, and goes on by itself.

Celery takes a refusal (NOPERM, READONLY, MISCONF, OOM …) for a bug and ends the process. While Redis is away,
it waits for longer and longer, up to 30 s.
"""

import gc
from typing import Any, Protocol

from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown
from kombu.common import ignore_errors

LOOK_S = 0.25
"""Between two looks whether the worker is to end, while it waits."""


class Waiting(Protocol):
    """What decides how long a consumer waits; see worker.WorkerCheck."""

    def refused(self, error: BaseException) -> None:
        """Record why the worker lost its connection, or got none."""
        ...

    def waits(self, seconds: float) -> bool:
        """Wait so long at most; return whether to wait on."""
        ...


class _PatientConsumer(Consumer):  # type: ignore[misc]
    waiting: Waiting
    _ticks: frozenset[Any] = frozenset()

    def connect(self) -> Any:
        """Return a connection on which Redis has done what taking a message needs."""
        while self.waiting.waits(LOOK_S):
            maybe_shutdown()
        # A connection, and each try in vain, is some thousand objects in cycles. Python may let them lie for
        # hours: it looks at old objects when there are a quarter more of them.
        gc.collect()
        connection = self.connection_for_read(heartbeat=self.amqheartbeat)
        try:
            connection.default_channel.try_to_take()
        except BaseException:
            _close(connection)
            raise
        # kombu leaves those of the former connection there.
        self.hub.on_tick.difference_update(self._ticks)
        before = frozenset(self.hub.on_tick)
        connection.transport.register_with_event_loop(connection.connection, self.hub)
        self._ticks = frozenset(self.hub.on_tick) - before
        return connection

    def ensure_connected(self, conn: Any) -> Any:
        """Connect once: what fails is tried again by start(), after connect() has waited."""
        try:
            conn.ensure_connection(max_retries=0, reraise_as_library_errors=False)
        except BaseException:
            _close(conn)
            raise
        return conn

    def on_connection_error_before_connected(self, exc: BaseException) -> None:
        """Record why, which Celery would log at each try."""
        self.waiting.refused(exc)

    def on_connection_error_after_connected(self, exc: BaseException) -> None:
        """Record why, and give up the connection as Celery does."""
        self.waiting.refused(exc)
        super().on_connection_error_after_connected(exc)


def _close(connection: Any) -> None:
    """Close a connection that the worker's loop does not have yet, and its poller.

    That is a file descriptor, which kombu leaves to the garbage collector: one for each try in an outage.
    """
    poller = connection.transport.cycle.poller
    ignore_errors(connection, connection.close)
    poller.close()


def patient_consumer(waiting: Waiting) -> type[Consumer]:
    """Return the class of a consumer that waits by this."""
    return type("PatientConsumer", (_PatientConsumer,), {"waiting": waiting})
