"""Edge cases of a probe: deadlines, first replies and send times."""

import gc
from typing import NamedTuple, cast

import pytest

from services.contract.outcomes import Depth, DHCPOutcome, Fault, LeaseOutcome, ReachOutcome
from services.prober.engine.results import ReachResult
from services.prober.engine.settings import EngineSettings
from services.prober.frames import arp, icmp
from services.prober.frames.ignore_reasons import IgnoreReason
from tests.unit.prober import frames
from tests.unit.prober.frames import number
from tests.unit.prober.leasing import LeasingServer, Pinged
from tests.unit.prober.test_echo_frames import echo
from tests.unit.prober.world import DHCPServer, Gateway, World, target

GATEWAY = number("10.0.7.1")


def test_silent_gateway_on_a_flapping_uplink_is_a_fault_of_the_uplink() -> None:
    """Also without DHCP: silence during a carrier change is not evidence about the gateway."""
    world = World(routed=False)
    world.probe(7, target("10.0.7.1", from_dhcp=False), ask_dhcp=False)
    for delay_s in (0.5, 4.0):
        world.at(delay_s, lambda: world.trunk.losses.carrier_changed(1))
    result = world.only()
    assert result.targets[0].vlan.outcome is ReachOutcome.INCONCLUSIVE
    assert result.fault is Fault.UPLINK_FLAPPING


def test_window_does_not_outlast_the_deadline() -> None:
    """An offer just before the deadline counts; the discovery ends at the deadline nevertheless."""
    world = World(EngineSettings(dhcp_deadline_s=2.0, offer_window_s=0.3, arp_rate=None), routed=False)
    world.put(7, DHCPServer(delay_s=1.9), Gateway())
    world.probe(7)
    result = world.only()
    assert result.dhcp is not None
    assert result.dhcp.outcome is DHCPOutcome.OFFERED
    assert world.found_at[7] == pytest.approx(1002.0)


def test_incomplete_checksum_is_accepted_where_the_link_says_so() -> None:
    """Frames of a server on this host never reach the hardware that would complete it."""
    world = World(routed=False)
    world.probe(7)
    ((sent, _),) = world.trunk.take_frames()
    asked = frames.take_apart(sent)
    assert asked.dhcp is not None
    options = frames.offer_options(router=None)
    message = frames.bootp(xid=asked.dhcp[4:8], chaddr=asked.source, options=options)
    packet = frames.udp_datagram(message, source="10.0.7.1", checksum=1)
    frame = frames.ethernet(packet, kind=0x0800, source=frames.SERVER_MAC)
    for verify in (True, False):
        world.trunk.receive(7, frame, verify_checksum=verify, now=world.now)
        assert world.trunk.ignored[IgnoreReason.DHCP_DATAGRAM] == 1
    result = world.only()
    assert result.dhcp is not None
    assert result.dhcp.outcome is DHCPOutcome.OFFERED


def test_reply_before_the_request_does_not_count() -> None:
    """While the rate limit delays the probe, no frame can answer it."""
    world = World(EngineSettings(arp_rate=1.0, reach_attempts=1), routed=False)
    for vlan in (7, 8):
        world.probe(vlan, target("10.0.7.1", from_dhcp=False), ask_dhcp=False)
    mac = world.trunk.station(8).mac
    world.deliver(0.1, 8, frames.arp_reply(sender="10.0.7.1", to=mac))
    assert world.run()[8].targets[0].vlan.outcome is ReachOutcome.SILENT


def test_round_trip_of_an_echo_counts_from_its_send_time() -> None:
    """The link sets the send time; a reply with an earlier timestamp took 0 s."""
    for left_s, rtt_s in ((0.5, 0.25), (0.9, 0.0)):
        trunk = World(EngineSettings(start_rate=None), routed=False).trunk
        reported: list[ReachResult] = []
        ours = number("10.0.7.77")
        trunk.echo_gateway(
            trunk.station(7),
            GATEWAY,
            gateway_mac=frames.SERVER_MAC,
            source=ours,
            callback=lambda _, result, __, to=reported: to.append(result),  # type: ignore[misc]
            now=1000.0,
        )
        ((frame, stamped),) = trunk.take_frames()
        assert stamped is not None
        stamped.sent_at = 1000.0 + left_s
        packet = frames.echo_reply(frame[38:], source="10.0.7.1", destination="10.0.7.77")
        answer = frames.ethernet(packet, kind=0x0800, destination=trunk.station(7).mac)
        trunk.receive(7, answer, verify_checksum=True, now=1000.75)
        assert [result.rtt_s for result in reported] == [pytest.approx(rtt_s)]


def test_tuples_constructed_unchecked_have_all_fields() -> None:
    """new_unchecked does not count the fields."""
    world = World(routed=False, depth=Depth.LEASE)
    world.put(7, LeasingServer(), Gateway(), Pinged())
    world.probe(7)
    result = world.only()
    assert result.lease is not None
    assert result.lease.outcome is LeaseOutcome.HELD
    found: list[object] = [
        result,
        arp.parse(frames.arp_reply(sender="10.0.7.1", to=bytes(6))),
        icmp.parse_reply(echo(), start=14),
    ]
    named = 0
    while found:
        one = found.pop()
        if isinstance(one, tuple):
            found += one
            if hasattr(one, "_fields"):
                named += 1
                assert len(one) == len(cast("NamedTuple", one)._fields), type(one)
    assert named >= 9


@pytest.mark.parametrize("delay_s", [0.05, 0.5])
def test_gateway_that_has_answered_is_not_probed_again(delay_s: float) -> None:
    """Neither by the next probe nor by one that the rate limit has delayed."""
    settings = EngineSettings(arp_rate=1.0, reach_interval_s=0.2)
    world = World(settings, routed=False)
    world.put(7, Gateway(delay_s=delay_s))
    world.probe(7, target("10.0.7.1", from_dhcp=False), ask_dhcp=False)
    world.run()
    world.engine.advance(world.now + 1.0)
    assert (world.trunk.take_frames(), len(world.sent)) == ([], 1)


def test_gateway_that_answers_after_the_end_gets_no_echo() -> None:
    """The source address of the echo is released then. It was claimed for 0.4 s before."""
    world = World(routed=False)
    slow, pinged = Gateway("10.0.7.1", delay_s=0.9), Pinged("10.0.7.9")
    world.put(7, DHCPServer("10.0.7.1"), slow)
    world.put(7, DHCPServer("10.0.7.9", delay_s=0.5), Gateway("10.0.7.9"), pinged)
    world.probe(7, target("10.0.7.9"), source="10.0.7.77")
    # It is silent, so its probe ends after any effect of the slow gateway.
    world.probe(8, target("10.0.8.1", from_dhcp=False), ask_dhcp=False)
    found = world.run()
    assert found[7].targets[0].gateway == number("10.0.7.9")
    assert world.found_at[7] < 1001.3 < world.found_at[8]
    destinations = [sent.body[16:20] for sent in pinged.seen]
    assert (slow.asked, destinations) == (1, [frames.packed("10.0.7.9")])


@pytest.mark.parametrize("depth", Depth)
def test_ended_probes_leave_no_reference_cycles(depth: Depth) -> None:
    """They are freed without the garbage collector, which runs seldom."""
    world = World(depth=depth)
    for vlan in range(1, 31):
        world.put(vlan, LeasingServer(), Gateway(), Pinged())
        world.probe(vlan, source="10.0.7.77" if vlan % 2 else None)
    gc.collect()
    gc.disable()
    try:
        world.run()
        assert gc.collect() < len(world.found)
    finally:
        gc.enable()
    assert len(world.found) == 30
