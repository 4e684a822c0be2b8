"""What is due and waits for the budgets of frames of its cluster network and its router: whose turn it is.

Pure: time is an argument, in seconds of any monotonic clock.
"""

import heapq
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum

from services.contract.messages import Segment
from services.watcher.limits.allowance import Allowance
from services.watcher.limits.routers import Routers
from services.watcher.limits.workload import FRAMES_OF_SILENCE
from services.watcher.plan.host_probe import HostProbe
from services.watcher.plan.rotation import NEVER
from services.watcher.plan.segment_plan import SegmentPlan


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
_AHEAD_S = 1.0
"""How far news may be ahead of a class that waits, as time at the full rate."""
_SOON_S = 0.05
_MANY_LANES = 1_000
"""With more, those are forgotten in which nothing waits: anyone on a VLAN may answer with any address."""
_AT_ONCE = (Urgency.DOUBT, Urgency.NEWS)
"""The others go on once a second, so that what goes to a host shares a message."""


class Lane:
    """The plans of one cluster network that are due, by class; some of them also share a router's budget."""

    def __init__(self, rate: float, allowances: Sequence[Allowance]) -> None:
        """rate: frames a second. allowances: of the cluster network, and of routers."""
        self.ready_at = NEVER
        """When there may be room for the next plan; NEVER without one."""
        self._rate = rate
        self._allowances = allowances
        self._waiting: tuple[list[tuple[float, int, float, SegmentPlan]], ...] = tuple([] for _ in Urgency)
        self._tie = itertools.count()
        self._served = [0.0] * len(Urgency)
        """Frames of each class, divided by its share: the one with the least is next."""
        self._serving = Urgency.DOUBT
        self._routine_at = -NEVER
        """When FAILING and ROUTINE go on."""

    def set_rate(self, rate: float) -> None:
        """Change the rate by which classes leave frames to others."""
        self._rate = rate

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits."""
        return not any(self._waiting)

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
        room = min(allowance.room(now) for allowance in self._allowances)
        hoped = min(allowance.hoped(now) for allowance in self._allowances)
        routine = min(room - _RESERVES_S[Urgency.ROUTINE] * self._rate, hoped)
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
        risk = max(allowance.risk(now) for allowance in self._allowances)
        expected = 1 + (FRAMES_OF_SILENCE - 1) * risk
        frames = sum(plan.count_frames(each, expected, now) for each in probes)
        if self._serving >= Urgency.FAILING and not plan.is_expected_silent(now):
            checks = sum(not each.probe.ask_dhcp for each in probes)
            for allowance in self._allowances:
                allowance.hope(checks, now)
        for allowance in self._allowances:
            allowance.spend(frames, now)
        self._served[self._serving] += frames / _SHARES[self._serving]

    def found_silent(self, plan: SegmentPlan, hosts: int, now: float) -> None:
        """Record that so many hosts found a gateway silent, each with more frames than were counted."""
        for allowance in self._allowances:
            allowance.found_silent(hosts, plan.counted, now)

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
    """The lanes of all cluster networks, and of the routers that have gateways on several of them."""

    def __init__(self, rate: float, routers: Routers) -> None:
        """rate: frames a second on each cluster network, and to each router; 0 for no limit."""
        self.is_limited = rate > 0
        self.postponed = 0
        """Probes that had to wait."""
        self._rate = max(_LEAST_RATE, rate)
        self._rates: dict[str, float] = {}
        """Of cluster networks whose hosts' switch ports allow less."""
        self._routers = routers
        # Kept for ever: what is deleted and created again has no new budget.
        self._of_cluster_networks: dict[str, Allowance] = {}
        self._of_routers: dict[str, Allowance] = {}
        self._lanes: dict[tuple[str, tuple[str, ...]], Lane] = {}
        self._serving: Lane | None = None
        self._has_waited = False
        self._first = 0

    @property
    def ready_at(self) -> float:
        """When there may be room for something that waits; NEVER if nothing does."""
        return min((lane.ready_at for lane in self._lanes.values()), default=NEVER)

    def limit(self, rates: Mapping[str, float]) -> None:
        """Allow at most so many frames a second on these cluster networks, and on others as many as set."""
        before = self._rates
        self._rates = {name: max(_LEAST_RATE, min(self._rate, rate)) for name, rate in rates.items()}
        if self._rates != before:
            for name, allowance in self._of_cluster_networks.items():
                allowance.set_rate(self._rate_of(name))
            for (name, _), lane in self._lanes.items():
                lane.set_rate(self._rate_of(name))

    def _rate_of(self, cluster_network: str) -> float:
        return self._rates.get(cluster_network, self._rate)

    def wait(self, plan: SegmentPlan, at: float, now: float) -> None:
        """Have a plan wait that is due since `at`."""
        self._of(plan).wait(plan, at, now)

    def turns(self, now: float) -> Iterator[SegmentPlan]:
        """Yield the plans of which a host may probe now, one after the other; see sent().

        Lanes that share a budget take turns.
        """
        lanes = list(self._lanes.values())
        self._first = (self._first + 1) % max(1, len(lanes))
        lanes = lanes[self._first :] + lanes[: self._first]
        while lanes:
            left = []
            for lane in lanes:
                if (turn := lane.next(now)) is not None:
                    plan, self._has_waited = turn
                    self._serving = lane
                    left.append(lane)
                    yield plan
            lanes = left

    def sent(self, plan: SegmentPlan, probes: Sequence[HostProbe], now: float) -> None:
        """Record what the plan sends that was yielded last."""
        assert self._serving is not None
        self._serving.sent(plan, probes, now)
        self.postponed += len(probes) * self._has_waited

    def found_silent(self, plan: SegmentPlan, hosts: int, now: float) -> None:
        """Record that so many hosts found a gateway silent, unless that was expected."""
        if self.is_limited and not plan.is_expected_silent(now):
            self._of(plan).found_silent(plan, hosts, now)

    def sent_by_hand(self, segment: Segment, frames: float, now: float) -> None:
        """Record frames that go past the plan, where any is planned."""
        if self.is_limited and segment.cluster_network in self._of_cluster_networks:
            self._of_cluster_networks[segment.cluster_network].spend_by_hand(frames, now)
            for router in self._routers.shared(segment):
                self._allowance(self._of_routers, router).spend_by_hand(frames, now)

    def _of(self, plan: SegmentPlan) -> Lane:
        name, routers = plan.segment.cluster_network, self._routers.shared(plan.segment)
        lane = self._lanes.get((name, routers))
        if lane is None:
            if len(self._lanes) > _MANY_LANES:
                self._lanes = {key: lane for key, lane in self._lanes.items() if not lane.is_idle}
            if len(self._of_routers) > _MANY_LANES:
                self._of_routers.clear()
            allowances = [self._allowance(self._of_cluster_networks, name)]
            allowances += [self._allowance(self._of_routers, router) for router in routers]
            lane = self._lanes[name, routers] = Lane(self._rate_of(name), allowances)
        return lane

    def _allowance(self, known: dict[str, Allowance], name: str) -> Allowance:
        if name not in known:
            known[name] = Allowance(self._rate_of(name))
        return known[name]
