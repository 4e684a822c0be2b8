"""The rate of writes that the API server takes, learned from its 429s.

Without a 429 there is no limit. A 429 delays the network that met it, for as long as the server asks; a few
do nothing more. Where many writes meet one, the rate is lowered to what the server took, grows again while no
write meets a 429, and stays where few do.
"""

import threading

from services.runtime.process.clock import Clock

WINDOW_WRITES = 20
WINDOW_S = 1.0
"""A window ends after so many writes, or so long."""
STALE_S = 5.0
"""A window that lasted longer says nothing about the present rate."""
MIN_THROTTLED = 3
"""429s in a window that lower the rate; fewer do not."""
SLOWEST_PER_S = 8.0
"""As many as eight writers start that each wait a second after a 429. A server may refuse as many writes at
any rate, and then takes only what is beyond them."""


class Pace:
    """The rate at which writes may start. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._per_s: float | None = None
        self._next_at = float("-inf")
        self._window_at: float | None = None
        self._taken = 0
        self._throttled = 0

    @property
    def per_s(self) -> float | None:
        """Writes a second that may start; None without a limit."""
        with self._lock:
            return self._per_s

    def wait_s(self) -> float:
        """Return the seconds until the next write may start."""
        with self._lock:
            return max(0.0, self._next_at - self._clock.monotonic())

    def started(self) -> None:
        """Count a write that starts now."""
        now = self._clock.monotonic()
        with self._lock:
            if self._window_at is None or now - self._window_at > STALE_S:
                self._begin(now)
            if self._per_s is not None:
                self._next_at = max(now, self._next_at) + 1 / self._per_s

    def ended(self, *, is_throttled: bool) -> None:
        """Take the result of a write."""
        now = self._clock.monotonic()
        with self._lock:
            self._throttled += is_throttled
            self._taken += not is_throttled
            if self._window_at is None:
                return
            lasted_s = now - self._window_at
            if lasted_s >= WINDOW_S or self._taken + self._throttled >= WINDOW_WRITES:
                self._judge(lasted_s)
                self._begin(now)

    def _begin(self, now: float) -> None:
        self._window_at = now
        self._taken = self._throttled = 0

    def _judge(self, lasted_s: float) -> None:
        lasted_s = max(lasted_s, 1e-3)
        took_per_s = self._taken / lasted_s
        if self._throttled >= MIN_THROTTLED:
            # Not at once to what it took: a 429 is answered sooner than a write.
            tried_per_s = self._per_s or (self._taken + self._throttled) / lasted_s
            self._per_s = max(SLOWEST_PER_S, took_per_s, tried_per_s / 2)
        elif self._per_s is not None and not self._throttled:
            self._per_s *= 1 + min(lasted_s, WINDOW_S)
            if self._per_s > 2 * took_per_s:
                # The writers, not the limit, decide the rate.
                self._per_s = None
                self._next_at = float("-inf")
