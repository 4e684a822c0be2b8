"""N15, N16: unsolicited ARP and ICMP, and an address in use."""

import random
import socket

import pytest

from services.contract.outcomes import Depth, LeaseOutcome, ReachOutcome
from services.prober.frames import templates
from services.prober.sockets import packet_filter
from tests.faults.neighbours import ATTACKER, FAULTY, FORGED, SILENT, TRUE, ask_all, quiet
from tests.unit.prober import frames
from tests.unit.prober.world import DHCPServer, Gateway, World, target

KNOWN = target(TRUE, from_dhcp=False)
OFFERED = "10.0.7.100"


def asking_arp() -> World:
    """Build a world that checks a known, silent gateway by ARP only."""
    world = World(routed=False)
    world.probe(FAULTY, KNOWN, ask_dhcp=False)
    return world


def on_vlan(world: World) -> ReachOutcome:
    return world.only().targets[0].vlan.outcome


def arp(*, sender: str = TRUE, to: bytes, mac: bytes = ATTACKER, operation: int = 2) -> bytes:
    return frames.arp_reply(sender=sender, to=to, mac=mac, operation=operation)


def test_n15_arp_answer_that_was_asked_for_counts() -> None:
    """The unaltered frame, which the next tests modify, is an answer."""
    world = asking_arp()
    world.deliver(0.1, FAULTY, arp(to=world.trunk.identity.mac(FAULTY)))
    assert on_vlan(world) is ReachOutcome.REACHABLE


def test_n15_arp_for_another_address_changes_nothing() -> None:
    """An ARP reply about another address is ignored."""
    world = asking_arp()
    for host in range(2, 255):
        world.deliver(0.1, FAULTY, arp(sender=f"10.0.7.{host}", to=world.trunk.identity.mac(FAULTY)))
    assert on_vlan(world) is ReachOutcome.SILENT


@pytest.mark.parametrize("to", [ATTACKER, frames.BROADCAST, bytes(6)], ids=["another", "all", "nobody"])
def test_n15_arp_to_others_changes_nothing(to: bytes) -> None:
    """An ARP reply to another station, or to all, is ignored."""
    world = asking_arp()
    world.deliver(0.1, FAULTY, arp(to=to))
    assert on_vlan(world) is ReachOutcome.SILENT


def test_n15_arp_on_another_vlan_changes_nothing() -> None:
    """An ARP reply on another VLAN is ignored, with our MAC there or here."""
    world = asking_arp()
    for vlan in (SILENT, 0, 4095):
        for mac in (world.trunk.identity.mac(FAULTY), world.trunk.identity.mac(vlan)):
            world.deliver(0.1, vlan, arp(to=mac))
    assert on_vlan(world) is ReachOutcome.SILENT


@pytest.mark.parametrize("operation", [0, 1, 3, 8, 0x0200])
def test_n15_arp_of_another_operation_changes_nothing(operation: int) -> None:
    """An ARP message that is not a reply is ignored, even with the gateway's own address."""
    world = asking_arp()
    world.deliver(0.1, FAULTY, arp(to=world.trunk.identity.mac(FAULTY), operation=operation))
    assert on_vlan(world) is ReachOutcome.SILENT


@pytest.mark.parametrize("mac", [bytes(6), frames.BROADCAST, bytes.fromhex("01005e000001")])
def test_n15_arp_answer_of_a_group_changes_nothing(mac: bytes) -> None:
    """An ARP reply with a group address is ignored: no station has one (RFC 826, IEEE 802)."""
    world = asking_arp()
    world.deliver(0.1, FAULTY, arp(to=world.trunk.identity.mac(FAULTY), mac=mac))
    assert on_vlan(world) is ReachOutcome.SILENT


def test_n15_answer_before_the_question_changes_nothing() -> None:
    """A reply before the probe is sent, or after it has ended, is ignored."""
    world = asking_arp()
    to = world.trunk.identity.mac(FAULTY)
    world.trunk.receive(SILENT, arp(to=world.trunk.identity.mac(SILENT)), verify_checksum=True, now=world.now)
    assert on_vlan(world) is ReachOutcome.SILENT
    world.trunk.receive(FAULTY, arp(to=to), verify_checksum=True, now=world.now)
    assert len(world.found) == 1


