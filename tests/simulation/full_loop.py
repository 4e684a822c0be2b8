"""The whole loop in simulated time, to be shaken: the watcher's decider and schedule, probers that crash, and
the updater. Redis and the API server are in memory, and may be away."""

import heapq
import itertools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import redis
from prometheus_client import CollectorRegistry

from services.contract.doubts import Doubt
from services.contract.messages import Verdict
from services.contract.names import PAUSED_KEY
from services.contract.outcomes import ReachOutcome
from services.contract.reports import Report
from services.network.parse.nad import Network, NetworkRef
from services.network.parse.status import Status
from services.updater.settings import UpdaterSettings
from services.watcher.deciding import Decider
from services.watcher.dispatch import Dispatcher
from services.watcher.hosts import PollResult
from services.watcher.limits.pace import Pace
from services.watcher.mailbox import Mailbox
from services.watcher.metrics import WatcherMetrics
from services.watcher.plan.schedule import Schedule
from tests.reference.memory_redis import MemoryMemories, MemoryRedis, MemoryVerdicts
from tests.reference.site import Cluster
from tests.simulation.crashing_probers import CrashingProbers
from tests.simulation.ground_truth import SWEEP_S, WORSE_S, Truth, Written
from tests.simulation.loop import network_of
from tests.simulation.site import Vlan
from tests.support.manual_clock import ManualClock
from tests.support.simulated_updater import start_updater

PACE = Pace(sweep_s=300.0, retry_s=30.0, ask_window_s=15.0)
START_S = 1_000_000.0
EVENT_S = 0.05
"""Time from a write until the watcher sees it, and from reports until they are reviewed."""
TICK_S = 5.0
LEASE_S = 15.0
BOUND_S = 25.0
MINUTE_S = 60.0


