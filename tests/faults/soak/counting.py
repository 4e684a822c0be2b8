"""Time as the bounds count it: not while the machine gave this process no turn, nor while nobody can probe.

A thread notes every BEAT_S how long that took. What is longer is time in which a busy machine ran something
else: nadroute cannot have had it either. So a bound of 41 s begins earlier by as much as was lost within it.
"""

import threading
import time
from bisect import bisect_right
from collections.abc import Callable

BEAT_S = 0.1


class Counting:
    """Counts time in a thread, from begin() to end(). hindered: whether something that all need is away."""

    def __init__(self, hindered: Callable[[], bool], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._hindered = hindered
        self._clock = clock
        self._at: list[float] = [clock()]
        self._run: list[float] = [0.0]
        self._probed: list[float] = [0.0]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="counting")

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> None:
        """Stop it."""
        self._over.set()
        self._thread.join()

    def note(self) -> None:
        """Count the time since the last call."""
        now = self._clock()
        counted = min(now - self._at[-1], BEAT_S)
        # The times last, so that a reader finds everything else at its index.
        self._run.append(self._run[-1] + counted)
        self._probed.append(self._probed[-1] + (0.0 if self._hindered() else counted))
        self._at.append(now)

    def since_run(self, at: float, seconds: float) -> float:
        """Return the time from which the machine ran this process for so many seconds until then."""
        return self._since(self._run, at, seconds)

    def since_probed(self, at: float, seconds: float) -> float:
        """Return the time from which somebody could probe for so many seconds until then."""
        return self._since(self._probed, at, seconds)

    def run_s(self, since: float, until: float) -> float:
        """Return for how many seconds the machine ran this process in this span."""
        return self._at_index(self._run, until) - self._at_index(self._run, since)

    def lost_s(self) -> float:
        """Return for how long the machine ran something else so far."""
        return self._at[-1] - self._at[0] - self._run[-1]

    def _at_index(self, counted: list[float], at: float) -> float:
        return counted[max(0, bisect_right(self._at, at) - 1)]

    def _since(self, counted: list[float], at: float, seconds: float) -> float:
        wanted = self._at_index(counted, at) - seconds
        index = bisect_right(counted, wanted) - 1
        return self._at[index] if index >= 0 else float("-inf")

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            self.note()
