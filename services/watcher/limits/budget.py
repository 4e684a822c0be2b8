"""A budget of frames: at most so many a second on average over ten, and twice as many in a burst.

Pure: time is an argument, in seconds of any monotonic clock.
"""

import math

BURST_S = 2
"""By it, 100 new networks ask DHCP and check their gateways at once."""
MEAN_S = 10
"""Seconds over which the rate is kept, bursts included."""
USED = 0.95
"""Share of the frames in MEAN_S that is used. The rest is for frames that are sent some seconds after the
request, and for those that are counted when silence is found."""


class Budget:
    """Frames that may be sent. Where more is spent than there is, nothing is left until that is made up."""

    def __init__(self, rate: float, *, burst_s: float = BURST_S) -> None:
        """rate: frames a second. burst_s: the burst, as time at that rate."""
        self._rate = rate
        self._burst = self._tokens = max(1.0, burst_s * rate)
        self._filled_at = -math.inf
        self._spent = [0.0] * MEAN_S
        self._second = 0
        self._recent = 0.0

    def set_rate(self, rate: float, *, burst_s: float = BURST_S) -> None:
        """Change the rate from now on. What was spent stays so."""
        self._rate, self._burst = rate, max(1.0, burst_s * rate)
        self._tokens = min(self._tokens, self._burst)

    def room(self, now: float) -> float:
        """Return how many frames may be sent now; less than one if none."""
        if now > self._filled_at:
            self._fill(now)
        return min(self._tokens, USED * MEAN_S * self._rate - self._recent)

    def spend(self, frames: float, now: float) -> None:
        """Record frames that are sent now, or have been without being counted."""
        if now > self._filled_at:
            self._fill(now)
        self._tokens -= frames
        self._spent[self._second % MEAN_S] += frames
        self._recent += frames

    def _fill(self, now: float) -> None:
        if math.isfinite(self._filled_at):
            passed_s = now - self._filled_at
            self._tokens = min(self._burst, self._tokens + passed_s * self._rate)
        self._filled_at = now
        second = math.floor(now)
        for each in range(max(self._second + 1, second - MEAN_S + 1), second + 1):
            self._spent[each % MEAN_S] = 0.0
        if second != self._second:
            self._second = second
            self._recent = sum(self._spent)
