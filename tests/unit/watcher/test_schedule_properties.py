"""Properties of the schedule in any history of networks and hosts, in simulated time."""

import itertools
import json
import random
from collections.abc import Collection
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from services.contract.messages import HostAnnouncement, Segment
from services.watcher.limits.pace import MIN_GAP_S, Pace
from services.watcher.plan.host_probe import HostProbe
from services.watcher.plan.schedule import Schedule
from tests.unit.watcher.builders import ACTIVE, KNOWN, MANUAL, host, network

PACE = Pace(sweep_s=300.0, retry_s=30.0, ask_window_s=15.0)
HOSTS, NAMES = ["n1", "n2", "n3"], ["a", "b", "c"]
ROUTES = [None, '{"mode":"auto"}', '{"mode":"auto","serverIPAddr":"10.0.7.5"}', KNOWN, MANUAL, "junk"]

STEP = st.one_of(
    st.tuples(
        st.just("upsert"),
        st.sampled_from(NAMES),
        st.sampled_from([7, 8]),
        st.sampled_from(ROUTES),
        st.sampled_from([None, ACTIVE]),
    ),
    st.tuples(st.just("delete"), st.sampled_from(NAMES)),
    st.tuples(st.just("hosts"), st.sets(st.sampled_from(HOSTS)), st.integers(1, 2)),
    st.tuples(st.just("lose")),
)
HISTORY = st.lists(st.tuples(st.sampled_from([0.0, 0.03, 0.5, 4.0, 20.0, 200.0]), STEP), max_size=40)


@dataclass
class Turn:
    """A host's turn to ask DHCP on a segment."""

    host: HostAnnouncement
    began_at: float
    last_at: float


@dataclass
class Simulation:
    """Runs a schedule and records its probes."""

    seed: int
    now: float = 0.0
    hosts: dict[str, HostAnnouncement] = field(default_factory=dict)
    sent: list[tuple[float, HostProbe]] = field(default_factory=list)
    asks: dict[Segment, Turn] = field(default_factory=dict)
    losing: bool = False

    def __post_init__(self) -> None:
        self.schedule = Schedule(pace=PACE, random=random.Random(self.seed).random)

    def advance(self, until: float) -> None:
        """Advance the clock, taking each due time in order."""
        for _ in range(100_000):
            at = max(self.now, self.schedule.next_due())
            if at > until:
                break
            self.now = at
            taken = self.schedule.due(at)
            if self.losing and taken:
                self.losing = False
                for probe in taken:
                    self.check(probe)
                self.schedule.put_back(taken, at + 1.0)
                continue
            for probe in taken:
                self.check(probe)
            self.sent += [(at, probe) for probe in taken]
            pairs = [(probe.host, probe.segment) for probe in taken]
            assert len(set(pairs)) == len(pairs)
        else:
            raise AssertionError("it does not come to rest")
        self.now = until

    def check(self, probe: HostProbe) -> None:
        """Check each probe: who may be asked, and who may ask DHCP."""
        announcement = self.hosts[probe.host]
        assert probe.segment.cluster_network in announcement.uplinks
        assert probe.probe.ask_dhcp or any(target.gateway for target in probe.probe.targets)
        if not probe.probe.ask_dhcp:
            return
        turn = self.asks.get(probe.segment)
        if turn is not None and self.now < turn.began_at + PACE.ask_window_s:
            # A turn ends early only with its host.
            assert announcement == turn.host
            assert self.now >= turn.last_at + MIN_GAP_S
            turn.last_at = self.now
        else:
            self.asks[probe.segment] = Turn(announcement, self.now, self.now)

    def announce(self, names: Collection[str], incarnation: int = 1) -> None:
        """Announce these hosts, and no others.

        A host missing for a moment counts as gone, a restarted one as new: its DHCP ask is lost.
        """
        self.hosts = {name: host(name, incarnation=incarnation) for name in sorted(names)}
        self.schedule.set_hosts(self.hosts.values(), self.now)
        present = list(self.hosts.values())
        self.asks = {segment: turn for segment, turn in self.asks.items() if turn.host in present}

    def apply(self, step: tuple[object, ...]) -> None:
        match step:
            case ("upsert", str(name), int(vlan), route, status):
                assert route is None or isinstance(route, str)
                assert status is None or isinstance(status, str)
                self.schedule.upsert(network(name, vlan=vlan, route=route, status=status), self.now)
            case ("delete", str(name)):
                self.schedule.delete(network(name).uid, self.now)
            case ("hosts", set(names), int(incarnation)):
                self.announce(names, incarnation)
            case ("lose",):
                self.losing = True


