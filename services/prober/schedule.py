"""What is to be done when: timers, run by whoever knows what time it is."""

import heapq
import itertools
from collections import deque
from collections.abc import Callable

Action = Callable[[float], None]
"""Called with the time now, in seconds of the monotonic clock."""

_Entry = tuple[float, int, "Timer"]


class Timer:
    """One action to come; cancelling it is free, it is forgotten when its time has come."""

    __slots__ = ("action",)

    def __init__(self, action: Action) -> None:
        self.action: Action | None = action

    def cancel(self) -> None:
        self.action = None


class Schedule:
    """Timers in order of their time; those of the same time in the order they were set.

    Most waits are one of a few: each of these has a queue, in which what is set later is due later, and only
    the others pay for a heap.
    """

    def __init__(self) -> None:
        self._heap: list[_Entry] = []
        self._lanes: dict[float, deque[_Entry]] = {}
        self._count = itertools.count()

    def at(self, when: float, action: Action) -> Timer:
        """Do it at this time."""
        timer = Timer(action)
        heapq.heappush(self._heap, (when, next(self._count), timer))
        return timer

    def after(self, wait_s: float, now: float, action: Action) -> Timer:
        """Do it so many seconds from now; for a wait that many have."""
        timer = Timer(action)
        lane = self._lanes.get(wait_s)
        if lane is None:
            lane = self._lanes[wait_s] = deque()
        entry = (now + wait_s, next(self._count), timer)
        if lane and lane[-1][0] > entry[0]:
            # Somebody's "now" is the time that a frame came at, and another's is later.
            heapq.heappush(self._heap, entry)
        else:
            lane.append(entry)
        return timer

    def next_deadline(self) -> float | None:
        """When the next timer is due; None when there is none."""
        heap, due = self._heap, None
        while heap and heap[0][2].action is None:
            heapq.heappop(heap)
        if heap:
            due = heap[0][0]
        for lane in self._lanes.values():
            while lane and lane[0][2].action is None:
                lane.popleft()
            if lane and (due is None or lane[0][0] < due):
                due = lane[0][0]
        return due

    def run_due(self, now: float) -> None:
        """Run what is due; what is set meanwhile for now or earlier is run too."""
        while (timer := self._take_due(now)) is not None:
            if timer.action is not None:
                action, timer.action = timer.action, None
                action(now)

    def _take_due(self, now: float) -> Timer | None:
        heap = self._heap
        first = heap[0] if heap else None
        of: deque[_Entry] | None = None
        for lane in self._lanes.values():
            if lane and (first is None or lane[0] < first):
                first, of = lane[0], lane
        if first is None or first[0] > now:
            return None
        if of is None:
            heapq.heappop(heap)
        else:
            of.popleft()
        return first[2]
