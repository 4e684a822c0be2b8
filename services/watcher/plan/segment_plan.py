"""One segment's due times: when each host checks its gateways, and when one host does the exclusive work.

Pure: time is an argument, in seconds of any monotonic clock.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from services.contract.messages import Segment, SegmentProbe
from services.network.judge.reduction import CONFIRMATIONS
from services.watcher.plan.rotation import NEVER, Rotation
from services.watcher.plan.workload import Demand, plan_work

MIN_ASK_GAP_S = 1.0
"""Minimum between two DHCP asks on one segment."""
CHECK_BUSY_S = 5.0
"""Longest time of a check: three probes a second apart, a second of waiting, and the host's queue."""
JITTER = 0.1


@dataclass(frozen=True)
class Pace:
    """Seconds between two probes of a segment from one host."""

    sweep_s: float = 300.0
    retry_s: float = 30.0
    """The same while a network on the segment is failing."""
    ask_window_s: float = 15.0
    """How long a host may wait for an offer: longer than a prober's DHCP deadline."""


@dataclass(frozen=True)
class HostProbe:
    """A probe of one segment by one host."""

    host: str
    segment: Segment
    probe: SegmentProbe


class SegmentPlan:
    """Due times of one segment, on the hosts that carry its cluster network."""

    def __init__(self, segment: Segment, *, pace: Pace, random: Callable[[], float]) -> None:
        self.segment = segment
        self._pace = pace
        self._random = random
        self._demands: dict[str, Demand] = {}
        self._work = plan_work(())
        self._due: dict[str, float] = {}
        self._parts_done: dict[tuple[str, str], int] = {}
        self._needs_full: set[str] = set()
        """Hosts whose next check covers every known gateway, silent ones too: one has just become known."""
        self._ask = Rotation(busy_s=pace.ask_window_s, start=segment.vlan)
        self._exclusive = Rotation(busy_s=CHECK_BUSY_S, start=segment.vlan)
        self._confirming: set[str] = set()
        """Hosts without an offer whose result the next ask confirms; empty if there is nothing to confirm."""
        self._is_news = False
        """Whether it is still unknown if DHCP answers the present demands."""
        self._awaits_window = False
        """Whether the next ask is due only if no gateway is reported meanwhile."""
        self.queued_at = NEVER
        """The due time under which the schedule has queued this plan."""
        self.is_urgent = False
        """Whether something happened that needs an immediate probe, not taken yet."""
        self._was_urgent = False
        """is_urgent before the last take()."""

    @property
    def is_empty(self) -> bool:
        """Whether the segment has no network any more."""
        return not self._demands

    @property
    def is_failing(self) -> bool:
        """Whether a network on it is not Active."""
        return any(demand.is_failing for demand in self._demands.values())

    @property
    def weight(self) -> int:
        """Number of probes for doing everything once."""
        return max(1, len(self._due))

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
            self._hasten_checks(soon)
        if demand.is_auto and demand.is_ask_failing and not (before and before.is_ask_failing):
            self._ask_by(soon)

    def drop(self, uid: str, now: float) -> None:
        """Forget a network that left this segment."""
        if self._demands.pop(uid, None) is not None:
            self._plan_work(now)

    def hasten(self, at: float) -> None:
        """Make everything due by then: every host's checks, and DHCP."""
        self._hasten_checks(at)
        self._confirming.clear()
        self._is_news, self._awaits_window = True, False
        self._ask_by(at)
        if self._work.exclusive_checks:
            self._exclusive.next_by(at)

    def hasten_checks(self, at: float, *, now: float, full: bool = False) -> None:
        """Make every host's check due by then, except for the host that is asking DHCP and checks anyway.

        full: include silent gateways, of which one has just become known.
        """
        others = [host for host in self._due if not self._ask.is_busy(host, now)]
        self._hasten_checks(at, others)
        if full:
            self._needs_full.update(others)

    def confirm(self, unoffered: Collection[str], now: float) -> None:
        """Make another host ask, since these got no offer.

        Only if the last asker is one of them: otherwise it is still busy, or this is old news.
        """
        if self._ask.host not in unoffered or not 1 <= len(unoffered) <= CONFIRMATIONS:
            return
        if any(host not in unoffered for host in self._due):
            self._confirming.update(unoffered)
            self._awaits_window = False
            self._ask.end(now)
            self._ask_by(now)

    def delay(self, until: float) -> None:
        """Delay what is due before then: much is due, and nothing of this is urgent."""
        for host, due in self._due.items():
            self._due[host] = max(due, until)
        self._ask.at, self._exclusive.at = max(self._ask.at, until), max(self._exclusive.at, until)

    def add_host(self, host: str, now: float, *, at: float, full: bool = False) -> None:
        """Add a host that carries the segment, or does so again after a restart; its check is due at `at`.

        full: it checks the silent gateways too, as all others have done.
        """
        self._due[host] = at
        if full:
            self._needs_full.add(host)
        self._release_turns(host, now)
        if not self._ask.host:
            self._ask_by(at)

    def remove_host(self, host: str, now: float) -> None:
        """Remove a host; if it was busy with exclusive work, the next one takes over."""
        self._due.pop(host, None)
        self._needs_full.discard(host)
        for done in [done for done in self._parts_done if done[0] == host]:
            del self._parts_done[done]
        self._release_turns(host, now)

    def put_back(self, probe: HostProbe, at: float) -> None:
        """Make a probe that could not be sent due again at that time."""
        if probe.host not in self._due:
            return
        self.is_urgent |= self._was_urgent
        self._due[probe.host] = min(self._due[probe.host], at)
        if probe.probe.ask_dhcp:
            self._ask.next_by(at)
        elif probe.host == self._exclusive.host and self._work.exclusive_checks:
            self._exclusive.next_by(at)

    def next_due(self) -> float:
        """Return when something is due: NEVER without hosts; for an empty plan, when it may be forgotten."""
        if not self._demands:
            return self._ask.began_at + self._pace.ask_window_s
        if not self._due:
            return NEVER
        soonest = min(self._exclusive.at, *self._due.values())
        return min(soonest, self._ask.at) if self._work.asks else soonest

    def take(self, now: float) -> list[HostProbe]:
        """Take what is due; each probe is due again an interval later."""
        if not self._due or not self._demands:
            return []
        self._was_urgent, self.is_urgent = self.is_urgent, False
        asker = self._take_ask(now)
        exclusive_host = self._take_exclusive(now, asker)
        due = {host for host, at in self._due.items() if at <= now} | {asker, exclusive_host} - {""}
        taken = []
        for host in sorted(due):
            if host == asker:
                kind, parts = "ask", self._work.asks
            elif host in self._needs_full:
                kind, parts = "full", self._work.full_checks
            elif host == exclusive_host:
                kind, parts = "exclusive", self._work.exclusive_checks
            else:
                kind, parts = "check", self._work.checks
            if kind == "full":
                self._needs_full.discard(host)
            self._due[host] = self._later(now, self._check_interval_s())
            if parts:
                taken.append(HostProbe(host, self.segment, self._next_part(host, kind, parts)))
            # Otherwise no gateway is known yet, or each is left to another host.
        return taken

    def _take_ask(self, now: float) -> str:
        """Return the host that asks DHCP now; empty if none does."""
        if not self._work.asks or self._ask.at > now:
            return ""
        host = self._ask.choose(self._due, now, besides=self._confirming)
        self._confirming.add(host)
        others = min(CONFIRMATIONS, len(self._due) - 1)
        is_confirmed = len(self._confirming & self._due.keys()) > others
        self._awaits_window = self._is_news and self._work.lacks_gateway and not is_confirmed
        if self._awaits_window:
            # The status with the result makes the next host ask sooner, unless it cannot be written.
            next_at = now + self._pace.ask_window_s
        else:
            self._confirming.clear()
            self._is_news = False
            next_at = self._later(now, self._ask_interval_s() / len(self._work.asks))
        self._ask.begin(host, now, next_at=next_at)
        return host

    def _take_exclusive(self, now: float, asker: str) -> str:
        """Return the host that probes silent gateways now, never one that asks DHCP; empty if none does."""
        if not self._work.exclusive_checks or self._exclusive.at > now:
            return ""
        free = [host for host in self._due if host != asker and not self._ask.is_busy(host, now)]
        if not free:
            self._exclusive.at = self._ask.busy_until
            return ""
        host = self._exclusive.choose(free, now)
        parts = len(self._work.exclusive_checks)
        self._exclusive.begin(host, now, next_at=self._later(now, self._pace.retry_s / parts))
        return host

    def _next_part(self, host: str, kind: str, parts: Sequence[SegmentProbe]) -> SegmentProbe:
        # Counted per kind, or a host that asks now and then would always skip the same part.
        done = self._parts_done.get((host, kind), 0)
        if len(parts) > 1:
            self._parts_done[host, kind] = done + 1
        return parts[done % len(parts)]

    def _plan_work(self, now: float) -> None:
        had_exclusive_checks = bool(self._work.exclusive_checks)
        self._work = plan_work(self._demands.values())
        if not self._work.exclusive_checks:
            self._exclusive.at = NEVER
        elif not had_exclusive_checks:
            self._exclusive.next_by(self._later(now, self._pace.retry_s))
        if self._awaits_window and not self._work.lacks_gateway:
            # The offer has come meanwhile: nothing is left to confirm.
            self._is_news = self._awaits_window = False
            self._confirming.clear()
            self._ask.at = self._later(self._ask.began_at, self._ask_interval_s())

    def _check_interval_s(self) -> float:
        """Return the check interval, divided so that each of several parts gets its turn in it."""
        interval_s = self._pace.retry_s if self._work.is_check_failing else self._pace.sweep_s
        return interval_s / max(1, len(self._work.checks))

    def _ask_interval_s(self) -> float:
        return self._pace.retry_s if self._work.is_ask_failing else self._pace.sweep_s

    def _later(self, now: float, interval_s: float) -> float:
        # Whole seconds, so that many segments become due together and share a message.
        return math.ceil(now + interval_s * (1 - JITTER + 2 * JITTER * self._random()))

    def _hasten_checks(self, at: float, hosts: Collection[str] | None = None) -> None:
        for host in list(self._due) if hosts is None else hosts:
            self._due[host] = min(self._due[host], at)

    def _ask_by(self, at: float) -> None:
        self._ask.next_by(max(at, self._ask.began_at + MIN_ASK_GAP_S))

    def _release_turns(self, host: str, now: float) -> None:
        """End the turns of a host that is gone or restarted: what it heard is lost."""
        if self._ask.is_busy(host, now):
            self._ask_by(now)
        if self._exclusive.is_busy(host, now) and self._work.exclusive_checks:
            self._exclusive.next_by(now)
