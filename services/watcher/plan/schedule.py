"""What is due, on which host, and when: every segment from every host, again and again, sooner on a change.

Pure: no thread, no queue, no clock of its own. Times are seconds of one monotonic clock.
"""

import heapq
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from services.contract.messages import HostAnnouncement, Segment
from services.network.parse.nad import Network, NetworkRef
from services.network.policy import DEFAULT_POLICY, Policy
from services.watcher.plan.segment_plan import HostProbe, Pace, SegmentPlan
from services.watcher.plan.spreading import Spread
from services.watcher.plan.triggers import Observed, Trigger, compare, observe
from services.watcher.plan.turns import NEVER

COALESCE_S = 0.1
"""After the leading edge, a burst of changes to one network makes it due this often at most."""
PROBE_NOW_GAP_S = 10.0
"""Between two probes of one network that are asked for by annotation."""

LIMIT = 2_000
"""Probes in one go: a few tens of milliseconds to send, so that news never waits long behind a sweep."""


@dataclass
class _Known:
    """A network that is probed."""

    observed: Observed
    triggered_at: float = -NEVER
    """The latest moment at which a change made, or will make, it due."""
    asked_by_hand_at: float = -NEVER


class Schedule:
    """Networks, hosts, and the due times that follow from them. Not safe to share by threads."""

    def __init__(self, *, pace: Pace, random: Callable[[], float], policy: Policy = DEFAULT_POLICY) -> None:
        """random gives numbers from 0 to 1."""
        self._pace = pace
        self._random = random
        self._policy = policy
        self._networks: dict[NetworkRef, _Known] = {}
        self._versions: dict[NetworkRef, Network] = {}
        """The newest of each network, probed or not."""
        self._hosts: dict[str, HostAnnouncement] = {}
        self._plans: dict[Segment, SegmentPlan] = {}
        self._by_cluster_network: dict[str, dict[Segment, None]] = {}
        self._heap: list[tuple[float, int, SegmentPlan]] = []
        self._tie = itertools.count()
        self._spread = Spread(-NEVER)

    def upsert(self, network: Network, now: float) -> Trigger:
        """Take a version of a network; says what it made due."""
        if network.deleting:
            self.delete(network.ref, now)
            return Trigger.NOTHING
        self._versions[network.ref] = network
        known = self._networks.get(network.ref)
        observed = observe(network, self._policy)
        if not isinstance(observed, Observed):
            self._drop(network.ref, now)
            return Trigger.NOTHING
        before = known.observed if known else None
        if before is not None and before.intent.segment != observed.intent.segment:
            self._leave(network.ref, before.intent.segment, now)
        if known is None:
            known = self._networks[network.ref] = _Known(observed)
        known.observed = observed
        plan = self._plan(observed.intent.segment)
        trigger = compare(before, observed)
        plan.put(network.ref, observed.wish, now)
        is_settled = before is None and observed.is_settled
        match trigger:
            case Trigger.EVERYTHING if is_settled:
                # As when this process starts: all is told already, and there may be thousands of them.
                plan.hasten(self._slot(plan.weight, now))
            case Trigger.EVERYTHING:
                plan.hasten(self._coalesce(known, now))
            case Trigger.GATEWAY:
                plan.hasten_checks(self._coalesce(known, now), now=now, full=True)
            case Trigger.CONTRADICTION:
                plan.hasten_checks(self._coalesce(known, now), now=now)
            case Trigger.NO_OFFER:
                plan.confirm(observed.unoffered, now)
            case Trigger.ASKED_BY_HAND:
                plan.hasten(self._limit(known, now))
        plan.is_urgent |= trigger is not Trigger.NOTHING and not is_settled
        self._queue(plan)
        return trigger

    def delete(self, ref: NetworkRef, now: float) -> None:
        """Forget a network."""
        self._versions.pop(ref, None)
        self._drop(ref, now)

    def set_hosts(self, announcements: Iterable[HostAnnouncement], now: float) -> None:
        """Take all hosts that are announced now: what is new, restarted or gone follows from it."""
        present = {announcement.host: announcement for announcement in announcements}
        newcomers = [host for host, told in present.items() if self._is_new(told)]
        # One that comes back may have said something else of a silent gateway than all others do now. Where
        # most come at once nothing is known of the others either, and they take turns.
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
        self._take_addresses(frozenset(a for told in present.values() for a in told.addresses), now)

    def due(self, now: float, *, limit: int = LIMIT) -> list[HostProbe]:
        """What is to be sent now; it is due again an interval later. See put_back.

        Some limit of them, the longest due first; the rest stays due, and next_due says so.
        """
        taken: list[HostProbe] = []
        while len(taken) < limit and self._heap and self._heap[0][0] <= now:
            at, _, plan = heapq.heappop(self._heap)
            if plan.queued_at != at:
                # Of before: the plan has become due at another time, or made way for a new one.
                continue
            plan.queued_at = NEVER
            if plan.is_empty and plan.next_due() <= now:
                self._forget(plan.segment)
            else:
                taken += plan.take(now)
                self._queue(plan)
        return taken

    def put_back(self, probes: Iterable[HostProbe], at: float) -> None:
        """These could not be sent: they are due at that time, unless their host or segment is gone."""
        for probe in probes:
            plan = self._plans.get(probe.segment)
            if plan is not None:
                plan.put_back(probe, at)
                self._queue(plan)

    def hasten_all(self, now: float) -> None:
        """Make everything due, as when this process comes to lead: what the last one had in hand is lost.

        What fails comes first; where there is much it is spread.
        """
        for plan in _failing_first(self._plans.values()):
            plan.hasten(now if plan.is_urgent else self._slot(plan.weight, now))
            self._queue(plan)

    def spread_overdue(self, now: float) -> None:
        """Of what fell due while nothing could be sent, news is due now and all else little by little."""
        overdue = [plan for plan in self._plans.values() if plan.next_due() <= now and not plan.is_urgent]
        for plan in _failing_first(overdue):
            plan.delay(self._slot(plan.weight, now))
            self._queue(plan, put_off=True)

    def next_due(self) -> float:
        """When something is due, or sooner; infinity where nothing is."""
        return self._heap[0][0] if self._heap else NEVER

    @property
    def size(self) -> Mapping[str, int]:
        """How much is known, for the log."""
        return {"networks": len(self._networks), "segments": len(self._plans), "hosts": len(self._hosts)}

    def _is_new(self, told: HostAnnouncement) -> bool:
        """Whether it has come, or restarted."""
        known = self._hosts.get(told.host)
        return known is None or known.incarnation != told.incarnation

    def _take_addresses(self, addresses: frozenset[IPv4Address], now: float) -> None:
        """A host's own address is no gateway: networks that name one are read again."""
        changed = {str(address) for address in addresses ^ self._policy.host_addresses}
        if not changed:
            return
        self._policy = replace(self._policy, host_addresses=addresses)
        for network in list(self._versions.values()):
            if network.route.gateway in changed:
                self.upsert(network, now)

    def _drop(self, ref: NetworkRef, now: float) -> None:
        known = self._networks.pop(ref, None)
        if known is not None:
            self._leave(ref, known.observed.intent.segment, now)

    def _coalesce(self, known: _Known, now: float) -> float:
        """The leading edge at once; what follows it, together."""
        if known.triggered_at <= now:
            known.triggered_at = max(now, known.triggered_at + COALESCE_S)
        return known.triggered_at

    def _limit(self, known: _Known, now: float) -> float:
        if known.asked_by_hand_at <= now:
            known.asked_by_hand_at = max(now, known.asked_by_hand_at + PROBE_NOW_GAP_S)
        return known.asked_by_hand_at

    def _plan(self, segment: Segment) -> SegmentPlan:
        plan = self._plans.get(segment)
        if plan is None:
            plan = self._plans[segment] = SegmentPlan(segment, pace=self._pace, random=self._random)
            self._by_cluster_network.setdefault(segment.cluster_network, {})[segment] = None
            for host, announcement in self._hosts.items():
                if segment.cluster_network in announcement.uplinks:
                    # Whoever made the segment known says when it is due.
                    plan.add_host(host, -NEVER, at=NEVER)
        return plan

    def _leave(self, ref: NetworkRef, segment: Segment, now: float) -> None:
        """An empty plan outlives its last network a little: it knows who is asking DHCP just now."""
        plan = self._plans[segment]
        plan.drop(ref, now)
        self._queue(plan)

    def _forget(self, segment: Segment) -> None:
        self._plans.pop(segment).queued_at = NEVER
        segments = self._by_cluster_network[segment.cluster_network]
        segments.pop(segment, None)
        if not segments:
            del self._by_cluster_network[segment.cluster_network]

    def _segments_of(self, cluster_networks: Iterable[str]) -> list[Segment]:
        return [s for name in cluster_networks for s in self._by_cluster_network.get(name, ())]

    def _slot(self, probes: int, now: float) -> float:
        if self._spread.is_over(now):
            self._spread = Spread(now)
        return self._spread.slot(probes)

    def _queue(self, plan: SegmentPlan, *, put_off: bool = False) -> None:
        """Put the plan's next due time on the heap; an entry that it makes wrong is passed over when met."""
        at = plan.next_due()
        if at >= plan.queued_at and not put_off:
            return
        plan.queued_at = at
        heapq.heappush(self._heap, (at, next(self._tie), plan))
        if len(self._heap) > 64 + 4 * len(self._plans):
            queued = [plan for plan in self._plans.values() if plan.queued_at < NEVER]
            self._heap = [(plan.queued_at, next(self._tie), plan) for plan in queued]
            heapq.heapify(self._heap)


def _failing_first(plans: Iterable[SegmentPlan]) -> list[SegmentPlan]:
    return sorted(plans, key=lambda plan: not plan.is_failing)
