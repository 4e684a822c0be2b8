"""A cache of what was parsed, bounded by the size of the texts that it was parsed from."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from hashlib import blake2b
from typing import Generic, TypeVar

Value = TypeVar("Value")


class ParseCache(Generic[Value]):
    """Parses each text once, as long as it was read lately. Thread-safe."""

    def __init__(self, *, max_bytes: int) -> None:
        """max_bytes: of all texts whose values are kept; a value takes a few times as much."""
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[int, Value]] = OrderedDict()
        self._bytes = 0

    def get(self, text: bytes, parse: Callable[[], Value], *, of: Hashable = None) -> Value:
        """Return what this text is parsed to; errors of parse are raised, and not kept.

        of: whatever else the value depends on.
        """
        key = (of, blake2b(text, digest_size=16).digest())
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][1]
        value = parse()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = len(text), value
                self._bytes += len(text)
            while self._bytes > self._max_bytes:
                _, (size, _) = self._kept.popitem(last=False)
                self._bytes -= size
        return value
