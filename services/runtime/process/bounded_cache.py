"""A cache of what was parsed, bounded by the size of the texts that it was parsed from, and by their age."""

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


class ParseCache(Generic[Value]):
    """Parses each text once, as long as it was read lately. Thread-safe."""

    def __init__(self, *, max_bytes: int, clock: Clock | None = None) -> None:
        """max_bytes: of all texts whose values are kept; a value takes a few times as much."""
        self._max_bytes = max_bytes
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[int, Value, float]] = OrderedDict()
        """By what was read: its size, what it was parsed to, and when it was read last; the latest last."""
        self._bytes = 0

    def get(self, text: bytes, parse: Callable[[], Value], *, of: Hashable = None) -> Value:
        """Return what this text is parsed to; errors of parse are raised, and not kept.

        of: whatever else the value depends on.
        """
        key = (of, blake2b(text, digest_size=16).digest())
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._keep(key, len(text), known[1])
                return known[1]
        value = parse()
        with self._lock:
            self._keep(key, len(text), value)
        return value

    def _keep(self, key: Hashable, size: int, value: Value) -> None:
        now = self._clock.monotonic()
        if self._kept.pop(key, None) is None:
            self._bytes += size
        self._kept[key] = size, value, now
        while self._kept and self._exceeds(now):
            self._bytes -= self._kept.popitem(last=False)[1][0]

    def _exceeds(self, now: float) -> bool:
        """Whether the one that was read first is one too many."""
        return self._bytes > self._max_bytes or next(iter(self._kept.values()))[2] < now - KEPT_S
