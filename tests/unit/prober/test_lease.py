"""Leasing an address: request, conflict check, use and release (RFC 2131, RFC 5227)."""

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
    """Return a world at depth lease with a healthy VLAN 7."""
    world = World(settings, routed=False, depth=Depth.LEASE)
    server, pinged = LeasingServer(), Pinged()
    world.put(7, server, Gateway(), pinged)
    return world, server, pinged


def lease_of(result: SegmentResult) -> LeaseOutcome:
    assert result.lease is not None
    return result.lease.outcome


def test_address_is_leased_used_and_released() -> None:
    """DISCOVER, OFFER, REQUEST, ACK, ARP and echo from the address, RELEASE, in this order."""
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


def test_request_follows_rfc_2131() -> None:
    """Table 5: the DHCPOFFER's xid, the DHCPDISCOVER's secs, options 50 and 54, broadcast, our identity."""
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


def test_gateway_is_checked_from_the_leased_address() -> None:
    """A switch that inspects ARP requires that; before the lease, ARP probes claim no address."""
    world, _, _ = leasing()
    world.probe(7)
    world.run()
    asked = [sent for _, sent in world.sent if sent.arp_target is not None]
    assert [sent.arp_target for sent in asked] == [ADDRESS, ADDRESS, GATEWAY]
    assert [sent.body[14:18] for sent in asked] == [bytes(4), bytes(4), frames.packed(ADDRESS)]


def test_nak_is_an_outcome_of_the_lease() -> None:
    """The offer is reported, nothing is released, and the gateway is checked without an address."""
    world, server, pinged = leasing()
    server.answer = NAK
    world.probe(7)
    found = world.only()
    assert found.dhcp is not None
    assert (found.dhcp.outcome, lease_of(found)) == (DHCPOutcome.OFFERED, LeaseOutcome.REFUSED)
    assert found.targets[0].vlan.outcome is ReachOutcome.REACHABLE
    assert found.targets[0].echo.outcome is ReachOutcome.NOT_TRIED
    assert (server.of(RELEASE), pinged.seen) == ([], [])


def test_server_that_does_not_answer_the_request_is_reported() -> None:
    """After two DHCPREQUESTs; the address is released, as the server may have leased it."""
    world, server, _ = leasing()
    server.answer = None
    world.probe(7)
    found = world.only()
    assert found.lease is not None
    assert (found.lease.outcome, found.lease.attempts) == (LeaseOutcome.NO_ANSWER, 2)
    assert len(server.of(RELEASE)) == 1


def test_lost_frames_make_a_missing_ack_inconclusive() -> None:
    """The reply may be among them."""
    world, server, _ = leasing()
    server.answer = None
    world.probe(7)
    world.at(1.0, lambda: world.trunk.losses.dropped(1))
    assert lease_of(world.only()) is LeaseOutcome.INCONCLUSIVE


@pytest.mark.parametrize("change", [{"acknowledged": "10.0.7.101"}, {"server": "10.0.7.9"}])
def test_ack_of_another_address_or_server_does_not_count(change: dict[str, str]) -> None:
    """The lease has the outcome NO_ANSWER."""
    world, server, _ = leasing()
    world.probe(7)
    world.at(0.2, lambda: vars(server).update(change))
    assert lease_of(world.only()) is LeaseOutcome.NO_ANSWER


def test_address_of_another_station_is_declined() -> None:
    """N15, RFC 5227: detected by an ARP probe, declined, never used."""
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


def test_probe_of_another_station_for_the_same_address_is_a_conflict() -> None:
    """RFC 5227 section 2.1.1: if two stations probe, neither may use it; our own probe is no conflict."""
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


def test_arp_for_the_address_is_answered_while_it_is_in_use() -> None:
    """Neither before nor after, nor for another address, nor on another VLAN."""
    world, _, pinged = leasing()
    pinged.silent = True
    world.probe(7)
    request = frames.arp_request(sender=GATEWAY, target=ADDRESS)
    for at in (0.1, 0.35, 1.0, 1.5):
        world.deliver(at, 7, request)
    world.deliver(1.2, 8, request)
    world.deliver(1.2, 7, frames.arp_request(sender=GATEWAY, target="10.0.7.101"))
    world.run()
    world.deliver(0.1, 7, request)
    world.run()
    answers = [(at - 1000.0, sent) for at, sent in world.sent if sent.body[6:8] == b"\0\2"]
    assert [round(at, 3) for at, _ in answers] == [1.0, 1.5]
    for _, sent in answers:
        assert (sent.destination, sent.source) == (frames.SERVER_MAC, world.trunk.identity.mac(7))
        assert sent.body[8:18] == world.trunk.identity.mac(7) + frames.packed(ADDRESS)
        assert sent.body[18:28] == frames.SERVER_MAC + frames.packed(GATEWAY)


