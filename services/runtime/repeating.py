"""A thread that does one thing again and again, and says whether it lives."""

import threading
from collections.abc import Callable

from services.runtime.clock import Clock
from services.runtime.health import lives

STOP_TIMEOUT_S = 5.0
"""So long is a turn that is under way waited for."""


class Repeating:
    """Base of what works in a thread of its own, one turn every so often, until it is stopped."""

    def __init__(
        self,
        name: str,
        turn: Callable[[], None],
        *,
        clock: Clock,
        interval_s: float,
        finish: Callable[[], None] = lambda: None,
    ) -> None:
        """turn: what is done, at once and then interval_s seconds after each turn's end; the thread ends with
        what it raises. finish: done last, in the thread too, once it is told to stop.
        """
        self._turn = turn
        self._finish = finish
        self._clock = clock
        self._interval_s = interval_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def lives(self) -> bool:
        """Whether its thread does what it should."""
        return lives(self._thread, self._stopping)

    def start(self) -> None:
        """Begin; harmless the second time. After a stop no turn comes."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """End after the turn that is under way, which is waited for, for a while."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._turn()
            self._clock.wait(self._stopping, self._interval_s)
        self._finish()
