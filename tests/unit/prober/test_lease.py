"""Taking an address, looking whether it is free, using it, and giving it back: RFC 2131 and RFC 5227."""

import pytest

from services.contract.messages import SegmentProbe
from services.contract.outcomes import Depth, DHCPOutcome, Fault, LeaseOutcome, ReachOutcome
from services.prober.engine.results import SegmentResult
from services.prober.engine.settings import EngineSettings
from tests.unit.prober import frames
from tests.unit.prober.leasing import (
    ACK,
    ADDRESS,
    DECLINE,
    NAK,
    RELEASE,
    REQUEST,
    LeasingServer,
    Pinged,
    Squatter,
    kind_of,
)
from tests.unit.prober.world import UPLINK, Gateway, World, target

GATEWAY = "10.0.7.1"
STRANGER = bytes.fromhex("02bad0000002")


def leasing(settings: EngineSettings | None = None) -> tuple[World, LeasingServer, Pinged]:
    """A world that takes leases, with a VLAN 7 where all is well."""
    world = World(settings, routed=False, depth=Depth.LEASE)
    server, pinged = LeasingServer(), Pinged()
    world.put(7, server, Gateway(), pinged)
    return world, server, pinged


def lease_of(finding: SegmentResult) -> LeaseOutcome:
    assert finding.lease is not None
    return finding.lease.outcome


def test_address_is_leased_used_and_given_back() -> None:
    """DISCOVER, OFFER, REQUEST, ACK, ARP and echo from the address, RELEASE: each in its turn."""
    world, server, pinged = leasing()
    world.probe(7)
    found = world.only()
    assert (lease_of(found), found.fault) == (LeaseOutcome.HELD, None)
    (reached,) = found.targets
    assert (reached.vlan.outcome, reached.echo.outcome) == (ReachOutcome.REACHABLE, ReachOutcome.REACHABLE)
    assert reached.echo.rtt_s == pytest.approx(0.002)
    assert [kind for kind, _ in server.seen] == [1, REQUEST, RELEASE]
    (echo,) = pinged.seen
    assert echo.destination == frames.SERVER_MAC
    assert (echo.body[12:16], echo.body[16:20]) == (frames.packed(ADDRESS), frames.packed(GATEWAY))
    assert frames.internet_checksum(echo.body[:20]) == 0
    assert frames.internet_checksum(echo.body[20:]) == 0
    assert world.sent[-1][1] is server.of(RELEASE)[0]


def test_request_names_the_offer_as_rfc_2131_says() -> None:
    """Table 5: the OFFER's xid, the DISCOVER's secs, options 50 and 54, broadcast, our identity."""
    world, server, _ = leasing()
    server.ignore = 1
    world.probe(7)
    world.run()
    discover, (request, again) = server.of(1)[0], server.of(REQUEST)
    assert discover.dhcp is not None
    for sent in (request, again):
        assert sent.dhcp is not None
        options = frames.options_of(sent.dhcp)
        assert sent.dhcp[4:8] == discover.dhcp[4:8]
        assert sent.dhcp[8:10] == discover.dhcp[8:10]
        assert (options[50], options[54]) == (frames.packed(ADDRESS), frames.packed(GATEWAY))
        assert options[61] == frames.options_of(discover.dhcp)[61]
        assert sent.dhcp[12:16] == bytes(4)
        assert (sent.destination, sent.body[16:20]) == (frames.BROADCAST, b"\xff" * 4)
        pseudo = sent.body[12:20] + b"\0\x11" + sent.body[24:26]
        assert frames.internet_checksum(pseudo + sent.body[20:]) == 0


def test_gateway_is_asked_from_the_leased_address() -> None:
    """A switch that inspects ARP lets only what is leased through; until it is ours, nothing claims it."""
    world, _, _ = leasing()
    world.probe(7)
    world.run()
    asked = [sent for _, sent in world.sent if sent.arp_target is not None]
    assert [sent.arp_target for sent in asked] == [ADDRESS, ADDRESS, GATEWAY]
    assert [sent.body[14:18] for sent in asked] == [bytes(4), bytes(4), frames.packed(ADDRESS)]


