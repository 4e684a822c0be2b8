"""Whose turn it is on one segment: to ask DHCP, and to probe the gateways that are silent to all.

Pure: time is an argument, in seconds of any monotonic clock.
"""

from collections.abc import Callable, Collection

from services.contract.messages import SegmentProbe
from services.watcher.limits.pace import CHECK_BUSY_S, MIN_GAP_S, Pace
from services.watcher.limits.workload import Workload, plan_work
from services.watcher.plan.confirmation import Confirmation
from services.watcher.plan.rotation import NEVER, Rotation


class Turns:
    """The work of one segment that one host at a time does, except that several confirm a missing offer."""

    def __init__(
        self, *, pace: Pace, start: int, later: Callable[[float, float], float], sweep_s: Callable[[], float]
    ) -> None:
        """start: see in_order. later: returns the time that is about so many seconds after another. sweep_s:
        returns the present sweep interval, in seconds."""
        self.work = plan_work(())
        """What the networks on the segment require."""
        self._pace = pace
        self._later = later
        self._sweep_s = sweep_s
        self._ask = Rotation(busy_s=pace.ask_window_s, start=start)
        # With another start, so that the first silent gateway need not wait for the first ask.
        self._exclusive = Rotation(busy_s=CHECK_BUSY_S, start=start + 1)
        self._waits = 0
        """How often the next turn of _exclusive was put off because its host asks DHCP."""
        self._asked: frozenset[str] = frozenset()
        """Hosts that have asked since there was a reason to."""
        self._repeated: frozenset[str] = frozenset()
        """Hosts whose asks the last one repeats."""
        self._is_repeat = self._was_repeat = False
        """Whether the next ask, or the last one, has no other reason than that nothing is told since."""
        self._confirmation = Confirmation(busy_s=pace.ask_window_s, gap_s=MIN_GAP_S)

    def change(self, work: Workload, now: float, *, is_urgent: bool) -> None:
        """Take other work. is_urgent: whether everything is due because of news."""
        before, self.work = self.work, work
        if not work.exclusive_checks:
            self._exclusive.at = NEVER
        elif not before.exclusive_checks:
            self._exclusive.next_by(self._later(now, self._pace.retry_s))
        if before.is_ask_failing and not work.is_ask_failing and not is_urgent:
            # DHCP has answered: the next ask is due an interval after that one.
            self._ask.at = max(self._ask.at, self._ask.began_at + self._later(0.0, self._sweep_s()))

    def hasten(self, at: float) -> None:
        """Make everything due by then."""
        self.ask_by(at)
        if self.work.exclusive_checks:
            self._exclusive.next_by(at)

    def ask_by(self, at: float) -> None:
        """Make an ask due by then, for a new reason, but not within MIN_GAP_S of the last one."""
        self._is_repeat = False
        self._ask.next_by(max(at, self._ask.began_at + MIN_GAP_S))

    def begin_by(self, at: float) -> None:
        """Make the first ask due by then, if there was none yet."""
        if not self._ask.host:
            self.ask_by(at)

    def delay(self, until: float) -> None:
        """Delay what is due before then, but no confirmation."""
        self._ask.at, self._exclusive.at = max(self._ask.at, until), max(self._exclusive.at, until)

    def confirm(self, heard: Collection[str], further: int, hosts: Collection[str], now: float) -> None:
        """Have further hosts ask DHCP at once, beside the rotation, since these hosts got no offer."""
        if self.work.asks:
            asker = self._ask.host if self.is_asking(self._ask.host, now) else ""
            candidates = self._ask.upcoming(hosts)
            self._confirmation.request(further, candidates, now, heard=heard, asker=asker)

    @property
    def confirms_at(self) -> float:
        """When the next hosts confirm a missing offer; NEVER without any."""
        return self._confirmation.at if self.work.asks else NEVER

    def is_asking(self, host: str, now: float) -> bool:
        """Return whether it is this host's turn to ask DHCP now."""
        return self._ask.is_busy(host, now)

    def release(self, host: str, now: float) -> None:
        """End the turns of a host that is gone or restarted: what it heard is lost."""
        self._confirmation.forget(host)
        if self._ask.is_busy(host, now):
            self._ask.end(now)
            self.ask_by(now)
        if self._exclusive.is_busy(host, now) and self.work.exclusive_checks:
            self._exclusive.end(now)
            self._exclusive.next_by(now)

    def put_back(self, host: str, at: float, *, is_ask: bool) -> None:
        """Make work of this host that could not be sent due again at that time."""
        if is_ask and host != self._ask.host:
            self._confirmation.call([host], at)
        elif is_ask:
            self._ask.next_by(at)
            self._is_repeat = self._was_repeat
        elif host == self._exclusive.host and self.work.exclusive_checks:
            self._exclusive.next_by(at)

    def repeats(self, host: str) -> frozenset[str]:
        """Return the hosts whose asks this host's present one repeats, if it has no other reason."""
        return self._repeated if host == self._ask.host else frozenset()

    def answered(self, now: float) -> None:
        """Ask again with the next sweep: DHCP has answered, and the present ask was not sent."""
        self._ask.end(now)
        self._ask.at = max(self._ask.at, self._later(now, self._sweep_s()))
        self._is_repeat = False

    def next_due(self) -> float:
        """Return when work is due; NEVER without any."""
        asks_at = min(self._ask.at, self._confirmation.at) if self.work.asks else NEVER
        return min(asks_at, self._exclusive.at)

    def last_ask_ends(self) -> float:
        """Return when no host may be asking any more, by its turn."""
        return self._ask.began_at + self._pace.ask_window_s

    def take(self, hosts: Collection[str], now: float, *, is_urgent: bool) -> tuple[set[str], str]:
        """Return the hosts that ask DHCP now, and the one that probes silent gateways; empty if none does.

        is_urgent: whether this cannot wait for a host whose turn it is and that is busy.
        """
        if self.next_due() > now:
            # As mostly: only a host's own check is due.
            self._repeated = frozenset()
            return set(), ""
        if self._waits > 1 and self._exclusive.at <= now and self.work.exclusive_checks:
            # Both were postponed to the same moment, again and again: now the ask waits.
            self._ask.at = max(self._ask.at, now + MIN_GAP_S / 2)
        askers = self._take_askers(hosts, now)
        return askers, self._take_exclusive(hosts, now, askers, is_urgent=is_urgent)

    def ask_probe(self, hosts: int) -> SegmentProbe:
        """Return the probe with DHCP of the present turn, of so many hosts."""
        return self.work.asks[self._ask.part(len(self.work.asks), hosts)]

    def exclusive_probe(self, hosts: int) -> SegmentProbe:
        """Return the probe of silent gateways of the present turn, of so many hosts."""
        parts = self.work.exclusive_checks
        return parts[self._exclusive.part(len(parts), hosts)]

    def _take_askers(self, hosts: Collection[str], now: float) -> set[str]:
        """Return the next host in the rotation if it is due, and those that confirm a missing offer."""
        if not self.work.asks:
            return set()
        askers = {host for host in self._confirmation.take(now) if host in hosts}
        self._asked |= askers
        self._repeated = frozenset()
        if self._ask.at <= now:
            host = self._ask.choose(hosts, now)
            self._was_repeat, self._is_repeat = self._is_repeat, True
            if self._was_repeat and self.work.is_ask_failing and self.work.awaits_offer:
                # Of several parts, each asks for other networks.
                self._repeated = self._asked if len(self.work.asks) == 1 else frozenset()
            self._asked = self._repeated | {host, *askers}
            interval_s = self._pace.retry_s if self.work.is_ask_failing else self._sweep_s()
            self._ask.begin(host, now, next_at=self._later(now, interval_s / len(self.work.asks)))
            askers.add(host)
        return askers

    def _take_exclusive(
        self, hosts: Collection[str], now: float, askers: Collection[str], *, is_urgent: bool
    ) -> str:
        if not self.work.exclusive_checks or self._exclusive.at > now:
            return ""
        host = self._exclusive.choose(hosts, now)
        if host not in askers and (self._waits or not self._ask.is_busy(host, now)):
            self._waits = 0
            interval_s = self._pace.retry_s / len(self.work.exclusive_checks)
            self._exclusive.begin(host, now, next_at=self._later(now, interval_s))
            return host
        # Its ask would end later and hide what the check finds. A single host may ask again at once, though:
        # so the check waits for one ask only, and then for a moment in which none can begin.
        at = now + MIN_GAP_S / 2
        if not self._waits:
            at = max(at, self._ask.busy_until)
        self._waits += 1
        busy = {*askers, self._ask.host} if now < self._ask.busy_until else askers
        free = [other for other in self._exclusive.upcoming(hosts) if other not in busy] if is_urgent else []
        self._exclusive.at = max(at, now + CHECK_BUSY_S) if free else at
        # Another host does what is urgent, and the one whose turn it is comes next all the same.
        return free[0] if free else ""