def test_n15_first_of_two_owners_is_reported_once() -> None:
    """If two stations claim the gateway's address, it is reachable by the first, and reported once."""
    world = quiet()
    world.put(FAULTY, DHCPServer(), Gateway(), Gateway(mac=ATTACKER, delay_s=0.0005))
    found = ask_all(world)[FAULTY]
    assert (found.targets[0].vlan.outcome, found.targets[0].vlan.mac) == (ReachOutcome.REACHABLE, ATTACKER)


def leasing() -> World:
    """Build a VLAN whose server leases what is requested."""
    world = World(routed=False, depth=Depth.LEASE)

    def server(sent: frames.Sent) -> list[tuple[float, bytes]]:
        if sent.dhcp is None:
            return []
        kind = frames.options_of(sent.dhcp)[53]
        answers = {b"\x01": 2, b"\x03": 5}
        if kind not in answers:
            return []
        return [(0.01, frames.answer(sent, options=frames.offer_options(kind=answers[kind])))]

    world.put(FAULTY, server, Gateway())  # type: ignore[arg-type]
    return world


def kinds_sent(world: World) -> list[int]:
    """Return the types of the DHCP messages sent."""
    return [frames.options_of(sent.dhcp)[53][0] for _, sent in world.sent if sent.dhcp is not None]


def test_n15_address_that_somebody_else_has_is_declined() -> None:
    """An offered address that another station answers for is declined and not used (RFC 5227)."""
    world = leasing()
    world.put(FAULTY, Gateway(OFFERED, mac=ATTACKER))
    world.probe(FAULTY)
    found = world.only()
    assert found.lease is not None
    assert (found.lease.outcome, found.lease.owner) == (LeaseOutcome.CONFLICT, ATTACKER)
    assert kinds_sent(world) == [1, 3, 4]
    assert found.targets[0].vlan.outcome is ReachOutcome.REACHABLE


@pytest.mark.parametrize("vlan", [FAULTY, SILENT])
def test_n15_conflict_is_only_what_is_on_the_vlan_and_not_ourselves(vlan: int) -> None:
    """The same address on another VLAN is no conflict, and neither are our own looped frames."""
    world = leasing()
    ours = world.trunk.identity.mac(FAULTY)
    spoof = arp(sender=OFFERED, to=ours, mac=ours if vlan == FAULTY else ATTACKER)
    for at in range(100):
        world.deliver(at / 100, vlan, spoof)
    world.probe(FAULTY)
    found = world.only()
    assert found.lease is not None
    assert found.lease.outcome is LeaseOutcome.HELD
    assert kinds_sent(world) == [1, 3, 7]


def asking_echo() -> tuple[World, bytes]:
    """Build a world with a routed gateway; return it with the echo request that was sent."""
    world = World()
    world.probe(FAULTY, KNOWN, ask_dhcp=False)
    assert world.engine.echoes is not None
    return world, world.engine.echoes.take_packets()[0][1]


def receive_echo(world: World, packet: bytes) -> None:
    assert world.engine.echoes is not None
    world.engine.echoes.receive(packet, world.now)


def routed(world: World) -> ReachOutcome:
    return world.only().targets[0].routed.outcome


def test_n16_echo_reply_that_was_asked_for_counts() -> None:
    """The unaltered packet, which the next tests modify, is an answer."""
    world, message = asking_echo()
    receive_echo(world, frames.echo_reply(message, source=TRUE))
    assert routed(world) is ReachOutcome.REACHABLE


@pytest.mark.parametrize("at", range(4, 16))
def test_n16_echo_reply_with_another_identifier_sequence_or_payload_changes_nothing(at: int) -> None:
    """An echo reply that differs in identifier, sequence number or payload is ignored."""
    world, message = asking_echo()
    for bit in range(8):
        altered = message[:at] + bytes((message[at] ^ 1 << bit,)) + message[at + 1 :]
        receive_echo(world, frames.echo_reply(altered, source=TRUE))
    assert routed(world) is ReachOutcome.SILENT