def test_address_in_conflict_while_it_is_in_use_is_declined() -> None:
    """It is not defended: ARP requests for it are no longer answered."""
    world, server, pinged = leasing()
    pinged.silent = True
    world.probe(7)
    world.deliver(1.0, 7, frames.arp_request(sender=ADDRESS, target=GATEWAY, mac=STRANGER))
    world.deliver(1.5, 7, frames.arp_request(sender=GATEWAY, target=ADDRESS))
    world.run()
    assert (len(server.of(DECLINE)), server.of(RELEASE)) == (1, [])
    assert not [sent for _, sent in world.sent if sent.body[6:8] == b"\0\2"]


def test_gateway_that_drops_icmp_is_reachable_by_arp() -> None:
    """Three echo requests; both results are reported."""
    world, _, pinged = leasing()
    pinged.silent = True
    world.probe(7)
    (reached,) = world.only().targets
    assert (reached.vlan.outcome, reached.echo.outcome) == (ReachOutcome.REACHABLE, ReachOutcome.SILENT)
    assert len(pinged.seen) == 3


@pytest.mark.parametrize("at_s", [0.32, 0.5, 1.5], ids=["requesting", "checking", "held"])
def test_stop_releases_the_address(at_s: float) -> None:
    """At any time: the last frame is a DHCPRELEASE."""
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
    """Nothing can be released; the result is reported, and no state is left."""
    world, server, pinged = leasing()
    pinged.silent = True
    world.probe(7)
    world.at(1.5, lambda: world.engine.uplink_failed(UPLINK, Fault.UPLINK_DOWN, now=world.now))
    found = world.only()
    assert found.fault is Fault.UPLINK_DOWN
    assert (server.of(RELEASE), world.trunk._leases, world.trunk._state.claims) == ([], {}, {})


def test_arp_of_leases_keeps_the_rate_limit() -> None:
    """Probes, requests and replies together: at most ten in any second on an inspected port."""
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
    """The gateway is checked from it by ARP and ICMP, ARP for it is answered, and no lease is requested."""
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
    world.deliver(0.401, 7, frames.arp_request(sender=GATEWAY, target="10.0.7.250"))
    world.run()
    (reached,) = found[0].targets
    assert (reached.vlan.outcome, reached.echo.outcome) == (ReachOutcome.REACHABLE, ReachOutcome.REACHABLE)
    assert [kind for kind, _ in server.seen] == [1]
    asked = [sent for _, sent in world.sent if sent.kind == 0x0806]
    ours, nobody = frames.packed("10.0.7.250"), bytes(4)
    assert [sent.body[14:18] for sent in asked] == [nobody, nobody, ours, ours, nobody]
    assert [sent.body[24:28] for sent in asked[:2]] == [ours, ours], "it is probed before it is used"
    assert [sent.body[6:8] for sent in asked[2:4]] == [b"\0\1", b"\0\2"]
    assert world.trunk.take_claims(limit=64) == frozenset()


def test_forged_echo_replies_on_the_vlan_change_nothing() -> None:
    """N16: another address, VLAN, identifier, sequence number or payload."""
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


def test_unrequested_ack_is_not_a_lease() -> None:
    """A DHCPACK in answer to the DHCPDISCOVER is released; the lease is requested nevertheless."""
    world, server, _ = leasing()
    world.probe(7)
    discovers = [s for f, _ in world.trunk.take_frames() if kind_of(s := frames.take_apart(f)) == 1]
    options = frames.offer_options(kind=ACK)
    world.deliver(0.01, 7, frames.answer(discovers[0], options=options))
    found = world.only()
    assert found.dhcp is not None
    assert [offer.unasked_ack for offer in found.dhcp.offers] == [True]
    assert (len(server.of(RELEASE)), lease_of(found)) == (2, LeaseOutcome.HELD)
