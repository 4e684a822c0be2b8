"""One segment's due times: when each host checks its gateways, and when one of them does what is done alone.

Pure: time is an argument, in seconds of any monotonic clock.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from services.contract.messages import Segment, SegmentProbe
from services.network.judge.reduction import CONFIRMATIONS
from services.network.parse.nad import NetworkRef
from services.watcher.plan.turns import NEVER, Turn
from services.watcher.plan.workload import Wish, sort_out

MIN_ASK_GAP_S = 1.0
"""Between two asks on one segment, whatever happens to its networks."""
CHECK_BUSY_S = 5.0
"""For so long a host may be at a check: three probes a second apart, a second to wait, and its queue."""
JITTER = 0.1


@dataclass(frozen=True)
class Pace:
    """Seconds between two probes of a segment from one host."""

    sweep_s: float = 300.0
    retry_s: float = 30.0
    """While a network on it is failing."""
    ask_window_s: float = 15.0
    """For so long a host may be waiting for an offer: longer than the DHCP deadline of a prober."""


@dataclass(frozen=True)
class HostProbe:
    """What one host is to do on one segment."""

    host: str
    segment: Segment
    probe: SegmentProbe


class SegmentPlan:
    """Due times of one segment, on the hosts that carry its cluster network."""

    def __init__(self, segment: Segment, *, pace: Pace, random: Callable[[], float]) -> None:
        self.segment = segment
        self._pace = pace
        self._random = random
        self._wishes: dict[NetworkRef, Wish] = {}
        self._work = sort_out(())
        self._due: dict[str, float] = {}
        self._parts_done: dict[tuple[str, str], int] = {}
        self._owes_full: set[str] = set()
        """Hosts that check every known gateway next: one has just become known, silent or not."""
        self._ask = Turn(busy_s=pace.ask_window_s, start=segment.vlan)
        self._lone = Turn(busy_s=CHECK_BUSY_S, start=segment.vlan)
        self._round: set[str] = set()
        """Hosts that asked, where the next ask is to confirm what they heard; otherwise empty."""
        self._is_news = False
        """Whether it is not known yet if DHCP answers what is asked now."""
        self._awaits_window = False
        """Whether the next ask is due only because nobody has told of a gateway meanwhile."""
        self.queued_at = NEVER
        """The schedule's: when it will look at this plan again."""
        self.is_urgent = False
        """Whether something happened that should be answered at once, and has not been."""
        self._was_urgent = False
        """Whether that was so of what was taken last."""

    @property
    def is_empty(self) -> bool:
        """Whether no network is on the segment any more."""
        return not self._wishes

    @property
    def is_failing(self) -> bool:
        """Whether a network on it is not Active."""
        return any(wish.is_failing for wish in self._wishes.values())

    @property
    def weight(self) -> int:
        """How many probes it takes to do all of it once."""
        return max(1, len(self._due))

    def put(self, ref: NetworkRef, wish: Wish, now: float) -> None:
        """A network on this segment asks for this; where it comes to fail, its next probe comes nearer."""
        before = self._wishes.get(ref)
        if before == wish:
            return
        self._wishes[ref] = wish
        self._sort_out(now)
        soon = self._later(now, self._pace.retry_s)
        if wish.is_check_failing and not (before and before.is_check_failing) and self._work.is_check_failing:
            self._hasten_checks(soon)
        if wish.is_auto and wish.is_ask_failing and not (before and before.is_ask_failing):
            self._ask_by(soon)

    def drop(self, ref: NetworkRef, now: float) -> None:
        """A network has left this segment."""
        if self._wishes.pop(ref, None) is not None:
            self._sort_out(now)

    def hasten(self, at: float) -> None:
        """All of it is due by then: every host's checks, and DHCP."""
        self._hasten_checks(at)
        self._round.clear()
        self._is_news, self._awaits_window = True, False
        self._ask_by(at)
        if self._work.lone_checks:
            self._lone.next_by(at)

    def hasten_checks(self, at: float, *, now: float, full: bool = False) -> None:
        """Every host checks by then, but for the one that asks DHCP just now, and so checks anyway.

        full: also the gateways that are silent, of which one has just become known.
        """
        others = [host for host in self._due if not self._ask.is_busy(host, now)]
        self._hasten_checks(at, others)
        if full:
            self._owes_full.update(others)

    def confirm(self, unoffered: Collection[str], now: float) -> None:
        """These hosts are told to have been offered nothing: another one asks now.

        Only if the last that asked is one of them: otherwise it is still at it, or this is old news.
        """
        if self._ask.host not in unoffered or not 1 <= len(unoffered) <= CONFIRMATIONS:
            return
        if any(host not in unoffered for host in self._due):
            self._round.update(unoffered)
            self._awaits_window = False
            self._ask.end(now)
            self._ask_by(now)

    def delay(self, until: float) -> None:
        """What is due before then is due then: there is much, and nothing of this is urgent."""
        for host, due in self._due.items():
            self._due[host] = max(due, until)
        self._ask.at, self._lone.at = max(self._ask.at, until), max(self._lone.at, until)

    def add_host(self, host: str, now: float, *, at: float, full: bool = False) -> None:
        """A host carries the segment, or does so again after a restart: due on it then.

        full: it checks the silent gateways too, as all others have done.
        """
        self._due[host] = at
        if full:
            self._owes_full.add(host)
        self._lose_turns(host, now)
        if not self._ask.host:
            self._ask_by(at)

    def remove_host(self, host: str, now: float) -> None:
        """A host is gone; if it was at what one does alone, the next one takes over."""
        self._due.pop(host, None)
        self._owes_full.discard(host)
        for done in [done for done in self._parts_done if done[0] == host]:
            del self._parts_done[done]
        self._lose_turns(host, now)

    def put_back(self, probe: HostProbe, at: float) -> None:
        """A probe could not be sent: it is due again at that time."""
        if probe.host not in self._due:
            return
        self.is_urgent |= self._was_urgent
        self._due[probe.host] = min(self._due[probe.host], at)
        if probe.probe.ask_dhcp:
            self._ask.next_by(at)
        elif probe.host == self._lone.host and self._work.lone_checks:
            self._lone.next_by(at)

    def next_due(self) -> float:
        """When something is due: NEVER without hosts; of an empty plan, when it may be forgotten."""
        if not self._wishes:
            return self._ask.began_at + self._pace.ask_window_s
        if not self._due:
            return NEVER
        soonest = min(self._lone.at, *self._due.values())
        return min(soonest, self._ask.at) if self._work.asks else soonest

    def take(self, now: float) -> list[HostProbe]:
        """What is due; each is due again an interval later."""
        if not self._due or not self._wishes:
            return []
        self._was_urgent, self.is_urgent = self.is_urgent, False
        asker = self._take_ask(now)
        loner = self._take_lone(now, asker)
        due = {host for host, at in self._due.items() if at <= now} | {asker, loner} - {""}
        taken = []
        for host in sorted(due):
            if host == asker:
                kind, parts = "ask", self._work.asks
            elif host in self._owes_full:
                kind, parts = "full", self._work.full_checks
            elif host == loner:
                kind, parts = "lone", self._work.lone_checks
            else:
                kind, parts = "check", self._work.checks
            if kind == "full":
                self._owes_full.discard(host)
            self._due[host] = self._later(now, self._check_interval_s())
            if parts:
                taken.append(HostProbe(host, self.segment, self._next_part(host, kind, parts)))
            # Otherwise no gateway is known yet, or each is another host's to ask.
        return taken

    def _take_ask(self, now: float) -> str:
        """Who is to ask DHCP now, if anybody is."""
        if not self._work.asks or self._ask.at > now:
            return ""
        host = self._ask.choose(self._due, now, besides=self._round)
        self._round.add(host)
        others = min(CONFIRMATIONS, len(self._due) - 1)
        is_confirmed = len(self._round & self._due.keys()) > others
        self._awaits_window = self._is_news and self._work.lacks_gateway and not is_confirmed
        if self._awaits_window:
            # The status that says what came of it asks the next one sooner; but perhaps none can be written.
            next_at = now + self._pace.ask_window_s
        else:
            self._round.clear()
            self._is_news = False
            next_at = self._later(now, self._ask_interval_s() / len(self._work.asks))
        self._ask.begin(host, now, next_at=next_at)
        return host

    def _take_lone(self, now: float, asker: str) -> str:
        """Who is to ask the silent gateways now, if anybody is: not who is asking DHCP meanwhile."""
        if not self._work.lone_checks or self._lone.at > now:
            return ""
        free = [host for host in self._due if host != asker and not self._ask.is_busy(host, now)]
        if not free:
            self._lone.at = self._ask.busy_until
            return ""
        host = self._lone.choose(free, now)
        turns = len(self._work.lone_checks)
        self._lone.begin(host, now, next_at=self._later(now, self._pace.retry_s / turns))
        return host

    def _next_part(self, host: str, kind: str, parts: Sequence[SegmentProbe]) -> SegmentProbe:
        # Counted apart, or a host that asks now and then would always skip the same part.
        done = self._parts_done.get((host, kind), 0)
        if len(parts) > 1:
            self._parts_done[host, kind] = done + 1
        return parts[done % len(parts)]

    def _sort_out(self, now: float) -> None:
        had_lone_checks = bool(self._work.lone_checks)
        self._work = sort_out(self._wishes.values())
        if not self._work.lone_checks:
            self._lone.at = NEVER
        elif not had_lone_checks:
            self._lone.next_by(self._later(now, self._pace.retry_s))
        if self._awaits_window and not self._work.lacks_gateway:
            # The offer has come meanwhile: nothing is left to be confirmed.
            self._is_news = self._awaits_window = False
            self._round.clear()
            self._ask.at = self._later(self._ask.began_at, self._ask_interval_s())

    def _check_interval_s(self) -> float:
        """Where targets take turns, a turn comes so much sooner that each has its own in an interval."""
        interval_s = self._pace.retry_s if self._work.is_check_failing else self._pace.sweep_s
        return interval_s / max(1, len(self._work.checks))

    def _ask_interval_s(self) -> float:
        return self._pace.retry_s if self._work.is_ask_failing else self._pace.sweep_s

    def _later(self, now: float, interval_s: float) -> float:
        # On whole seconds, so that many segments become due together and travel in one message.
        return math.ceil(now + interval_s * (1 - JITTER + 2 * JITTER * self._random()))

    def _hasten_checks(self, at: float, hosts: Collection[str] | None = None) -> None:
        for host in list(self._due) if hosts is None else hosts:
            self._due[host] = min(self._due[host], at)

    def _ask_by(self, at: float) -> None:
        self._ask.next_by(max(at, self._ask.began_at + MIN_ASK_GAP_S))

    def _lose_turns(self, host: str, now: float) -> None:
        """The host that had a turn takes what it heard with it."""
        if self._ask.is_busy(host, now):
            self._ask_by(now)
        if self._lone.is_busy(host, now) and self._work.lone_checks:
            self._lone.next_by(now)
