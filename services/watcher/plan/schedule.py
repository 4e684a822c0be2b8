"""The schedule: every segment is due from every host again and again, and sooner on a change.

Pure: no thread, no queue, no clock of its own. Times are seconds of one monotonic clock.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from services.contract.doubts import Doubt, DoubtKind
from services.contract.messages import HostAnnouncement, Segment
from services.network.claims import AddressClaims, Contradictions
from services.network.judge.reduction import CONFIRMATIONS
from services.network.parse.nad import Network
from services.network.policy import DEFAULT_POLICY, Policy
from services.watcher.limits.crowds import Crowds
from services.watcher.limits.pace import Pace
from services.watcher.plan.due_heap import DueHeap
from services.watcher.plan.host_probe import HostProbe
from services.watcher.plan.known import Known
from services.watcher.plan.lanes import Lanes
from services.watcher.plan.rotation import NEVER
from services.watcher.plan.segment_plan import SegmentPlan
from services.watcher.plan.spreading import Spread
from services.watcher.plan.triggers import Observed, Trigger, compare, observe

LIMIT = 2_000
"""Probes per due() call: sent in a few tens of milliseconds, so news never waits long behind a sweep."""


class Schedule:
    """Networks by uid, hosts, and the due times that follow from them. Not thread-safe."""

    def __init__(self, *, pace: Pace, random: Callable[[], float], policy: Policy = DEFAULT_POLICY) -> None:
        """random gives numbers from 0 to 1."""
        self._pace = pace
        self._random = random
        self._policy = policy
        self._networks: dict[str, Known] = {}
        self._versions: dict[str, Network] = {}
        """The newest version of each network, probed or not."""
        self._hosts: dict[str, HostAnnouncement] = {}
        self._plans: dict[Segment, SegmentPlan] = {}
        self._by_cluster_network: dict[str, dict[Segment, None]] = {}
        self.crowds = Crowds(pace)
        self._heap = DueHeap()
        self._spread = Spread(-NEVER)
        self.lanes = Lanes(pace.frames_per_s, self.crowds.routers)
        self._claims = AddressClaims()
        self._contradictions = Contradictions()

    def upsert(self, network: Network, now: float) -> Trigger:
        """Take a version of a network; return what it made due."""
        if network.deleting:
            self.delete(network.uid, now)
            return Trigger.NOTHING
        self._versions[network.uid] = network
        known = self._networks.get(network.uid)
        observed = observe(network, self._contradictions.applied_to(self._policy, network))
        if not isinstance(observed, Observed):
            self._drop(network.uid, now)
            return Trigger.NOTHING
        before = known.observed if known else None
        if before is not None and before.demand.intent.segment != observed.demand.intent.segment:
            self._leave(network.uid, before.demand.intent.segment, now)
        if known is None:
            known = self._networks[network.uid] = Known(observed)
        known.observed = observed
        plan = self._plan(observed.demand.intent.segment)
        trigger = compare(before, observed)
        plan.put(network.uid, observed.demand, now)
        is_settled = before is None and observed.is_settled
        match trigger:
            case Trigger.EVERYTHING if is_settled:
                # As at start-up, where thousands of settled networks are new to this process.
                plan.hasten(self._slot(plan.hosts, now))
            case Trigger.EVERYTHING:
                plan.hasten(known.change(now))
            case Trigger.GATEWAY:
                plan.hasten_checks(known.change(now), now=now, full=True)
            case Trigger.CONTRADICTION:
                plan.hasten_checks(known.change(now), now=now)
            case Trigger.NO_OFFER:
                plan.confirm(observed.unoffered, 1 + CONFIRMATIONS - len(observed.unoffered), now)
            case Trigger.PROBE_NOW:
                plan.hasten(known.probe_now(now))
        plan.is_urgent |= trigger is not Trigger.NOTHING and not is_settled
        plan.is_news |= trigger in (Trigger.EVERYTHING, Trigger.PROBE_NOW) and not is_settled
        self._queue(plan)
        return trigger

    def delete(self, uid: str, now: float) -> Network | None:
        """Forget a network; return its newest version, None if it is unknown."""
        self._drop(uid, now)
        self._contradictions.forget(uid)
        return self._versions.pop(uid, None)

    def set_hosts(self, announcements: Iterable[HostAnnouncement], now: float) -> None:
        """Take all announced hosts; new, restarted and missing ones follow from it."""
        present = {announcement.host: announcement for announcement in announcements}
        newcomers = [host for host, announcement in present.items() if self._is_new(announcement)]
        # A host that comes back may reach a gateway that is silent to all others. Where most hosts come at
        # once, as after Redis lost its data, they take turns instead.
        few = 2 * len(newcomers) <= len(present)
        for host, before in list(self._hosts.items()):
            after = present.get(host)
            gone = set(before.uplinks) - set(after.uplinks if after else ())
            for segment in self._segments_of(gone):
                self._plans[segment].remove_host(host, now)
                self._queue(self._plans[segment])
        for host, after in present.items():
            known = self._hosts.get(host)
            fresh = set(after.uplinks) - (
                set() if known is None or self._is_new(after) else set(known.uplinks)
            )
            for plan in _failing_first(self._plans[segment] for segment in self._segments_of(fresh)):
                plan.add_host(host, now, at=now if plan.is_urgent else self._slot(1, now), full=few)
                self._queue(plan)
        self._hosts = present
        self.crowds.set_hosts(present.values())
        self.lanes.limit(self.crowds.port_rates)
        self._claims.take(frozenset(a for announced in present.values() for a in announced.addresses), now)
        self._read_again(now)

    def doubt(self, doubts: Iterable[Doubt], now: float) -> list[Doubt]:
        """Have what is in doubt checked at once; return the doubts about segments that are probed."""
        known = [doubt for doubt in doubts if doubt.segment in self._plans]
        for doubt in known:
            plan = self._plans[doubt.segment]
            if doubt.kind is DoubtKind.SILENT:
                self.lanes.found_silent(plan, max(1, len(doubt.heard)), now)
            plan.doubt(doubt, now)
            plan.is_urgent = True
            self._queue(plan)
        return known

    def due(self, now: float, *, limit: int = LIMIT) -> list[HostProbe]:
        """Take what is due; each probe is due again an interval later. See put_back.

        About `limit` of them, the longest due first, and no more than the budgets allow; the rest stays due,
        as next_due shows.
        """
        taken: list[HostProbe] = []
        while len(taken) < limit and (popped := self._heap.pop(now)) is not None:
            plan, at = popped
            if plan.is_empty and plan.next_due() <= now:
                self._forget(plan.segment)
            elif self.lanes.is_limited:
                plan.queued_at = at
                self.lanes.wait(plan, at, now)
            else:
                taken += plan.take(now)
                self._queue(plan)
        for plan in self.lanes.turns(now):
            if self._plans.get(plan.segment) is plan:
                taken += self._take_turn(plan, now)
            if len(taken) >= limit:
                break
        return taken

    def _take_turn(self, plan: SegmentPlan, now: float) -> list[HostProbe]:
        probes = plan.take(now, most=1)
        self.lanes.sent(plan, probes, now)
        at = plan.next_due()
        if at > now:
            plan.queued_at = NEVER
            self._queue(plan)
        elif plan.is_empty:
            self._forget(plan.segment)
        else:
            plan.queued_at = at
            self.lanes.wait(plan, now, now)
        return probes

    def put_back(self, probes: Iterable[HostProbe], at: float) -> None:
        """Make probes that could not be sent due at that time, unless their host or segment is gone."""
        for probe in probes:
            plan = self._plans.get(probe.segment)
            if plan is not None:
                plan.put_back(probe, at)
                self._queue(plan)

    def shared_segments(self) -> tuple[Segment, ...]:
        """Return all segments where there are several cluster networks, whose routers may be the same."""
        return tuple(self._plans) if len(self._by_cluster_network) > 1 else ()

    def take_routers(self, routers: Mapping[Segment, Collection[str]]) -> None:
        """Take the MAC addresses that answer for the gateways on these segments."""
        self.crowds.learn({segment: routers[segment] for segment in routers.keys() & self._plans.keys()})

    def answered(self, segments: Iterable[Segment], now: float) -> None:
        """Ask DHCP on these segments with the next sweep: it has answered, which is not told yet."""
        for plan in filter(None, map(self._plans.get, segments)):
            plan.answered(now)
            self._queue(plan)

    def make_all_due(self, now: float) -> None:
        """Make everything due, as after becoming leader, since what the last leader was doing is lost.

        Failing segments come first; large numbers are spread.
        """
        for plan in _failing_first(self._plans.values()):
            plan.hasten(now if plan.is_urgent else self._slot(plan.hosts, now))
            self._queue(plan)

    def spread_overdue(self, now: float) -> None:
        """Spread what fell due while nothing could be sent; news stays due now."""
        if self.lanes.is_limited:
            return
        overdue = [plan for plan in self._plans.values() if plan.next_due() <= now and not plan.is_urgent]
        for plan in _failing_first(overdue):
            plan.delay(self._slot(plan.hosts, now))
            self._queue(plan, postponed=True)

    def next_due(self) -> float:
        """Return a lower bound of the next due time; infinity without one."""
        return min(self.lanes.ready_at, self._heap.next_at)

    @property
    def postponed(self) -> int:
        """The number of probes so far that had to wait for the budget of their cluster network."""
        return self.lanes.postponed

    def intervals(self, now: float) -> dict[str, float]:
        """Return how often each cluster network is swept, in seconds, as results there are to be judged."""
        return self.crowds.intervals(now)

    @property
    def size(self) -> Mapping[str, int]:
        """The numbers of networks, segments and hosts."""
        return {"networks": len(self._networks), "segments": len(self._plans), "hosts": len(self._hosts)}

    def _is_new(self, announcement: HostAnnouncement) -> bool:
        """Return whether the host is new or restarted."""
        known = self._hosts.get(announcement.host)
        return known is None or known.incarnation != announcement.incarnation

    def _read_again(self, now: float) -> None:
        """Read networks again whose gateway became, or ceased to be, a host's own address."""
        before = self._policy
        self._policy = before.with_hosts(self._claims.believed, self._claims.unsure)
        changed = {str(address) for address in self._policy.addresses_unlike(before)}
        for network in list(self._versions.values()) if changed else ():
            if network.route.gateway in changed:
                self.upsert(network, now)

    def _drop(self, uid: str, now: float) -> None:
        known = self._networks.pop(uid, None)
        if known is not None:
            self._leave(uid, known.observed.demand.intent.segment, now)

    def _plan(self, segment: Segment) -> SegmentPlan:
        plan = self._plans.get(segment)
        if plan is None:
            crowd = self.crowds.join(segment)
            plan = SegmentPlan(segment, pace=self._pace, random=self._random, crowd=crowd)
            self._plans[segment] = plan
            self._by_cluster_network.setdefault(segment.cluster_network, {})[segment] = None
            for host, announcement in self._hosts.items():
                if segment.cluster_network in announcement.uplinks:
                    # The caller sets when it is due.
                    plan.add_host(host, -NEVER, at=NEVER)
            crowd.hosts = plan.hosts
        return plan

    def _leave(self, uid: str, segment: Segment, now: float) -> None:
        """Drop a network from its plan. An empty plan is kept a while: it knows which host is asking DHCP."""
        plan = self._plans[segment]
        plan.drop(uid, now)
        self._queue(plan)

    def _forget(self, segment: Segment) -> None:
        self._plans.pop(segment).queued_at = NEVER
        self.crowds.leave(segment)
        segments = self._by_cluster_network[segment.cluster_network]
        segments.pop(segment, None)
        if not segments:
            del self._by_cluster_network[segment.cluster_network]

    def _segments_of(self, cluster_networks: Iterable[str]) -> list[Segment]:
        return [s for name in cluster_networks for s in self._by_cluster_network.get(name, ())]

    def _slot(self, probes: int, now: float) -> float:
        if self.lanes.is_limited:
            # The budget spreads them.
            return now
        if self._spread.is_over(now):
            self._spread = Spread(now)
        return self._spread.slot(probes)

    def _queue(self, plan: SegmentPlan, *, postponed: bool = False) -> None:
        """Push the plan's next due time on the heap; due() skips the entry that it outdates."""
        at = plan.next_due()
        if plan.waits_as is not None:
            self.lanes.wait(plan, plan.queued_at, plan.queued_at)
        if at >= plan.queued_at and not postponed:
            return
        self._heap.push(plan, at, plans=len(self._plans))


def _failing_first(plans: Iterable[SegmentPlan]) -> list[SegmentPlan]:
    return sorted(plans, key=lambda plan: not plan.is_failing)
