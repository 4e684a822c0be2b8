"""What this host cannot do or has lost, and how the engine tells it: never as the network's failure."""

from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome
from tests.unit.prober.world import UPLINK, DHCPServer, Gateway, World, target


def test_dropped_frames_make_silence_inconclusive() -> None:
    """Where the kernel dropped frames, nobody is called dead; an answer that came is an answer."""
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


def test_drops_before_a_question_do_not_spoil_it() -> None:
    """What was lost earlier was not this question's answer."""
    world = World()
    world.trunk.losses.dropped(5)
    world.probe(7)
    found = world.only()
    assert found.dhcp is not None
    assert (found.dhcp.outcome, found.dropped_frames) == (DHCPOutcome.NO_OFFER, 0)


def test_flapping_uplink_is_a_reason_of_its_own() -> None:
    """N3: silence while the carrier came and went is the uplink's, never "DHCP failed"."""
    world = World()
    world.put(8, DHCPServer(), Gateway())
    world.probe(7)
    world.probe(8)
    world.at(1.0, lambda: world.trunk.losses.carrier_changed(2))
    found = world.run()
    assert found[7].dhcp.outcome is DHCPOutcome.INCONCLUSIVE  # type: ignore[union-attr]
    assert found[7].fault is Fault.UPLINK_FLAPPING
    assert found[8].fault is None


def test_failed_uplink_ends_what_waits_for_it_and_routed_goes_on() -> None:
    """N1, N2: the wire has a fault and no outcome; a gateway behind the management network is still asked."""
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
    """A fault is of its time: the next probe begins anew."""
    world = World()
    world.probe(7)
    world.engine.uplink_failed(UPLINK, Fault.UPLINK_DOWN, now=world.now)
    world.put(8, DHCPServer(), Gateway())
    world.probe(8)
    found = world.run()
    assert (found[7].fault, found[8].fault) == (Fault.UPLINK_DOWN, None)
    assert found[8].targets[0].vlan.outcome is ReachOutcome.REACHABLE


def test_stop_tells_what_was_found_until_then() -> None:
    """What is unfinished is STOPPED; an offer that came stays told, and nothing is told twice."""
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
