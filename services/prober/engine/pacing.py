"""Rate limits: a token bucket, and a queue whose actions each take a token."""

import math
from collections import deque
from typing import Final

from services.prober.engine.timers import Action, Timers

_BURST_S: Final = 0.02
"""The bucket's capacity, as time at the full rate: larger bursts overrun receive buffers."""
_ROUNDING: Final = 1e-6


class TokenBucket:
    """Allows rate tokens a second on average; a rate of None is no limit."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._capacity = max(1.0, (rate or 0.0) * _BURST_S)
        self._tokens = self._capacity
        self._filled_at: float | None = None

    def take(self, now: float) -> bool:
        """Take one token; return whether there was one."""
        if self._rate is None:
            return True
        self._fill(now, self._rate)
        if self._tokens < 1.0 - _ROUNDING:
            return False
        self._tokens -= 1.0
        return True

    def ready_at(self, now: float) -> float:
        """Return the time of the next token: now if there is one already."""
        if self._rate is None:
            return now
        self._fill(now, self._rate)
        if self._tokens >= 1.0 - _ROUNDING:
            return now
        # Large floats are far apart, and the sum may round to now: the caller would loop.
        return max(now + (1.0 - self._tokens) / self._rate, math.nextafter(now, math.inf))

    def _fill(self, now: float, rate: float) -> None:
        if self._filled_at is not None and now > self._filled_at:
            self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * rate)
        if self._filled_at is None or now > self._filled_at:
            self._filled_at = now


class PacedQueue:
    """Runs actions in order, each as soon as there is a token for it."""

    def __init__(self, timers: Timers, rate: float | None) -> None:
        self._timers = timers
        self._bucket = TokenBucket(rate)
        self._unlimited = rate is None
        self._waiting: deque[Action] = deque()

    def submit(self, now: float, action: Action) -> None:
        """Run the action now if there is a token and the queue is empty; otherwise append it to the queue."""
        if self._unlimited or (not self._waiting and self._bucket.take(now)):
            action(now)
            return
        self._waiting.append(action)
        if len(self._waiting) == 1:
            self._timers.at(self._bucket.ready_at(now), self._drain)

    def _drain(self, now: float) -> None:
        while self._waiting and self._bucket.take(now):
            self._waiting.popleft()(now)
        if self._waiting:
            self._timers.at(self._bucket.ready_at(now), self._drain)