def test_n16_echo_reply_from_another_address_changes_nothing() -> None:
    """An echo reply from another address, such as a router on the way, is ignored."""
    world, message = asking_echo()
    for source in (FORGED, "255.255.255.255", "0.0.0.0"):
        receive_echo(world, frames.echo_reply(message, source=source))
    assert routed(world) is ReachOutcome.SILENT


@pytest.mark.parametrize("kind", [3, 4, 5, 8, 11, 12, 13, 14])
def test_n16_other_icmp_changes_nothing(kind: int) -> None:
    """Other ICMP messages are ignored, even from the gateway and about our request."""
    world, message = asking_echo()
    receive_echo(world, frames.echo_reply(message, source=TRUE, kind=kind))
    quoted = bytes((kind, 1, 0, 0, 0, 0, 0, 0)) + frames.ip_packet(1, message, destination=TRUE)
    total = frames.internet_checksum(quoted)
    receive_echo(world, frames.ip_packet(1, quoted[:2] + total.to_bytes(2, "big") + quoted[4:], source=TRUE))
    assert routed(world) is ReachOutcome.SILENT


def test_n16_echo_on_the_vlan_that_was_not_asked_for_changes_nothing() -> None:
    """With an address on the VLAN, only the gateway's reply with our payload ends the check."""
    world = leasing()
    dice = random.Random(16)
    for at in range(300):
        body = bytes((0, 0, 0, 0)) + dice.randbytes(60)
        body = body[:2] + frames.internet_checksum(body).to_bytes(2, "big") + body[4:]
        packet = frames.ip_packet(1, body, source=TRUE, destination=OFFERED)
        mac = world.trunk.identity.mac(FAULTY)
        world.deliver(at / 100, FAULTY, frames.ethernet(packet, kind=0x0800, destination=mac))
    world.probe(FAULTY)
    found = world.only()
    assert found.targets[0].vlan.outcome is ReachOutcome.REACHABLE
    assert found.targets[0].echo.outcome is ReachOutcome.SILENT


@pytest.mark.parametrize("at", [None, *range(4, 16)])
def test_n16_echo_on_the_vlan_with_another_identifier_sequence_or_payload_changes_nothing(
    at: int | None,
) -> None:
    """A reply with one wrong octet is ignored; the unaltered one is the answer."""
    world = leasing()

    def altered(sent: frames.Sent) -> list[tuple[float, bytes]]:
        if sent.kind != 0x0800 or sent.body[9] != 1:
            return []
        message = bytes(4) + sent.body[24:]
        if at is not None:
            message = message[:at] + bytes((message[at] ^ 1,)) + message[at + 1 :]
        total = frames.internet_checksum(message).to_bytes(2, "big")
        packet = frames.ip_packet(1, message[:2] + total + message[4:], source=TRUE, destination=OFFERED)
        return [(0.01, frames.ethernet(packet, kind=0x0800, destination=sent.source))]

    world.put(FAULTY, altered)  # type: ignore[arg-type]
    world.probe(FAULTY)
    expected = ReachOutcome.REACHABLE if at is None else ReachOutcome.SILENT
    assert world.only().targets[0].echo.outcome is expected


def test_n16_kernel_keeps_other_peoples_echoes_from_us() -> None:
    """The kernel's filter drops other payloads and other types, so they do not wake the prober."""
    render = templates.load().echo.render
    ours, other = (render(identifier=77, sequence=1, nonce=mark + bytes(4)) for mark in (b"ours", b"them"))
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        packet_filter.attach(receiver, packet_filter.echo_replies_with(b"ours"))
        for packet in (
            frames.echo_reply(other, source=TRUE),
            frames.echo_reply(ours, source=TRUE, kind=3),
            frames.echo_reply(ours, source=TRUE, kind=8),
            frames.echo_reply(ours, source=TRUE),
        ):
            sender.send(packet)
        assert receiver.recv(4096) == frames.echo_reply(ours, source=TRUE)
        receiver.setblocking(False)
        with pytest.raises(BlockingIOError):
            receiver.recv(4096)
