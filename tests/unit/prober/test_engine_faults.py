"""Faults and losses of this host are never reported as a failure of the network."""

from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome
from tests.unit.prober.world import UPLINK, DHCPServer, Gateway, World, target


def test_dropped_frames_make_silence_inconclusive() -> None:
    """Without a reply the outcome is inconclusive; a reply that arrived counts."""
    world = World()
    world.put(8, DHCPServer())
    world.put(9, DHCPServer(), Gateway())
    for vlan in (7, 8, 9):
        world.probe(vlan)
    for at in (0.05, 4.05):
        world.at(at, lambda: world.trunk.losses.dropped(3))
    found = world.run()
    assert found[7].dhcp.outcome is DHCPOutcome.INCONCLUSIVE  # type: ignore[union-attr]
    assert found[8].dhcp.outcome is DHCPOutcome.OFFERED  # type: ignore[union-attr]
    assert found[8].targets[0].vlan.outcome is ReachOutcome.INCONCLUSIVE
    assert found[9].targets[0].vlan.outcome is ReachOutcome.REACHABLE
    assert [found[vlan].dropped_frames for vlan in (7, 8, 9)] == [6, 6, 3]


def test_drops_before_the_start_do_not_count() -> None:
    """Frames lost earlier were no replies to this probe."""
    world = World()
    world.trunk.losses.dropped(5)
    world.probe(7)
    found = world.only()
    assert found.dhcp is not None
    assert (found.dhcp.outcome, found.dropped_frames) == (DHCPOutcome.NO_OFFER, 0)


def test_flapping_uplink_is_a_fault_of_its_own() -> None:
    """N3: silence while the carrier changes is a fault of the uplink, not a failure of DHCP."""
    world = World()
    world.put(8, DHCPServer(), Gateway())
    world.probe(7)
    world.probe(8)
    world.at(1.0, lambda: world.trunk.losses.carrier_changed(2))
    found = world.run()
    assert found[7].dhcp.outcome is DHCPOutcome.INCONCLUSIVE  # type: ignore[union-attr]
    assert found[7].fault is Fault.UPLINK_FLAPPING
    assert found[8].fault is None


def test_failed_uplink_ends_probes_on_the_vlan_and_no_routed_check() -> None:
    """N1, N2: the VLAN path has a fault and no outcome; the routed path is checked to its end."""
    world = World()
    world.routed.add("10.0.8.1")
    world.probe(7)
    world.probe(8, target("10.0.8.1", from_dhcp=False), ask_dhcp=False)
    world.at(0.0005, lambda: world.engine.uplink_failed(UPLINK, Fault.UPLINK_DOWN, now=world.now))
    found = world.run()
    assert {found[7].fault, found[8].fault} == {Fault.UPLINK_DOWN}
    assert found[7].dhcp.outcome is DHCPOutcome.NOT_TRIED  # type: ignore[union-attr]
    assert found[8].targets[0].vlan.outcome is ReachOutcome.NOT_TRIED
    assert found[8].targets[0].routed.outcome is ReachOutcome.REACHABLE
    assert world.now < 1001.0


def test_uplink_works_again_after_a_failure() -> None:
    """The next probe does not inherit the fault."""
    world = World()
    world.probe(7)
    world.engine.uplink_failed(UPLINK, Fault.UPLINK_DOWN, now=world.now)
    world.put(8, DHCPServer(), Gateway())
    world.probe(8)
    found = world.run()
    assert (found[7].fault, found[8].fault) == (Fault.UPLINK_DOWN, None)
    assert found[8].targets[0].vlan.outcome is ReachOutcome.REACHABLE


def test_stop_reports_what_is_known() -> None:
    """Open segments end as STOPPED with the offers that have arrived; nothing is reported twice."""
    world = World()
    world.put(7, DHCPServer())
    world.probe(7)
    world.probe(8)
    world.at(0.1, lambda: world.engine.stop(world.now))
    found = world.run()
    assert {found[7].fault, found[8].fault} == {Fault.STOPPED}
    assert found[7].dhcp.outcome is DHCPOutcome.OFFERED  # type: ignore[union-attr]
    assert found[8].dhcp.outcome is DHCPOutcome.NOT_TRIED  # type: ignore[union-attr]
    assert world.engine.open_segments(UPLINK) == 0
    world.engine.advance(world.now + 100)
