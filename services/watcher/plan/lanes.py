"""What is due on one cluster network and waits for its budget of frames: whose turn it is.

Pure: time is an argument, in seconds of any monotonic clock.
"""

import heapq
import itertools
import math
from collections.abc import Iterator, Sequence
from enum import IntEnum

from services.watcher.plan.budget import Budget
from services.watcher.plan.host_probe import HostProbe
from services.watcher.plan.risk import Risk
from services.watcher.plan.rotation import NEVER
from services.watcher.plan.segment_plan import SegmentPlan
from services.watcher.plan.workload import FRAMES_OF_SILENCE


class Urgency(IntEnum):
    """Classes of what is due. One with little to do is served at once; none takes the share of another."""

    DOUBT = 0
    """A host is to confirm, or contradict, what another one found."""
    NEWS = 1
    """The first probe after a change."""
    FAILING = 2
    """A network that is not Active, and further hosts after a change."""
    ROUTINE = 3
    """Sweeps and patrols. Their share also finds what has just failed."""


_SHARES = (2.0, 2.0, 1.0, 1.0)
"""Of each class while all have more to do than the budget allows."""
_RESERVES_S = (0.75, 0.0, 1.0, 1.0)
"""What each class leaves of the budget, as time at the full rate: news need not wait, and what else has piled
up is not sent in one second."""
_LEAST_RATE = 1.0
"""With less, no class would ever have room for what it leaves to others."""
_HOPED_SHARE = 0.65
"""Of the frames, for checks that take one if the gateway answers. When a router dies with all its gateways,
they take three until the first are in doubt, some 4 s later: that must not be more than the budget."""
_AHEAD_S = 1.0
"""How far news may be ahead of a class that waits, as time at the full rate."""
_SOON_S = 0.05
_AT_ONCE = (Urgency.DOUBT, Urgency.NEWS)
"""The others go on once a second, so that what goes to a host shares a message."""


class Lane:
    """The plans of one cluster network that are due, by class, and the budget that they share."""

    def __init__(self, rate: float) -> None:
        """rate: frames a second."""
        self.ready_at = NEVER
        """When there may be room for the next plan; NEVER without one."""
        self._rate = rate
        self._budget = Budget(rate)
        self._hopes = Budget(_HOPED_SHARE * rate, burst_s=1.0)
        self._waiting: tuple[list[tuple[float, int, float, SegmentPlan]], ...] = tuple([] for _ in Urgency)
        self._tie = itertools.count()
        self._served = [0.0] * len(Urgency)
        """Frames of each class, divided by its share: the one with the least is next."""
        self._serving = Urgency.DOUBT
        self._routine_at = -NEVER
        """When FAILING and ROUTINE go on."""
        self._risk = Risk()

    def wait(self, plan: SegmentPlan, at: float, now: float) -> None:
        """Have a plan wait that is due since `at`. One that waits already only becomes more urgent."""
        urgency = _urgency(plan)
        if plan.waits_as is not None and plan.waits_as <= urgency:
            return
        plan.waits_as = urgency
        queue = self._waiting[urgency]
        if not queue:
            # What a class did not use before is not made up for.
            self._served[urgency] = max(self._served[urgency], self._least_served())
        heapq.heappush(queue, (at, next(self._tie), now, plan))
        self.ready_at = min(self.ready_at, at if urgency <= Urgency.NEWS else max(at, self._routine_at))

    def next(self, now: float) -> tuple[SegmentPlan, bool] | None:
        """Return a plan of which a host may probe now, and whether it had to wait; None without any, or room.

        One host each, so that all that is in doubt, new or due is looked at before any of it twice.
        """
        room = self._budget.room(now)
        routine = min(room - _RESERVES_S[Urgency.ROUTINE] * self._rate, self._hopes.room(now))
        if routine < 1 and self._routine_at <= now:
            self._routine_at = math.floor(now) + 1.0
        allowed = [u for u in _AT_ONCE if room - _RESERVES_S[u] * self._rate >= 1 and not self._is_ahead(u)]
        if self._routine_at <= now:
            allowed += [Urgency.FAILING, Urgency.ROUTINE]
        while True:
            urgent = min((u for u in allowed if self._waiting[u]), key=self._served.__getitem__, default=None)
            if urgent is None:
                self.ready_at = self._next_ready(room, now)
                return None
            _, _, since, plan = heapq.heappop(self._waiting[urgent])
            if plan.waits_as == urgent:
                plan.waits_as = None
                self._serving = urgent
                return plan, since < now

    def sent(self, plan: SegmentPlan, probes: Sequence[HostProbe], now: float) -> None:
        """Record what the plan that came next sends."""
        expected = 1 + (FRAMES_OF_SILENCE - 1) * self._risk.at(now)
        frames = sum(plan.count_frames(each, expected, now) for each in probes)
        if self._serving >= Urgency.FAILING and not plan.is_expected_silent(now):
            checks = sum(not each.probe.ask_dhcp for each in probes)
            self._risk.checked(checks, now)
            self._hopes.spend(checks, now)
        self._budget.spend(frames, now)
        self._served[self._serving] += frames / _SHARES[self._serving]

    def found_silent(self, plan: SegmentPlan, hosts: int, now: float) -> None:
        """Record that so many hosts found a gateway silent, each with more frames than were counted."""
        self._risk.found_silent(hosts, now)
        self._budget.spend((FRAMES_OF_SILENCE - plan.counted) * hosts, now)

    def _is_ahead(self, urgency: Urgency) -> bool:
        """Return whether it must wait for the others' share. Doubts never do: they follow probes."""
        limit = self._least_served() + _AHEAD_S * self._rate
        return urgency is Urgency.NEWS and self._served[urgency] > limit

    def _least_served(self) -> float:
        served = [self._served[u] for u in Urgency if self._waiting[u]]
        return min(served, default=max(self._served))

    def _next_ready(self, room: float, now: float) -> float:
        times = [
            now + max(_SOON_S, _RESERVES_S[u] + (1 - room) / self._rate)
            for u in _AT_ONCE
            if self._waiting[u] and not self._is_ahead(u)
        ]
        if self._waiting[Urgency.FAILING] or self._waiting[Urgency.ROUTINE]:
            times.append(max(self._routine_at, now + _SOON_S))
        return min(times, default=NEVER)


