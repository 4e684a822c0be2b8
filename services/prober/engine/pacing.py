"""Limits on rates: a token bucket, and a queue that drains through it in order."""

import math
from collections import deque
from typing import Final

from services.prober.engine.timers import Action, Timers

_BURST_S: Final = 0.02
"""A full bucket holds what the rate allows in this time: bursts are what overruns a receive buffer."""
_ROUNDING: Final = 1e-6


class TokenBucket:
    """At most rate a second on average; None allows everything."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._capacity = max(1.0, (rate or 0.0) * _BURST_S)
        self._tokens = self._capacity
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Take one token if there is one."""
        if self._rate is None:
            return True
        self._fill(now, self._rate)
        if self._tokens < 1.0 - _ROUNDING:
            return False
        self._tokens -= 1.0
        return True

    def ready_at(self, now: float) -> float:
        """When there will be a token."""
        if self._rate is None:
            return now
        self._fill(now, self._rate)
        if self._tokens >= 1.0 - _ROUNDING:
            return now
        # Far from zero a clock's numbers lie far apart: what is to come must not be now again.
        return max(now + (1.0 - self._tokens) / self._rate, math.nextafter(now, math.inf))

    def _fill(self, now: float, rate: float) -> None:
        if self._at is not None and now > self._at:
            self._tokens = min(self._capacity, self._tokens + (now - self._at) * rate)
        if self._at is None or now > self._at:
            self._at = now


class PacedQueue:
    """Actions that each need a token, first come, first served."""

    def __init__(self, timers: Timers, rate: float | None) -> None:
        self._timers = timers
        self._bucket = TokenBucket(rate)
        self._unlimited = rate is None
        self._waiting: deque[Action] = deque()

    def submit(self, now: float, action: Action) -> None:
        """Act at once if a token is there and nobody waits, otherwise in turn."""
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
