"""Caches that are bounded by size and by age: of anything, and of what was parsed from a text."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from hashlib import blake2b
from typing import Generic, TypeVar

from services.runtime.process.clock import Clock, SystemClock

KEPT_S = 120.0
"""Since it was read last. What is in Redis is read again within half a minute at most; of what has changed
there no text comes again, and a value takes up to ten times as much as its text."""

Value = TypeVar("Value")


class BoundedCache(Generic[Value]):
    """Values by key, until too many came later or they are too old. Thread-safe."""

    def __init__(
        self,
        *,
        max_bytes: int,
        max_values: float = float("inf"),
        kept_s: float = KEPT_S,
        clock: Clock | None = None,
    ) -> None:
        """max_bytes: of all sizes. kept_s: since a value was kept or found last."""
        self._max_bytes = max_bytes
        self._max_values = max_values
        self._kept_s = kept_s
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[int, Value, float]] = OrderedDict()
        """By key: the value's size, the value, and when it was kept or found last; the latest last."""
        self._bytes = 0

    def find(self, key: Hashable) -> Value | None:
        """Return the value of this key, which stays for longer; None without one."""
        with self._lock:
            known = self._kept.get(key)
            if known is None:
                return None
            self._put(key, *known[:2])
            return known[1]

    def keep(self, key: Hashable, value: Value, *, size: int) -> None:
        """Keep the value in place of the key's former one; of too many, those kept longest go."""
        with self._lock:
            self._put(key, size, value)

    def _put(self, key: Hashable, size: int, value: Value) -> None:
        now, before = self._clock.monotonic(), self._kept.pop(key, None)
        self._bytes += size - (0 if before is None else before[0])
        self._kept[key] = size, value, now
        while self._kept and self._exceeds(now):
            self._bytes -= self._kept.popitem(last=False)[1][0]

    def _exceeds(self, now: float) -> bool:
        """Whether the one that was kept first is one too many."""
        if self._bytes > self._max_bytes or len(self._kept) > self._max_values:
            return True
        return next(iter(self._kept.values()))[2] < now - self._kept_s


class ParseCache(Generic[Value]):
    """Parses each text once, as long as it was read lately. Thread-safe."""

    def __init__(self, *, max_bytes: int, clock: Clock | None = None) -> None:
        """max_bytes: of all texts whose values are kept; a value takes a few times as much."""
        self._values = BoundedCache[Value](max_bytes=max_bytes, clock=clock)

    def get(self, text: bytes, parse: Callable[[], Value], *, of: Hashable = None) -> Value:
        """Return what this text is parsed to; errors of parse are raised, and not kept.

        of: whatever else the value depends on.
        """
        key = (of, blake2b(text, digest_size=16).digest())
        value = self._values.find(key)
        if value is None:
            value = parse()
            self._values.keep(key, value, size=len(text))
        return value