def test_nak_is_an_outcome_and_dhcp_still_offered() -> None:
    """What was offered stands; nothing is released that was never ours; the gateway is asked without."""
    world, server, pinged = leasing()
    server.answer = NAK
    world.probe(7)
    found = world.only()
    assert found.dhcp is not None
    assert (found.dhcp.outcome, lease_of(found)) == (DHCPOutcome.OFFERED, LeaseOutcome.REFUSED)
    assert found.targets[0].vlan.outcome is ReachOutcome.REACHABLE
    assert found.targets[0].echo.outcome is ReachOutcome.NOT_TRIED
    assert (server.of(RELEASE), pinged.seen) == ([], [])


def test_server_that_offers_and_is_silent_then_is_told() -> None:
    """Asked twice within the deadline; what it may have leased all the same is given back."""
    world, server, _ = leasing()
    server.answer = None
    world.probe(7)
    found = world.only()
    assert found.lease is not None
    assert (found.lease.outcome, found.lease.attempts) == (LeaseOutcome.NO_ANSWER, 2)
    assert len(server.of(RELEASE)) == 1


def test_lost_frames_make_a_missing_ack_inconclusive() -> None:
    """Where this host dropped frames, the server is not to blame."""
    world, server, _ = leasing()
    server.answer = None
    world.probe(7)
    world.at(1.0, lambda: world.trunk.losses.dropped(1))
    assert lease_of(world.only()) is LeaseOutcome.INCONCLUSIVE


@pytest.mark.parametrize("change", [{"acknowledged": "10.0.7.101"}, {"server": "10.0.7.9"}])
def test_ack_of_something_else_is_none(change: dict[str, str]) -> None:
    """Another address than the requested one, or another server than the chosen one, leases nothing."""
    world, server, _ = leasing()
    world.probe(7)
    world.at(0.2, lambda: vars(server).update(change))
    assert lease_of(world.only()) is LeaseOutcome.NO_ANSWER


def test_address_that_somebody_has_is_declined() -> None:
    """N15, RFC 5227: found by the probe, told to the server, never used."""
    world, server, pinged = leasing()
    squatter = Squatter()
    world.put(7, squatter)
    world.probe(7)
    found = world.only()
    assert found.lease is not None
    assert (found.lease.outcome, found.lease.owner) == (LeaseOutcome.CONFLICT, squatter.mac)
    (decline,) = server.of(DECLINE)
    assert decline.dhcp is not None
    options = frames.options_of(decline.dhcp)
    assert (options[50], options[54]) == (frames.packed(ADDRESS), frames.packed(GATEWAY))
    assert (server.of(RELEASE), pinged.seen) == ([], [])
    assert found.targets[0].vlan.outcome is ReachOutcome.REACHABLE


def test_who_probes_for_the_same_address_has_a_conflict_with_us() -> None:
    """RFC 5227 section 2.1.1: two who probe at once both leave it; our own probe is none."""
    world, server, _ = leasing()
    world.probe(7)
    world.deliver(
        0.4, 7, frames.arp_request(sender="0.0.0.0", target=ADDRESS, mac=world.trunk.identity.mac(7))
    )
    world.deliver(0.45, 7, frames.arp_request(sender="0.0.0.0", target=ADDRESS, mac=STRANGER))
    found = world.only()
    assert found.lease is not None
    assert (found.lease.outcome, found.lease.owner) == (LeaseOutcome.CONFLICT, STRANGER)
    assert len(server.of(DECLINE)) == 1


def test_probe_for_an_address_in_use_is_answered() -> None:
    """RFC 5227 section 2.1.1: the other station learns that it cannot have the address; we keep it."""
    world, server, pinged = leasing()
    pinged.silent = True
    world.probe(7)
    world.deliver(1.0, 7, frames.arp_request(sender="0.0.0.0", target=ADDRESS, mac=STRANGER))
    world.run()
    (answer,) = [sent for _, sent in world.sent if sent.body[6:8] == b"\0\2"]
    assert (answer.destination, answer.body[14:18]) == (STRANGER, frames.packed(ADDRESS))
    assert (len(server.of(RELEASE)), server.of(DECLINE)) == (1, [])


