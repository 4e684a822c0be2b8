"""What is to be done when: timers, run by whoever knows what time it is."""

import heapq
from bisect import insort_left
from collections.abc import Callable
from operator import attrgetter
from typing import Final

Action = Callable[[float], None]
"""Called with the time now, in seconds of the monotonic clock."""

_SLOTS_PER_S: Final = 16
"""How finely the time to come is divided: each slot that has timers may wake its user once more."""


class Timer:
    """One action to come; cancelling it is free, it is forgotten when its time has come."""

    __slots__ = ("action", "when")

    def __init__(self, when: float, action: Action) -> None:
        self.when = when
        self.action: Action | None = action

    def cancel(self) -> None:
        self.action = None


_when: Final = attrgetter("when")


def _backwards(timer: Timer) -> float:
    return -timer.when


class Timers:
    """Timers in order of their time; those of the same time in the order they were set.

    Most are cancelled long before their time, so what is to come waits unsorted, in slots of time, and is
    sorted when its slot begins: a timer that was cancelled by then costs nothing more.
    """

    def __init__(self) -> None:
        self._near: list[Timer] = []
        """Of the slots that have begun: the next one last."""
        self._far: dict[int, list[Timer]] = {}
        """By slot, in the order they were set."""
        self._slots: list[int] = []
        """A heap: the keys of _far."""
        self._begun: int | None = None
        """The last slot that has begun."""

    def at(self, when: float, action: Action) -> Timer:
        """Do it at this time."""
        timer = Timer(when, action)
        slot = int(when * _SLOTS_PER_S)
        waiting = self._far.get(slot)
        if waiting is not None:
            waiting.append(timer)
        elif self._begun is not None and slot <= self._begun:
            insort_left(self._near, timer, key=_backwards)
        else:
            self._far[slot] = [timer]
            heapq.heappush(self._slots, slot)
        return timer

    def next_deadline(self) -> float | None:
        """When to look again: at the next timer, or where its slot begins; None when there is none."""
        near = self._near
        while near and near[-1].action is None:
            near.pop()
        if near:
            return near[-1].when
        return self._slots[0] / _SLOTS_PER_S if self._slots else None

    def run_due(self, now: float) -> None:
        """Run what is due; what is set meanwhile for now or earlier is run too."""
        near = self._near
        while True:
            while near and near[-1].when <= now:
                timer = near.pop()
                action = timer.action
                if action is not None:
                    timer.action = None
                    action(now)
            if not self._slots or self._slots[0] > now * _SLOTS_PER_S:
                return
            self._begin_slot()

    def _begin_slot(self) -> None:
        """Sort the next slot's timers. Nothing else is near: those of the slots before it have all run."""
        self._begun = heapq.heappop(self._slots)
        live = [timer for timer in self._far.pop(self._begun) if timer.action is not None]
        # Backwards, and of the same time what was set first comes last.
        live.reverse()
        live.sort(key=_when, reverse=True)
        self._near += live
