"""A network stays Isolated although its gateway is back: a firewall drops on what it dropped once.

It knows the flow of an echo by source, destination and identifier, and keeps it for as long as it is used. So
whatever identifies a question is another one for each question, on every path.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from services.contract.outcomes import Depth, LeaseOutcome, ReachOutcome
from services.prober.engine.results import ReachResult, SegmentResult
from services.prober.engine.settings import EngineSettings
from tests.unit.prober import frames
from tests.unit.prober.frames import Sent
from tests.unit.prober.leasing import DISCOVER, REQUEST, LeasingServer, kind_of
from tests.unit.prober.world import Gateway, World, target

GATEWAY, OURS = "10.0.7.1", "10.0.7.99"
KEPT_S = 60.0
"""Firewalls keep an idle ICMP flow for 2 s (Cisco ASA) to 60 s (Junos); Linux for 30 s."""
SWEEP_S = 30.0


@dataclass
class Firewall:
    """While it is broken it drops every flow; a flow that it dropped stays dead for as long as it is used."""

    now: Callable[[], float]
    is_broken: bool = True
    used_at: dict[object, float] = field(default_factory=dict)
    """When each dead flow was used last."""
    flows: list[object] = field(default_factory=list)
    """Of all messages, in order."""

    def passes(self, flow: object) -> bool:
        self.flows.append(flow)
        is_dead = self.now() - self.used_at.get(flow, float("-inf")) <= KEPT_S
        if self.is_broken or is_dead:
            self.used_at[flow] = self.now()
        return not (self.is_broken or is_dead)


@dataclass
class OnVlan:
    """A gateway behind the firewall that answers echoes on the VLAN."""

    firewall: Firewall

    def __call__(self, sent: Sent) -> Iterator[tuple[float, bytes]]:
        is_echo = sent.kind == 0x0800 and sent.body[9] == 1
        if is_echo and self.firewall.passes(sent.body[12:20] + sent.body[24:26]):
            ours = frames.dotted(int.from_bytes(sent.body[12:16], "big"))
            packet = frames.echo_reply(sent.body[20:], source=GATEWAY, destination=ours)
            yield 0.002, frames.ethernet(packet, kind=0x0800, destination=sent.source)


@dataclass
class Path:
    """One way to the gateway, with the firewall on it."""

    world: World
    firewall: Firewall
    found: Callable[[SegmentResult], ReachResult]
    source: str | None = None
    is_leasing: bool = False

    def check(self) -> ReachResult:
        """Check the gateway once more."""
        self.world.now += SWEEP_S
        self.world.found.clear()
        self.world._begun = 0
        known = target(GATEWAY, from_dhcp=self.is_leasing)
        self.world.probe(7, known, ask_dhcp=self.is_leasing, source=self.source)
        return self.found(self.world.only())


def through_routing() -> Path:
    world = World()
    firewall = Firewall(lambda: world.now)
    world.put(7, Gateway(GATEWAY))
    world.routed.add(GATEWAY)
    world.passes = lambda gateway, message: firewall.passes((gateway, message[4:6]))
    return Path(world, firewall, lambda result: result.targets[0].routed)


def from_own_address() -> Path:
    world = World(routed=False)
    firewall = Firewall(lambda: world.now)
    world.put(7, Gateway(GATEWAY), OnVlan(firewall))
    return Path(world, firewall, lambda result: result.targets[0].echo, source=OURS)


def from_lease() -> Path:
    world = World(routed=False, depth=Depth.LEASE)
    firewall = Firewall(lambda: world.now)
    world.put(7, LeasingServer(), Gateway(GATEWAY), OnVlan(firewall))
    return Path(world, firewall, lambda result: result.targets[0].echo, is_leasing=True)


PATHS = pytest.mark.parametrize("make", [through_routing, from_own_address, from_lease])


@PATHS
def test_the_next_check_finds_the_gateway(make: Callable[[], Path]) -> None:
    """After an hour behind a broken firewall, the first request after it healed is answered."""
    path = make()
    for _ in range(round(3600 / SWEEP_S)):
        assert path.check().outcome is ReachOutcome.SILENT
    path.firewall.is_broken = False
    healed = path.check()
    assert (healed.outcome, healed.attempts) == (ReachOutcome.REACHABLE, 1)


@PATHS
def test_a_check_that_runs_meanwhile_finds_it_too(make: Callable[[], Path]) -> None:
    """The path heals between two requests of one check: the second one is no part of the dead flow."""
    path = make()

    def heal() -> None:
        """Heal as soon as something was dropped."""
        path.firewall.is_broken = not path.firewall.used_at

    for quarter in range(40):
        path.world.at(SWEEP_S + quarter / 4, heal)
    healed = path.check()
    assert (healed.outcome, healed.attempts) == (ReachOutcome.REACHABLE, 2)


@PATHS
def test_no_request_has_the_flow_of_another(make: Callable[[], Path]) -> None:
    """Nor where a round of requests is repeated, because this host has lost frames meanwhile."""
    path = make()
    for _ in range(20):
        for losses in (path.world.trunk.losses, *([e.losses] if (e := path.world.engine.echoes) else [])):
            path.world.at(SWEEP_S + 1.5, lambda losses=losses: losses.dropped(1))  # type: ignore[misc]
        path.check()
    assert len(path.firewall.flows) > 60
    assert len(set(path.firewall.flows)) == len(path.firewall.flows)


def test_an_identifier_returns_when_no_firewall_remembers_it() -> None:
    """Of 65,536 requests each has another one, and at the highest rates they take longer than KEPT_S."""
    settings = EngineSettings()
    for seed in range(3):
        world = World(seed=seed)
        assert world.engine.echoes is not None
        paths = (
            (world.engine.echoes.identifiers, settings.echo_rate),
            (
                world.trunk._state.echo_identifiers,
                settings.start_rate,
            ),
        )
        for identifiers, rate in paths:
            assert len({identifiers.fresh() for _ in range(1 << 16)}) == 1 << 16
            assert rate is not None
            assert (1 << 16) / rate > KEPT_S


def test_a_prober_that_starts_anew_has_another_order() -> None:
    """Two processes have few requests in a row in common, wherever the second one begins."""
    orders = []
    for seed in range(2):
        identifiers = World(seed=seed).trunk._state.echo_identifiers
        orders.append([identifiers.fresh() for _ in range(1 << 16)])
    pairs = [set(pairwise(order)) for order in orders]
    assert len(pairs[0] & pairs[1]) < 64


@dataclass
class DroppingRelay:
    """Before a DHCP server: it drops a transaction that it has dropped before, whatever its message."""

    server: LeasingServer
    kind: int
    to_drop: int
    dropped: set[bytes] = field(default_factory=set)

    def __call__(self, sent: Sent) -> Iterator[tuple[float, bytes]]:
        if sent.dhcp is None:
            return
        xid = sent.dhcp[4:8]
        if kind_of(sent) == self.kind and self.to_drop > 0:
            self.to_drop -= 1
            self.dropped.add(xid)
        if xid not in self.dropped:
            yield from self.server(sent)


def test_a_dropped_transaction_is_not_used_again() -> None:
    """Each DHCPDISCOVER is a transaction of its own, and so is the request of the next probe."""
    world = World(routed=False)
    world.put(7, DroppingRelay(LeasingServer(), DISCOVER, to_drop=1), Gateway(GATEWAY))
    world.probe(7)
    discovered = world.only().dhcp
    assert discovered is not None
    assert (len(discovered.offers), discovered.attempts) == (1, 2)
    world = World(routed=False, depth=Depth.LEASE)
    world.put(7, DroppingRelay(LeasingServer(), REQUEST, to_drop=99), Gateway(GATEWAY))
    outcomes = []
    for _ in range(2):
        world.found.clear()
        world._begun = 0
        world.probe(7)
        lease = world.only().lease
        assert lease is not None
        outcomes.append(lease.outcome)
        relay = world.nodes[7][0]
        assert isinstance(relay, DroppingRelay)
        relay.to_drop = 0
    assert outcomes == [LeaseOutcome.NO_ANSWER, LeaseOutcome.HELD]
