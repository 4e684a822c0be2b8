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
    """Runs actions in order, each as soon as there is a token for it; what goes on with something is first.

    So an exchange is not late, and an address not held for longer, because others wait to begin.
    """

    def __init__(self, timers: Timers, rate: float | None) -> None:
        self._timers = timers
        self._bucket = TokenBucket(rate)
        self._unlimited = rate is None
        self._waiting: deque[Action] = deque()
        self._begun: deque[Action] = deque()
        self._is_timed = False

    def submit(self, now: float, action: Action, *, begun: bool = False) -> None:
        """Run the action now if there is a token and nothing waits; otherwise have it wait.

        begun: it goes on with what has begun, and waits only for others that do.
        """
        is_next = not self._begun and (begun or not self._waiting)
        if self._unlimited or (is_next and self._bucket.take(now)):
            action(now)
            return
        (self._begun if begun else self._waiting).append(action)
        self._set_timer(now)

    def flush(self, now: float) -> None:
        """Run what has begun at once, and forget the rest: nothing is sent any more."""
        self._waiting.clear()
        while self._begun:
            self._begun.popleft()(now)

    def _set_timer(self, now: float) -> None:
        if not self._is_timed:
            self._is_timed = True
            self._timers.at(self._bucket.ready_at(now), self._drain)

    def _drain(self, now: float) -> None:
        self._is_timed = False
        while (queue := self._begun or self._waiting) and self._bucket.take(now):
            queue.popleft()(now)
        if self._begun or self._waiting:
            self._set_timer(now)
