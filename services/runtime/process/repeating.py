"""A thread that repeats one action at an interval until it is stopped."""

import threading
from collections.abc import Callable

from services.runtime.process.clock import Clock

STOP_TIMEOUT_S = 5.0


def is_alive(thread: threading.Thread, stopping: threading.Event) -> bool:
    """Return False only when the thread has ended without being asked to."""
    return thread.ident is None or thread.is_alive() or stopping.is_set()


class RepeatingThread:
    """Base class of components that repeat an action in a thread of their own."""

    def __init__(
        self,
        name: str,
        action: Callable[[], None],
        *,
        clock: Clock,
        interval_s: float,
        finish: Callable[[], None] = lambda: None,
        stop_timeout_s: float = STOP_TIMEOUT_S,
    ) -> None:
        """action: called at once, then interval_s seconds after the end of each call. An exception ends the
        thread. finish: called in the thread after the last action, once stop() was called.
        """
        self.iterated_at: float | None = None
        """Time of the last iteration in monotonic seconds; None before the first one and after stop()."""
        self._action = action
        self._finish = finish
        self._clock = clock
        self._interval_s = interval_s
        self._stop_timeout_s = stop_timeout_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_alive(self) -> bool:
        """False only when the thread has ended without being asked to."""
        return is_alive(self._thread, self._stopping)

    def start(self) -> None:
        """Start the thread. Does nothing when it was started before; after stop() no action is called."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """End the thread; waits up to stop_timeout_s for the action under way."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(self._stop_timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.iterated_at = self._clock.monotonic()
            self._action()
            self._pause()
        self._finish()
        self.iterated_at = None

    def _pause(self) -> None:
        """Wait between two actions; may be replaced where something else ends the wait."""
        self._clock.wait(self._stopping, self._interval_s)