@given(history=HISTORY, seed=st.integers(0, 2**32))
@settings(max_examples=300)
def test_any_history_keeps_the_rules_and_ends_in_full_sweeps(
    history: list[tuple[float, tuple[object, ...]]], seed: int
) -> None:
    """Only announced hosts that carry the network get probes, none is empty, each segment is in a batch once,
    and one host at a time asks DHCP, once a second at most. Afterwards every host probes every segment within
    a sweep, with DHCP at least once."""
    run = Simulation(seed)
    for delay, step in history:
        run.advance(run.now + delay)
        run.apply(step)
    run.losing = False
    run.announce(HOSTS, 3)
    run.schedule.upsert(network("a", vlan=7, route=KNOWN, status=ACTIVE), run.now)
    run.schedule.upsert(network("b", vlan=8, route=MANUAL, status=ACTIVE), run.now)
    run.schedule.delete(network("c").uid, run.now)
    for _ in range(3):
        run.sent.clear()
        run.advance(run.now + PACE.sweep_s * 1.1 + 1)
        asked = {(probe.host, probe.probe.vlan) for _, probe in run.sent}
        assert asked == {(name, vlan) for name in HOSTS for vlan in (7, 8)}
        dhcp = [probe for _, probe in run.sent if probe.probe.ask_dhcp]
        assert {probe.probe.vlan for probe in dhcp} == {7}


@given(seed=st.integers(0, 2**32), count=st.integers(1, 4))
def test_dhcp_is_asked_once_a_sweep_for_an_active_segment(seed: int, count: int) -> None:
    """The hosts rotate, however many there are."""
    run = Simulation(seed)
    names = [f"n{number}" for number in range(count)]
    run.announce(names)
    run.schedule.upsert(network(route=KNOWN, status=ACTIVE), 0.0)
    sweeps = 4 * count
    run.advance(PACE.sweep_s * sweeps)
    asks = [probe.host for _, probe in run.sent if probe.probe.ask_dhcp]
    assert sweeps * 0.9 <= len(asks) <= sweeps * 1.12 + 1
    assert set(asks) == set(names)


@given(edits=st.lists(st.integers(1, 200), min_size=1, max_size=100), seed=st.integers(0, 2**32))
def test_a_storm_of_edits_is_sent_ten_times_a_second_at_most(edits: list[int], seed: int) -> None:
    """The first edit is sent at once, the last one is never lost, and two sends are at least 100 ms apart."""
    run = Simulation(seed)
    run.announce(["n1"])
    run.schedule.upsert(network(route=MANUAL, status=ACTIVE), 0.0)
    run.advance(10.0)
    run.sent.clear()
    for gap_ms in edits:
        run.advance(run.now + gap_ms / 10_000)
        gateway = f"11.{gap_ms}.7.{len(run.sent) % 200 + 2}"
        route = json.dumps({"mode": "manual", "cidr": "11.0.0.0/8", "gateway": gateway})
        run.schedule.upsert(network(route=route, status=ACTIVE), run.now)
    run.advance(run.now + 0.2)
    times = [at for at, _ in run.sent]
    assert all(b - a >= 0.099 for a, b in itertools.pairwise(times))
    assert times
    (target,) = run.sent[-1][1].probe.targets
    assert str(target.gateway) == gateway