def test_arp_for_the_address_is_answered_while_it_is_held() -> None:
    """And neither before nor after, nor for another address, nor on another VLAN."""
    world, _, pinged = leasing()
    pinged.silent = True
    world.probe(7)
    question = frames.arp_request(sender=GATEWAY, target=ADDRESS)
    for at in (0.1, 0.35, 1.0, 1.5):
        world.deliver(at, 7, question)
    world.deliver(1.2, 8, question)
    world.deliver(1.2, 7, frames.arp_request(sender=GATEWAY, target="10.0.7.101"))
    world.run()
    world.deliver(0.1, 7, question)
    world.run()
    answers = [(at - 1000.0, sent) for at, sent in world.sent if sent.body[6:8] == b"\0\2"]
    assert [round(at, 3) for at, _ in answers] == [1.0, 1.5]
    for _, sent in answers:
        assert (sent.destination, sent.source) == (frames.SERVER_MAC, world.trunk.identity.mac(7))
        assert sent.body[8:18] == world.trunk.identity.mac(7) + frames.packed(ADDRESS)
        assert sent.body[18:28] == frames.SERVER_MAC + frames.packed(GATEWAY)


def test_address_that_is_taken_while_it_is_held_is_let_go() -> None:
    """We do not defend what we borrowed: ARP for it is answered no more, and the server hears of it."""
    world, server, pinged = leasing()
    pinged.silent = True
    world.probe(7)
    world.deliver(1.0, 7, frames.arp_request(sender=ADDRESS, target=GATEWAY, mac=STRANGER))
    world.deliver(1.5, 7, frames.arp_request(sender=GATEWAY, target=ADDRESS))
    world.run()
    assert (len(server.of(DECLINE)), server.of(RELEASE)) == (1, [])
    assert not [sent for _, sent in world.sent if sent.body[6:8] == b"\0\2"]


def test_silent_echo_is_told_apart_from_arp() -> None:
    """A gateway that answers ARP and drops ICMP: three echoes, and both are said."""
    world, _, pinged = leasing()
    pinged.silent = True
    world.probe(7)
    (reached,) = world.only().targets
    assert (reached.vlan.outcome, reached.echo.outcome) == (ReachOutcome.REACHABLE, ReachOutcome.SILENT)
    assert len(pinged.seen) == 3


@pytest.mark.parametrize("at_s", [0.32, 0.5, 1.5], ids=["requesting", "checking", "held"])
def test_stop_gives_the_address_back(at_s: float) -> None:
    """Whenever the process is told to stop: what was requested is released by the last frame."""
    world, server, pinged = leasing()
    pinged.silent = True
    if at_s < 0.4:
        server.answer = None
    world.probe(7)
    world.at(at_s, lambda: world.engine.stop(world.now))
    found = world.only()
    assert found.fault is Fault.STOPPED
    assert [kind_of(sent) for _, sent in world.sent][-1] == RELEASE


def test_uplink_that_fails_ends_the_lease() -> None:
    """Nothing can be given back through it; whoever waits is told, and no answer is owed any more."""
    world, server, pinged = leasing()
    pinged.silent = True
    world.probe(7)
    world.at(1.5, lambda: world.engine.uplink_failed(UPLINK, Fault.UPLINK_DOWN, now=world.now))
    found = world.only()
    assert found.fault is Fault.UPLINK_DOWN
    assert (server.of(RELEASE), world.trunk._leases, world.trunk._state.claims) == ([], {}, {})


