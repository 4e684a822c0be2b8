"""Which networks are to be written: each once, by one thread at a time, one entry for all reasons."""

import heapq
import threading
from dataclasses import dataclass, field

from services.network.parse.nad import NetworkRef
from services.runtime.clock import Clock


@dataclass(order=True)
class _Entry:
    due: float
    ref: NetworkRef = field(compare=False)


class WriteQueue:
    """Due times by network. A network that is added while it is in hand is due again when it is done."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._condition = threading.Condition()
        self._due: dict[NetworkRef, float] = {}
        self._heap: list[_Entry] = []
        self._in_hand: set[NetworkRef] = set()
        self._stopped = False

    def add(self, ref: NetworkRef, *, delay_s: float = 0.0) -> None:
        """Make it due; one that is due earlier stays so."""
        with self._condition:
            due = self._clock.monotonic() + delay_s
            if due < self._due.get(ref, float("inf")):
                self._due[ref] = due
                heapq.heappush(self._heap, _Entry(due, ref))
                self._condition.notify()

    def take(self, *, wait: bool = True) -> NetworkRef | None:
        """The next one that is due, in hand until done; None when stopped, or nothing is and not wait."""
        with self._condition:
            while not self._stopped:
                timeout_s = self._next_due_s()
                if timeout_s is not None and timeout_s <= 0:
                    entry = heapq.heappop(self._heap)
                    del self._due[entry.ref]
                    self._in_hand.add(entry.ref)
                    return entry.ref
                if not wait:
                    return None
                self._condition.wait(timeout_s)
            return None

    def done(self, ref: NetworkRef) -> None:
        """It is out of hand."""
        with self._condition:
            self._in_hand.discard(ref)
            if ref in self._due:
                heapq.heappush(self._heap, _Entry(self._due[ref], ref))
            self._condition.notify()

    def stop(self) -> None:
        """Let go of all who wait."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    def _next_due_s(self) -> float | None:
        """Seconds until something that is not in hand is due; None where nothing is."""
        while self._heap:
            entry = self._heap[0]
            if self._due.get(entry.ref) == entry.due and entry.ref not in self._in_hand:
                return entry.due - self._clock.monotonic()
            heapq.heappop(self._heap)
        return None
