"""The queue of networks to write: one entry per network, processed by one thread at a time.

It hands out no more networks at a time than the API server shall write, and no faster than it takes them. One
that takes longer than a second does not count any more: another takes its turn.
"""

import heapq
import threading

from services.runtime.process.clock import Clock
from services.updater.write.pacing import Pace

SLOW_S = 1.0
"""Seconds after which a network in process holds up no other: a frozen webhook holds a write for 20 s."""


class WriteQueue:
    """Due times by uid. A network added while it is processed is due again afterwards. Thread-safe."""

    def __init__(self, clock: Clock, pace: Pace, *, concurrency: int) -> None:
        """concurrency: networks in process at a time, except slow ones."""
        self._clock = clock
        self._pace = pace
        self._concurrency = concurrency
        self._condition = threading.Condition()
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._processing: dict[str, float] = {}
        """By uid: when it was taken."""
        self._timed = 0
        """Threads that wait for a due time, or for a turn."""
        self._awaiting_turn = 0
        """Those of them that wait with something due: in a storm, one of them is enough."""
        self._stopped = False

    def add(self, uid: str, *, delay_s: float = 0.0) -> None:
        """Make a network due in delay_s seconds, unless it is due earlier."""
        with self._condition:
            due = self._clock.monotonic() + delay_s
            if due < self._due.get(uid, float("inf")):
                self._due[uid] = due
                heapq.heappush(self._heap, (due, uid))
                is_turn_free = len(self._processing) < self._concurrency
                if is_turn_free or not self._awaiting_turn:
                    self._condition.notify()

    def take(self, *, wait: bool = True) -> str | None:
        """Return the next due network, in process until done(); None when stopped or, without wait, idle."""
        with self._condition:
            while not self._stopped:
                due_s = self._next_due_s()
                wait_s = None if due_s is None else max(due_s, self._turn_s(), self._pace.wait_s())
                if wait_s is not None and wait_s <= 0:
                    _, uid = heapq.heappop(self._heap)
                    del self._due[uid]
                    self._processing[uid] = self._clock.monotonic()
                    self._pace.started()
                    self._pass_on()
                    return uid
                if not wait:
                    return None
                self._wait(wait_s, is_due=due_s is not None and due_s <= 0)
            return None

    def done(self, uid: str) -> None:
        """Mark the end of its processing. The same thread takes the next one, so no other is woken."""
        with self._condition:
            self._processing.pop(uid, None)
            if uid in self._due:
                heapq.heappush(self._heap, (self._due[uid], uid))

    def has_due(self) -> bool:
        """Whether another network is due now."""
        with self._condition:
            due_s = self._next_due_s()
        return due_s is not None and due_s <= 0

    def stop(self) -> None:
        """Release all waiting threads."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    def _wait(self, seconds: float | None, *, is_due: bool) -> None:
        self._timed += seconds is not None
        self._awaiting_turn += is_due
        self._condition.wait(seconds)
        self._timed -= seconds is not None
        self._awaiting_turn -= is_due

    def _pass_on(self) -> None:
        """Wake a thread to wait for the next one in place of this, unless one does."""
        due_s = self._next_due_s()
        if due_s is not None and not (self._awaiting_turn if due_s <= 0 else self._timed):
            self._condition.notify()

    def _turn_s(self) -> float:
        """Return the seconds until so few networks are in process that one more may be, if none ends."""
        since = self._clock.monotonic() - SLOW_S
        quick = [at for at in self._processing.values() if at > since]
        return min(quick) - since if len(quick) >= self._concurrency else 0.0

    def _next_due_s(self) -> float | None:
        """Return the seconds until a network that is not processed is due; None where none is queued."""
        while self._heap:
            due, uid = self._heap[0]
            if self._due.get(uid) == due and uid not in self._processing:
                return due - self._clock.monotonic()
            heapq.heappop(self._heap)
        return None
