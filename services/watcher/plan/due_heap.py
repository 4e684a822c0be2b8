"""Plans in the order in which they are due."""

import heapq
import itertools

from services.watcher.plan.rotation import NEVER
from services.watcher.plan.segment_plan import SegmentPlan

_SLACK = 64
_OUTDATED = 3
"""Outdated entries per plan, beyond which the heap is made anew."""


class DueHeap:
    """A heap of plans by due time. A plan that is pushed again leaves an outdated entry, which is skipped."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, SegmentPlan]] = []
        self._tie = itertools.count()

    @property
    def next_at(self) -> float:
        """A lower bound of the first due time; NEVER without a plan."""
        return self._heap[0][0] if self._heap else NEVER

    def push(self, plan: SegmentPlan, at: float, *, plans: int) -> None:
        """Queue a plan under this time. plans: how many there are."""
        plan.queued_at = at
        heapq.heappush(self._heap, (at, next(self._tie), plan))
        if len(self._heap) > _SLACK + (1 + _OUTDATED) * plans:
            live = {id(plan): (at, tie, plan) for at, tie, plan in self._heap if plan.queued_at == at}
            self._heap = list(live.values())
            heapq.heapify(self._heap)

    def pop(self, now: float) -> tuple[SegmentPlan, float] | None:
        """Return the plan that is due for longest, no longer queued, and since when; None if none is due."""
        while self._heap and self._heap[0][0] <= now:
            at, _, plan = heapq.heappop(self._heap)
            if plan.queued_at == at:
                plan.queued_at = NEVER
                return plan, at
            # Outdated: the plan is queued under another time, or was replaced.
        return None