def test_arp_of_a_lease_keeps_the_pace() -> None:
    """Probes, questions and answers together: never more than ten in a second on an inspected port."""
    world = World(EngineSettings().for_inspected_ports(), routed=False, depth=Depth.LEASE)
    for vlan in range(1, 13):
        world.put(vlan, LeasingServer(), Gateway(), Pinged(silent=True))
        world.probe(vlan)
    for tenth in range(100):
        world.deliver(2.0 + tenth / 10, 1 + tenth % 12, frames.arp_request(sender=GATEWAY, target=ADDRESS))
    world.run()
    times = [at for at, sent in world.sent if sent.kind == 0x0806]
    assert len(times) >= 36
    assert max(sum(start <= at <= start + 1.0 for at in times) for start in times) <= 10


def test_operator_address_is_used_without_a_lease() -> None:
    """Its gateway is asked from it by ARP and ICMP, ARP for it is answered, and nothing is requested."""
    world = World(routed=False, depth=Depth.LEASE)
    server, pinged = LeasingServer(), Pinged()
    world.put(7, server, Gateway(), pinged)
    found: list[SegmentResult] = []
    probe = SegmentProbe.model_validate(
        {"vlan": 7, "ask_dhcp": True, "source": "10.0.7.250", "targets": (target(),)}
    )
    world._begun = 1
    world.engine.start(
        UPLINK, probe, done=lambda f: found.append(world.found.setdefault(7, f)), now=world.now
    )
    world.deliver(0.005, 7, frames.arp_request(sender=GATEWAY, target="10.0.7.250"))
    world.run()
    (reached,) = found[0].targets
    assert (reached.vlan.outcome, reached.echo.outcome) == (ReachOutcome.REACHABLE, ReachOutcome.REACHABLE)
    assert [kind for kind, _ in server.seen] == [1]
    asked = [sent for _, sent in world.sent if sent.kind == 0x0806]
    assert [sent.body[14:18] for sent in asked] == [frames.packed("10.0.7.250")] * 2
    assert [sent.body[6:8] for sent in asked] == [b"\0\2", b"\0\1"]
    assert world.trunk.take_claims(limit=64) == frozenset()


def test_forged_echo_replies_on_the_vlan_change_nothing() -> None:
    """N16: unasked, from another address, to another one, with another identifier, sequence or payload."""
    world, _, pinged = leasing()
    pinged.silent = True
    world.probe(7)

    def forge() -> None:
        sent = pinged.seen[0]
        whole, ours = sent.body[20:], world.trunk.identity.mac(7)
        good = {"source": GATEWAY, "destination": ADDRESS}
        for vlan, mac, message, addresses in (
            (7, ours, whole, {**good, "source": "10.0.7.2"}),
            (7, ours, whole, {**good, "destination": "10.0.7.101"}),
            (7, world.trunk.identity.mac(8), whole, good),
            (8, ours, whole, good),
            (7, ours, whole[:4] + bytes((whole[4] ^ 1,)) + whole[5:], good),
            (7, ours, whole[:6] + b"\xff\xff" + whole[8:], good),
            (7, ours, whole[:6] + b"\0\0" + whole[8:], good),
            (7, ours, whole[:8] + bytes((whole[8] ^ 1,)) + whole[9:], good),
        ):
            packet = frames.echo_reply(message, **addresses)  # type: ignore[arg-type]
            world.deliver(0.0, vlan, frames.ethernet(packet, kind=0x0800, destination=mac))

    world.at(1.0, forge)
    assert world.only().targets[0].echo.outcome is ReachOutcome.SILENT


def test_acks_to_nobody_do_not_lease() -> None:
    """An ACK that answers the DISCOVER itself is released at once; the lease is asked for all the same."""
    world, server, _ = leasing()
    world.probe(7)
    discovers = [s for f, _ in world.trunk.take_frames() if kind_of(s := frames.take_apart(f)) == 1]
    options = frames.offer_options(kind=ACK)
    world.deliver(0.01, 7, frames.answer(discovers[0], options=options))
    found = world.only()
    assert found.dhcp is not None
    assert [offer.unasked_ack for offer in found.dhcp.offers] == [True]
    assert (len(server.of(RELEASE)), lease_of(found)) == (2, LeaseOutcome.HELD)
