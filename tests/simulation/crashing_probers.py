"""Probers of a simulated site that stop, crash and start: requests wait in the queue of one that is down, and
what one was doing when it ended is lost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from services.contract.messages import HostAnnouncement, Verdict
from services.contract.names import (
    HOST_RENEWAL_S,
    HOST_TTL_S,
    PAUSED_KEY,
    SENDING_KEY,
    SENDING_TTL_S,
    host_key,
)
from services.contract.sending import SendingMark
from services.watcher.dispatch import Dispatched, Paused
from services.watcher.plan.host_probe import HostProbe
from services.watcher.requests import NotSent
from tests.reference.memory_redis import MemoryRedis
from tests.simulation.ground_truth import Truth
from tests.simulation.site import Vlan, find

MAX_AGE_S = 60.0
"""Age at which a prober drops a request that waited."""
REPORT_S = 0.1
RETRY_S = 1.0

After = Callable[[float, Callable[[], None]], None]
"""Does something so many seconds later."""


@dataclass
class Prober:
    """One host's prober."""

    name: str
    is_up: bool = True
    incarnation: int = 1
    counter: int = 0
    since: float = 0.0
    """When it started or ended last."""
    waiting: list[tuple[float, HostProbe]] = field(default_factory=list)
    """Requests in its queue while it is down."""

    @property
    def announced(self) -> HostAnnouncement:
        """What it announces of itself."""
        uplinks = {"extra": "extra-bo"}
        return HostAnnouncement(host=self.name, uplinks=uplinks, version="1", incarnation=self.incarnation)


class CrashingProbers:
    """All probers, and the dispatcher that fills their queues."""

    def __init__(
        self,
        hosts: Sequence[str],
        vlans: Mapping[int, Vlan],
        truth: Truth,
        server: MemoryRedis,
        *,
        after: After,
        report: Callable[[Verdict], None],
    ) -> None:
        self.probers = {name: Prober(name) for name in hosts}
        self._vlans = vlans
        self._truth = truth
        self._redis = server
        self._after = after
        self._report = report
        self._renew()

    def crash(self, host: str) -> None:
        """Kill a prober: its announcement stays until it expires."""
        prober = self.probers[host]
        if prober.is_up:
            prober.is_up, prober.since = False, self._redis.clock.seconds

    def stop(self, host: str) -> None:
        """Stop a prober in an orderly way: its announcement ends."""
        self.crash(host)
        if not self._redis.is_away:
            self._redis.delete(host_key(host))

    def start(self, host: str) -> None:
        """Start a prober that is down, or anew; it serves what waits in its queue."""
        prober = self.probers[host]
        prober.is_up, prober.since = True, self._redis.clock.seconds
        prober.incarnation, prober.counter = prober.incarnation + 1, 0
        self._announce(prober)
        waiting, prober.waiting = prober.waiting, []
        for sent_at, probe in waiting:
            if prober.since - sent_at < MAX_AGE_S:
                self._begin(prober, probe)

    def announced(self) -> list[HostAnnouncement]:
        """Return what is announced now."""
        return [p.announced for p in self.probers.values() if self._redis.exists(host_key(p.name))]

    def up_for(self, seconds: float) -> list[str]:
        """Return the hosts that have been up for so long."""
        since = self._redis.clock.seconds - seconds
        return [p.name for p in self.probers.values() if p.is_up and p.since <= since]

    def up_within(self, seconds: float) -> list[str]:
        """Return the hosts that were up at some time within these seconds."""
        since = self._redis.clock.seconds - seconds
        return [p.name for p in self.probers.values() if p.is_up or p.since >= since]

    def dispatch(self, probes: Sequence[HostProbe]) -> Dispatched:
        """Put the probes into the queues of their hosts."""
        if self._redis.is_away:
            raise NotSent("away")
        if self._redis.exists(PAUSED_KEY):
            raise Paused("set")
        for probe in probes:
            prober = self.probers[probe.host]
            if prober.is_up:
                self._begin(prober, probe)
            else:
                prober.waiting.append((self._redis.clock.seconds, probe))
        return Dispatched((), covered=0)

    def mark_sending(self, intervals_s: Mapping[str, float], pace: float) -> None:
        """Mark that what is due is sent."""
        if not self._redis.is_away:
            mark = SendingMark(sweep_interval_s=300.0, slower_s=dict(intervals_s))
            self._redis.set(SENDING_KEY, mark.model_dump_json(), ex=SENDING_TTL_S)

    def forget_all(self) -> None:
        """Do nothing: no request is remembered."""

    def forget_host(self, host: str) -> None:
        """Do nothing: no request is remembered."""

    def _renew(self) -> None:
        for prober in self.probers.values():
            if prober.is_up:
                self._announce(prober)
        self._after(HOST_RENEWAL_S, self._renew)

    def _announce(self, prober: Prober) -> None:
        if not self._redis.is_away:
            text = prober.announced.model_dump_json()
            self._redis.set(host_key(prober.name), text, ex=HOST_TTL_S)

    def _begin(self, prober: Prober, probe: HostProbe) -> None:
        vlan, host = probe.segment.vlan, prober.name
        on_vlan = self._truth.holds(("vlan", vlan, host))
        found = find(
            self._vlans[vlan],
            host,
            probe.probe,
            is_offered=on_vlan and self._truth.holds(("dhcp", vlan, "")),
            on_vlan=on_vlan,
            routed=self._truth.holds(("routed", vlan, host)),
        )
        incarnation = prober.incarnation
        self._after(found.after_s + REPORT_S, lambda: self._finish(prober, incarnation, found.verdict))

    def _finish(self, prober: Prober, incarnation: int, found: Verdict) -> None:
        if not prober.is_up or prober.incarnation != incarnation:
            return
        if self._redis.is_away:
            # The reporter keeps it.
            self._after(RETRY_S, lambda: self._finish(prober, incarnation, found))
            return
        prober.counter += 1
        order = {"incarnation": incarnation, "counter": prober.counter}
        self._report(found.model_copy(update=order))