class FullLoop:
    """The loop and its clock; see the module's docstring."""

    def __init__(self, *, hosts: Sequence[str], vlans: Sequence[Vlan], seed: int) -> None:
        self.clock = ManualClock(START_S, on_wait="return")
        self.redis = MemoryRedis(self.clock)
        self.verdicts = MemoryVerdicts(self.redis)
        self.truth = Truth()
        self.written: list[Written] = []
        self.reported: dict[int, list[tuple[float, str, bool]]] = {vlan.vlan: [] for vlan in vlans}
        """Each report: when, by whom, and whether the gateway was silent on the VLAN."""
        self.vlans = {vlan.vlan: vlan for vlan in vlans}
        self._memories = MemoryMemories(self.redis)
        self._chance = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._tie = itertools.count()
        self._looks = False
        self._led_at = START_S
        self._losses = 0
        self._observed: list[tuple[float, float]] = []
        """Times, and the observed times at them."""
        networks = [network_of(vlan) for vlan in vlans]
        self._vlan_of: Mapping[NetworkRef, int] = {
            network.ref: vlan for network, vlan in zip(networks, self.vlans, strict=True)
        }
        self.cluster = _Recording(networks, self._record)
        self.hosts = CrashingProbers(
            hosts, self.vlans, self.truth, self.redis, after=self.after, report=self._report
        )
        self.start_watcher()
        self.start_updater()
        self._second()

    def start_watcher(self) -> None:
        """Start a watcher, which knows nothing yet."""
        self._mailbox = Mailbox(self.clock)
        self._decider = Decider(
            Schedule(pace=PACE, random=self._chance.random),
            self._mailbox,
            cast("Dispatcher", self.hosts),
            is_leader=lambda: self.clock.seconds - self._led_at < LEASE_S,
            clock=self.clock,
            random=self._chance.random,
            metrics=WatcherMetrics(CollectorRegistry()),
        )
        for network in self.cluster.objects.values():
            self._mailbox.upserted(network)

    def start_updater(self) -> None:
        """Start an updater, which knows what Redis and the API server know."""
        self.updater = start_updater(
            self.cluster,
            self.redis,
            self.verdicts,
            self._memories,
            self,
            self.clock,
            UpdaterSettings(sweep_interval_s=PACE.sweep_s),
            listed=self.cluster.objects.values(),
            random=self._chance.random,
        )

    def set_path(self, path: str, vlan: int, hosts: Sequence[str], value: bool) -> None:
        """Make a gateway, or the DHCP server, answer these hosts from now on, or none of them."""
        for host in hosts if path != "dhcp" else [""]:
            self.truth.set((path, vlan, host), value, self.clock.seconds)
            if path == "vlan":
                # A host that cannot reach the gateway reaches no DHCP server either.
                self.truth.set(("dhcp", vlan, host), value, self.clock.seconds)

    def status(self, vlan: int) -> Status:
        """Return what stands of the network on this VLAN."""
        (network,) = (n for n in self.cluster.objects.values() if self._vlan_of[n.ref] == vlan)
        assert network.status is not None
        return network.status

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Do this at that time of the clock."""
        heapq.heappush(self._events, (when, next(self._tie), action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do this so many seconds from now."""
        self.at(self.clock.seconds + seconds, action)

    def run(self, seconds: float) -> None:
        """Let this much time pass."""
        end = self.clock.seconds + seconds
        while self._events[0][0] <= end:
            when, _, action = heapq.heappop(self._events)
            self.clock.seconds = max(self.clock.seconds, when)
            action()
        self.clock.seconds = end

    def _second(self) -> None:
        """Do what is done once a second."""
        now = self.clock.seconds
        if not self.cluster.is_away:
            self._led_at = now
        if not self.redis.is_away:
            paused, lost = bool(self.redis.exists(PAUSED_KEY)), self.redis.losses != self._losses
            self._losses = self.redis.losses
            self._mailbox.polled(PollResult(tuple(self.hosts.announced()), paused, lost))
            self.updater.tick()
            self._observed.append((now, self.verdicts.observed_ms() / 1000))
        self._decider.step()
        if now % TICK_S == 0:
            self._look()
        self.after(1.0, self._second)

    def publish(self, doubts: Iterable[Doubt]) -> None:
        """Take the updater's doubts, which the watcher reads a moment later."""
        given = list(doubts)
        self.after(EVENT_S, lambda: self._doubt(given))

    def _doubt(self, doubts: Sequence[Doubt]) -> None:
        self._mailbox.doubted(doubts)
        self._decider.step()

    def _report(self, verdict: Verdict) -> None:
        self.updater.take_report(Report(host=verdict.host, verdicts=(verdict,)))
        silent = ReachOutcome.SILENT in [target.vlan.outcome for target in verdict.targets]
        self.reported[verdict.segment.vlan].append((self.clock.seconds, verdict.host, silent))
        if not self._looks:
            self._looks = True
            self.after(EVENT_S, self._look)

    def _look(self) -> None:
        self._looks = False
        try:
            self.updater.review_due()
        except redis.RedisError:
            return
        while self.updater.write_due():
            pass

    def _record(self, before: Network, after: Network) -> None:
        """Take a write of the updater's, which the watcher sees a moment later."""
        self.after(EVENT_S, lambda: self._see(after))
        if after.status is not None and after.status != before.status:
            self.written.append(
                Written(
                    self.clock.seconds,
                    self._vlan_of[after.ref],
                    before.status,
                    after.status,
                    believed=self.hosts.up_within(MINUTE_S),
                    asked=self.hosts.up_within(BOUND_S),
                    steady=self.hosts.up_for(self.clock.seconds - self._observed_before(MINUTE_S)),
                    news_since=self.clock.seconds - WORSE_S,
                    swept_since=self._observed_before(SWEEP_S),
                )
            )

    def _observed_before(self, seconds: float) -> float:
        """Return the time that lies so much observed time before now."""
        observed = self._observed[-1][1] - seconds
        return next((at for at, known in reversed(self._observed) if known <= observed), START_S)

    def _see(self, network: Network) -> None:
        if self.cluster.is_away:
            self.after(1.0, lambda: self._see(network))
            return
        self._mailbox.upserted(network)
        self._decider.step()


class _Recording(Cluster):
    """An API server that passes on each write."""

    def __init__(self, networks: Sequence[Network], record: Callable[[Network, Network], None]) -> None:
        super().__init__(*networks)
        self._record = record

    def annotate(self, network: Network, annotations: Mapping[str, str | None]) -> Network:
        before = self.objects[network.ref]
        after = super().annotate(network, annotations)
        self._record(before, after)
        return after
