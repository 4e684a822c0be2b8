"""A gateway, or a switch, that answers ARP only to senders inside the subnet made networks flap.

Some routers, Linux with arp_ignore=2, and switches that inspect ARP drop what comes from 0.0.0.0. At depth
lease, only the host that held an address had an answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from services.contract.messages import ReachVerdict, Verdict
from services.contract.outcomes import Depth, LeaseOutcome, ReachOutcome
from services.prober import verdicts
from tests.unit.prober import frames
from tests.unit.prober.frames import Sent
from tests.unit.prober.leasing import LeasingServer, Pinged, Squatter
from tests.unit.prober.world import Gateway, World, target

ROUTER = "10.0.7.1"
REACHABLE, SILENT = ReachOutcome.REACHABLE, ReachOutcome.SILENT


@dataclass
class Guarded:
    """A gateway that answers ARP only to senders in its subnet, or to nobody once it is down."""

    address: str = ROUTER
    subnet: str = "10.0.7."
    is_down: bool = False

    def __call__(self, sent: Sent) -> Iterator[tuple[float, bytes]]:
        sender = frames.dotted(int.from_bytes(sent.body[14:18], "big"))
        if sent.arp_target == self.address and sender.startswith(self.subnet) and not self.is_down:
            yield 0.001, frames.arp_reply(sender=self.address, to=sent.source)


def found(world: World, *, ask: bool = False, source: str | None = None, gateway: str = ROUTER) -> Verdict:
    """Probe VLAN 7 once more."""
    world.found.clear()
    world._begun = 0
    world.probe(7, target(gateway), ask_dhcp=ask, source=source)
    return verdicts.verdict(world.only(), host="n", request_id="r", incarnation=0, counter=0)


def on_vlan(verdict: Verdict) -> tuple[ReachOutcome, bool, bool]:
    """Return what ARP found, whether it asked from an address, and whether 0.0.0.0 is as good as any."""
    (checked,) = verdict.targets
    reach: ReachVerdict = checked.vlan
    return reach.outcome, reach.from_address, reach.unproven


def leasing(gateway: object) -> World:
    world = World(routed=False, depth=Depth.LEASE)
    world.put(7, LeasingServer(), Pinged(), gateway)  # type: ignore[arg-type]
    return world


def test_a_verdict_says_how_arp_was_asked() -> None:
    """Silence to 0.0.0.0 proves nothing while the gateway never answered it; a lease is answered."""
    world = leasing(Guarded())
    assert on_vlan(found(world)) == (SILENT, False, True)
    assert on_vlan(found(world, ask=True)) == (REACHABLE, True, True)
    assert on_vlan(found(world)) == (SILENT, False, True)


def test_silence_of_a_gateway_that_has_answered_0_0_0_0_is_silence() -> None:
    """A gateway that goes down is silent, whoever asks."""
    gateway = Gateway(ROUTER)
    world = leasing(gateway)
    assert on_vlan(found(world)) == (REACHABLE, False, False)
    gateway.ignore = 1_000
    assert on_vlan(found(world)) == (SILENT, False, False)
    assert on_vlan(found(world, ask=True)) == (SILENT, True, False)


def test_a_gateway_that_was_guarded_since_is_found_out_by_a_lease() -> None:
    """Inspection was switched on: what was answered before counts no more once a lease is answered."""
    gateway, guarded = Gateway(ROUTER), Guarded(is_down=True)
    world = leasing(gateway)
    world.put(7, guarded)
    assert on_vlan(found(world)) == (REACHABLE, False, False)
    gateway.ignore, guarded.is_down = 1_000, False
    assert on_vlan(found(world)) == (SILENT, False, False)
    assert on_vlan(found(world, ask=True)) == (REACHABLE, True, True)
    assert on_vlan(found(world)) == (SILENT, False, True)
    gateway.ignore = 0
    assert on_vlan(found(world)) == (REACHABLE, False, False)


def test_another_subnets_gateway_is_not_asked_from_the_lease() -> None:
    """It would not answer a sender outside its subnet, and answers 0.0.0.0."""
    other = "10.0.9.1"
    world = leasing(Guarded(ROUTER))
    world.put(7, Guarded(other, "0.0.0.0"))
    world.probe(7, target(ROUTER), target(other, from_dhcp=False, digest="1" * 16))
    of_lease, of_other = world.only().targets
    assert (of_lease.vlan.outcome, of_lease.vlan.from_address) == (REACHABLE, True)
    assert (of_other.vlan.outcome, of_other.vlan.from_address) == (REACHABLE, False)
    assert of_other.echo.outcome is ReachOutcome.NOT_TRIED


def test_an_operators_address_is_compared_with_0_0_0_0_once() -> None:
    """The other hosts, which have none, learn from it what their silence means."""
    world = World(routed=False)
    world.put(7, Guarded(), Pinged())
    assert on_vlan(found(world, source="10.0.7.250")) == (REACHABLE, True, True)
    sent_before = len(world.sent)
    assert on_vlan(found(world, source="10.0.7.250")) == (REACHABLE, True, True)
    asked = [sent for _, sent in world.sent[sent_before:] if sent.arp_target == ROUTER]
    assert [sent.body[14:18] for sent in asked] == [frames.packed("10.0.7.250")]


def test_an_operators_address_that_another_station_has_is_told_and_not_used() -> None:
    """Its MAC address is in the verdict, and the gateway is asked from 0.0.0.0."""
    world = World(routed=False)
    squatter = Squatter("10.0.7.250")
    world.put(7, Gateway(ROUTER), squatter)
    verdict = found(world, source="10.0.7.250")
    assert verdict.source_conflict is not None
    assert verdict.source_conflict.owner == squatter.mac.hex(":")
    assert on_vlan(verdict) == (REACHABLE, False, False)
    assert world.trunk.take_claims(limit=64) == frozenset()
    assert all(sent.body[14:18] != frames.packed("10.0.7.250") for _, sent in world.sent)


@pytest.mark.parametrize("is_leasing", [True, False])
def test_an_offer_says_whether_it_was_acknowledged(is_leasing: bool) -> None:
    """Options of a DHCPACK are what a VM configures."""
    world = leasing(Gateway(ROUTER))
    world.found.clear()
    world.engine._groups["extra"].depth = Depth.LEASE if is_leasing else Depth.OFFER
    verdict = found(world, ask=True)
    assert verdict.dhcp is not None
    assert [offer.acknowledged for offer in verdict.dhcp.servers] == [is_leasing]
    held = None if verdict.dhcp.lease is None else verdict.dhcp.lease.outcome
    assert held is (LeaseOutcome.HELD if is_leasing else None)