def _urgency(plan: SegmentPlan) -> Urgency:
    if plan.is_doubted:
        return Urgency.DOUBT
    if plan.is_news:
        return Urgency.NEWS
    return Urgency.FAILING if plan.is_urgent or plan.is_failing else Urgency.ROUTINE


class Lanes:
    """The lanes of all cluster networks."""

    def __init__(self, rate: float) -> None:
        """rate: frames a second on each cluster network; 0 for no limit."""
        self.is_limited = rate > 0
        self.postponed = 0
        """Probes that had to wait."""
        self._rate = max(_LEAST_RATE, rate)
        # Kept for ever: what is deleted and created again has no new budget.
        self._by_cluster_network: dict[str, Lane] = {}
        self._has_waited = False

    @property
    def ready_at(self) -> float:
        """When there may be room for something that waits; NEVER if nothing does."""
        return min((lane.ready_at for lane in self._by_cluster_network.values()), default=NEVER)

    def wait(self, plan: SegmentPlan, at: float, now: float) -> None:
        """Have a plan wait that is due since `at`."""
        self._of(plan).wait(plan, at, now)

    def turns(self, now: float) -> Iterator[SegmentPlan]:
        """Yield the plans of which a host may probe now, one after the other; see sent()."""
        for lane in self._by_cluster_network.values():
            while (turn := lane.next(now)) is not None:
                plan, self._has_waited = turn
                yield plan

    def sent(self, plan: SegmentPlan, probes: Sequence[HostProbe], now: float) -> None:
        """Record what the plan sends that was yielded last."""
        self._of(plan).sent(plan, probes, now)
        self.postponed += len(probes) * self._has_waited

    def found_silent(self, plan: SegmentPlan, hosts: int, now: float) -> None:
        """Record that so many hosts found a gateway silent, unless that was expected."""
        if self.is_limited and not plan.is_expected_silent(now):
            self._of(plan).found_silent(plan, hosts, now)

    def _of(self, plan: SegmentPlan) -> Lane:
        name = plan.segment.cluster_network
        lane = self._by_cluster_network.get(name)
        if lane is None:
            lane = self._by_cluster_network[name] = Lane(self._rate)
        return lane
