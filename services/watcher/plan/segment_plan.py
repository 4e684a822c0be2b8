"""One segment's due times: when each host checks its gateways, and when one host does the exclusive work.

Pure: time is an argument, in seconds of any monotonic clock.
"""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet

from services.contract.doubts import Doubt, DoubtKind
from services.contract.limits import REPORT_WITHIN_S
from services.contract.messages import Segment, SegmentProbe
from services.watcher.limits.crowds import Crowd
from services.watcher.limits.pace import CHECK_BUSY_S, JITTER, MIN_GAP_S, Pace
from services.watcher.limits.workload import FRAMES_OF_SILENCE, Demand, Workload, plan_work
from services.watcher.plan.host_probe import HostProbe
from services.watcher.plan.patrol import Patrol
from services.watcher.plan.rotation import NEVER, in_order
from services.watcher.plan.turns import Turns


class SegmentPlan:
    """Due times of one segment, on the hosts that carry its cluster network."""

    def __init__(self, segment: Segment, *, pace: Pace, random: Callable[[], float], crowd: Crowd) -> None:
        self.segment = segment
        self._crowd = crowd
        self._pace = pace
        self._random = random
        self._demands: dict[str, Demand] = {}
        self._turns = Turns(pace=pace, start=segment.vlan, later=self._later, sweep_s=lambda: crowd.sweep_s)
        self._due: dict[str, float] = {}
        self._parts_done: dict[tuple[str, str], int] = {}
        self._full_parts: dict[str, int] = {}
        """Hosts that check every known gateway next, silent ones too, and in how many parts."""
        self._patrol = Patrol(crowd, pace=pace, random=random)
        self._doubted_at = -NEVER
        """The latest round of checks for a doubt, past or future."""
        self._asked: set[str] = set()
        """Hosts that are to check since a gateway may be silent; it is expected to be for a while."""
        self._silent_until = -NEVER
        self.queued_at = NEVER
        """The due time under which the schedule has queued this plan."""
        self.waits_as: int | None = None
        """As what it waits for the budget of its cluster network; None if it does not."""
        self.is_news = False
        """Whether something changed, and no host was to probe since."""
        self.counted = 1.0
        """Frames that were counted for a gateway when a host checked last."""
        self.is_urgent = False
        """Whether something happened that needs an immediate probe, not taken yet."""
        self._was_urgent = False
        """is_urgent before the last take()."""

    @property
    def _work(self) -> Workload:
        return self._turns.work

    @property
    def is_empty(self) -> bool:
        """Whether the segment has no network any more."""
        return not self._demands

    @property
    def is_doubted(self) -> bool:
        """Whether hosts are to confirm what another one found."""
        return bool(self._asked) or self._turns.confirms_at < NEVER

    @property
    def is_failing(self) -> bool:
        """Whether a network on it is not Active."""
        return any(demand.is_failing for demand in self._demands.values())

    @property
    def hosts(self) -> int:
        """The number of hosts that carry it: of probes for doing everything once."""
        return len(self._due)

    def put(self, uid: str, demand: Demand, now: float) -> None:
        """Take a network's demand; if it begins to fail, its next probe is due sooner."""
        before = self._demands.get(uid)
        if before == demand:
            return
        self._demands[uid] = demand
        self._plan_work(now)
        soon = self._later(now, self._pace.retry_s)
        if (
            demand.is_check_failing
            and not (before and before.is_check_failing)
            and self._work.is_check_failing
        ):
            self._hasten_checks(self._due, soon)
        if demand.is_auto and demand.is_ask_failing and not (before and before.fails_alike(demand)):
            self._turns.ask_by(soon)

    def drop(self, uid: str, now: float) -> None:
        """Forget a network that left this segment."""
        if self._demands.pop(uid, None) is not None:
            self._plan_work(now)

    def hasten(self, at: float) -> None:
        """Make everything due by then: every host's checks, and DHCP."""
        self._patrol.scatter()
        self._hasten_checks(self._due, at)
        self._turns.hasten(at)

    def hasten_checks(self, at: float, *, now: float, full: bool = False) -> None:
        """Make every host's check due by then, except for the host that is asking DHCP and checks anyway.

        full: include silent gateways, of which one has just become known.
        """
        others = [host for host in self._due if not self._turns.is_asking(host, now)]
        self._hasten_checks(others, at, full=full)

    def doubt(self, doubt: Doubt, now: float) -> None:
        """Have hosts that were not heard check every known gateway, or ask DHCP, at once.

        However many doubts come, they lead to one round in MIN_GAP_S.
        """
        if doubt.kind.asks_dhcp:
            self.confirm(doubt.heard, doubt.ask, now)
            return
        hosts = [host for host in in_order(self._due, start=self.segment.vlan) if host not in doubt.heard]
        if self._doubted_at <= now:
            self._doubted_at = max(now, self._doubted_at + MIN_GAP_S)
        self._hasten_checks(hosts[: doubt.ask], self._doubted_at, full=True)
        if doubt.kind is DoubtKind.SILENT:
            self._asked.update(hosts[: doubt.ask])
            self._silent_until = now + REPORT_WITHIN_S

    def is_expected_silent(self, now: float) -> bool:
        """Return whether a gateway on it is silent, or in doubt."""
        return now < self._silent_until or self._work.is_silent

    def count_frames(self, probe: HostProbe, expected: float, now: float) -> float:
        """Return how many frames it takes. expected: for a gateway that answered the host before."""
        is_silent = self.is_expected_silent(now) or probe.host in self._work.silent_on
        self.counted = FRAMES_OF_SILENCE if is_silent else expected
        return self._work.frames(probe.probe, self.counted) + probe.claim_frames

    def confirm(self, heard: Collection[str], further: int, now: float) -> None:
        """Have further hosts ask DHCP at once, beside the rotation, since these hosts got no offer."""
        self._turns.confirm(heard, further, self._due, now)

    def delay(self, until: float) -> None:
        """Delay what is due before then: much is due, and nothing of this is urgent."""
        for host, due in self._due.items():
            self._due[host] = max(due, until)
        self._patrol.delay(until)
        self._turns.delay(until)

    def add_host(self, host: str, now: float, *, at: float, full: bool = False) -> None:
        """Add a host that carries the segment, or does so again after a restart; its check is due at `at`.

        full: it checks the silent gateways too, as all others have done.
        """
        self._patrol.scatter()
        self._due[host] = NEVER
        self._hasten_checks([host], at, full=full)
        self._turns.release(host, now)
        self._turns.begin_by(at)

    def remove_host(self, host: str, now: float) -> None:
        """Remove a host; if it was busy with exclusive work, the next one takes over."""
        self._due.pop(host, None)
        self._full_parts.pop(host, None)
        self._asked.discard(host)
        for done in [done for done in self._parts_done if done[0] == host]:
            del self._parts_done[done]
        self._turns.release(host, now)

    def put_back(self, probe: HostProbe, at: float) -> None:
        """Make a probe that could not be sent due again at that time."""
        if probe.host not in self._due:
            return
        self.is_urgent |= self._was_urgent
        is_full = probe.probe in self._work.full_checks and probe.probe not in self._work.checks
        self._hasten_checks([probe.host], at, full=is_full)
        if not is_full:
            self._turns.put_back(probe.host, at, is_ask=probe.probe.ask_dhcp)

    def answered(self, now: float) -> None:
        """Ask DHCP with the next sweep, since it has answered."""
        self._turns.answered(now)

    def next_due(self) -> float:
        """Return when something is due: NEVER without hosts; for an empty plan, when it may be forgotten."""
        if not self._demands:
            return self._turns.last_ask_ends()
        if not self._due:
            return NEVER
        return min(self._turns.next_due(), self._patrol.at, *self._due.values())

    def take(self, now: float, *, most: int | None = None) -> list[HostProbe]:
        """Take what is due; each probe is due again an interval later.

        most: hosts that may probe now, besides those whose turn it is; the others stay due.
        """
        if not self._due or not self._demands:
            return []
        self.is_news = False
        self._was_urgent, self.is_urgent = self.is_urgent, False
        askers, exclusive_host = self._turns.take(self._due, now, is_urgent=self._was_urgent)
        due = {host for host, at in self._due.items() if at <= now}
        due.update(askers)
        if exclusive_host:
            due.add(exclusive_host)
        if patrolling_host := self._take_patrol(due, askers, now):
            due.add(patrolling_host)
        if most is not None and len(due) > most:
            due = self._first(due, most, must={*askers, exclusive_host})
            self.is_urgent = self._was_urgent
        self._asked -= due
        taken = []
        for host in sorted(due):
            probe = self._take_probe(host, is_asker=host in askers, is_exclusive=host == exclusive_host)
            again_s = self._check_interval_s()
            self._due[host] = now + CHECK_BUSY_S if host in self._full_parts else self._later(now, again_s)
            if probe is not None:
                repeats, source = self._turns.repeats(host), self._work.sources.get(host)
                taken.append(HostProbe(host, self.segment, probe, repeats, source))
        return taken

    def _first(self, due: Collection[str], most: int, *, must: Collection[str]) -> set[str]:
        """Return the hosts that probe first: by turn, then those asked, then those due for longest."""
        ordered = sorted(due, key=lambda h: (h not in must, h not in self._asked, self._due[h], h))
        return set(ordered[: max(most, sum(host in must for host in due))])

    def _take_patrol(self, due: AbstractSet[str], askers: AbstractSet[str], now: float) -> str:
        """Return the host that checks now because no other one has for a while; empty if none does.

        It is the one that has not checked for the longest time; its own check is due an interval later. So
        the hosts, which all check at once when a network is new, spread over the interval.
        """
        patrolling = self._patrolling
        if not due <= askers:
            self._patrol.checked(now, patrolling)
            return ""
        if not self._patrol.is_due(now, patrolling):
            return ""
        # An ask checks too, but ends later, and would hide what a check finds meanwhile.
        free = [host for host in self._due if host not in askers and not self._turns.is_asking(host, now)]
        if not free:
            ends_at = max(now + MIN_GAP_S, self._turns.last_ask_ends())
            self._patrol.wait_for_ask(ends_at, patrolling)
            return ""
        self._patrol.begin(now, patrolling)
        return min(free, key=lambda host: (self._due[host], host)) if len(free) > 1 else free[0]

    @property
    def _patrolling(self) -> int:
        """The number of hosts that patrol. More gateways than a probe holds are left to the sweep."""
        return len(self._due) if len(self._work.checks) == 1 else 0

    def _take_probe(self, host: str, *, is_asker: bool, is_exclusive: bool) -> SegmentProbe | None:
        """Return what a host does now; None if no gateway is known yet, or each is left to another host."""
        if is_asker:
            if len(self._work.asks) == 1 and not self._work.exclusive_checks:
                # It checks every known gateway too.
                self._full_parts.pop(host, None)
            return self._turns.ask_probe(len(self._due))
        if host in self._full_parts:
            self._full_parts[host] -= 1
            if not self._full_parts[host]:
                del self._full_parts[host]
            return self._next_part(host, "full", self._work.full_checks)
        if is_exclusive:
            return self._turns.exclusive_probe(len(self._due))
        return self._next_part(host, "check", self._work.checks)

    def _next_part(self, host: str, kind: str, parts: Sequence[SegmentProbe]) -> SegmentProbe | None:
        """Return the part of this kind of check that is this host's next; None without any."""
        # Counted per kind, or a host that does both would always skip the same part.
        done = self._parts_done.get((host, kind), 0)
        if len(parts) > 1:
            self._parts_done[host, kind] = done + 1
        return parts[done % len(parts)] if parts else None

    def _plan_work(self, now: float) -> None:
        self._crowd.gateways -= self._work.gateways
        self._turns.change(plan_work(self._demands.values()), now, is_urgent=self.is_urgent)
        self._crowd.gateways += self._work.gateways
        if self._patrol.at == NEVER:
            self._patrol.checked(now, self._patrolling)

    def _check_interval_s(self) -> float:
        """Return the check interval, divided so that each of several parts gets its turn in it."""
        interval_s = self._pace.retry_s if self._work.is_check_failing else self._crowd.sweep_s
        return interval_s / max(1, len(self._work.checks))

    def _later(self, now: float, interval_s: float) -> float:
        # Whole seconds, so that many segments become due together and share a message.
        return math.ceil(now + interval_s * (1 - JITTER + 2 * JITTER * self._random()))

    def _hasten_checks(self, hosts: Iterable[str], at: float, *, full: bool = False) -> None:
        for host in hosts:
            self._due[host] = min(self._due[host], at)
            if full:
                self._full_parts[host] = max(1, len(self._work.full_checks))
