"""A heap of moments: when each of many things is to be looked at again."""

import heapq
import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Moments(Generic[Key]):
    """One moment for each key, in milliseconds of observed time. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: dict[Key, int] = {}
        self._heap: list[tuple[int, int, Key]] = []
        self._tie = 0
        """Keys need no order."""

    def put(self, key: Key, at_ms: int | None) -> None:
        """Make this the key's moment, in place of the one before; None: it has none."""
        with self._lock:
            if at_ms is None:
                self._at.pop(key, None)
            elif self._at.get(key) != at_ms:
                self._at[key] = at_ms
                self._tie += 1
                heapq.heappush(self._heap, (at_ms, self._tie, key))

    def take(self, now_ms: int) -> list[Key]:
        """Return the keys whose moment has come; each once."""
        found: list[Key] = []
        with self._lock:
            while self._heap and self._heap[0][0] <= now_ms:
                at_ms, _, key = heapq.heappop(self._heap)
                if self._at.get(key) == at_ms:
                    del self._at[key]
                    found.append(key)
        return found
