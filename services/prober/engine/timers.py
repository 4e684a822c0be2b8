"""Timers, run by a caller that knows the time."""

import heapq
from bisect import insort_left
from collections.abc import Callable
from operator import attrgetter
from typing import Final

Action = Callable[[float], None]
"""Called with the present time, in seconds of the monotonic clock."""

_SLOTS_PER_S: Final = 16
"""The slots that later timers wait in; each one in use may cost the caller another wakeup."""


class Timer:
    """One action at one time."""

    __slots__ = ("action", "when")

    def __init__(self, when: float, action: Action) -> None:
        self.when = when
        self.action: Action | None = action

    def cancel(self) -> None:
        """Never run the action. The timer stays in Timers until its time has come."""
        self.action = None


_when: Final = attrgetter("when")


def _backwards(timer: Timer) -> float:
    return -timer.when


class Timers:
    """Timers in the order of their times; those of the same time in the order in which they were set.

    Most are cancelled long before they are due. So a later timer is put, unsorted, into the slot of its time,
    and a slot is sorted when it begins: a timer that was cancelled by then costs nothing more.
    """

    def __init__(self) -> None:
        self._near: list[Timer] = []
        """The timers of the slots that have begun; the next one is last."""
        self._far: dict[int, list[Timer]] = {}
        """By slot, in the order in which they were set."""
        self._slots: list[int] = []
        """A heap of the keys of _far."""
        self._begun: int | None = None
        """The last slot that has begun."""

    def at(self, when: float, action: Action) -> Timer:
        """Set a timer."""
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
        """Return when to call run_due: at the next timer or the start of its slot; None without a timer."""
        near = self._near
        while near and near[-1].action is None:
            near.pop()
        if near:
            return near[-1].when
        return self._slots[0] / _SLOTS_PER_S if self._slots else None

    def run_due(self, now: float) -> None:
        """Run the timers that are due, those included that such an action sets for now or earlier."""
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
        """Sort the timers of the next slot. _near is empty: all timers of the slots before have run."""
        self._begun = heapq.heappop(self._slots)
        live = [timer for timer in self._far.pop(self._begun) if timer.action is not None]
        # The list is run from its end, so of the same time the timer that was set first has to be last.
        live.reverse()
        live.sort(key=_when, reverse=True)
        self._near += live
