"""The BPF programs, run by the kernel on unix sockets, which need no privilege."""

import socket
from collections.abc import Callable

import pytest

from services.prober.engine.identity import Identity
from services.prober.frames import templates
from services.prober.sockets import packet_filter
from tests.unit.prober import frames

IDENTITY = Identity(host="node1", cluster_network="extra")
OURS = IDENTITY.mac(7)
THEIRS = Identity(host="node2", cluster_network="extra").mac(7)
XID = b"\x01\x02\x03\x04"


def passes(program: bytes, frame: bytes) -> bool:
    """Return whether a socket with this filter receives the frame."""
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        packet_filter.attach(receiver, program)
        receiver.setblocking(False)
        sender.send(frame)
        try:
            return receiver.recv(4096) == frame
        except BlockingIOError:
            return False


def offer(chaddr: bytes, **fields: object) -> bytes:
    return frames.bootp(xid=XID, chaddr=chaddr, options=frames.offer_options(), **fields)  # type: ignore[arg-type]


def with_ip_options(message: bytes) -> bytes:
    """Return the frame with options in its IPv4 header."""
    frame = frames.dhcp_frame(message)
    return frame[:14] + b"\x46" + frame[15:34] + b"\x01\x01\x01\x00" + frame[34:]


def ip_frame(packet: bytes) -> bytes:
    return frames.ethernet(packet, kind=0x0800)


def fragment_of(message: bytes, fragment: int) -> bytes:
    return frames.ip_packet(17, frames.udp_datagram(message)[20:], fragment=fragment)


FRAMES: list[tuple[str, Callable[[], bytes], bool]] = [
    ("an offer to us", lambda: frames.dhcp_frame(offer(OURS)), True),
    ("an offer to us, unicast", lambda: frames.dhcp_frame(offer(OURS), destination=OURS), True),
    ("an offer to us, with IP options", lambda: with_ip_options(offer(OURS)), True),
    ("an offer to another host", lambda: frames.dhcp_frame(offer(THEIRS)), False),
    ("a request", lambda: frames.dhcp_frame(offer(OURS, op=1)), False),
    ("an ARP reply to us", lambda: frames.arp_reply(sender="10.0.7.1", to=OURS), True),
    ("an ARP reply to another", lambda: frames.arp_reply(sender="10.0.7.1", to=THEIRS), False),
    ("an ARP request", lambda: frames.arp_reply(sender="10.0.7.1", to=OURS, operation=1), False),
    ("TCP", lambda: frames.ethernet(frames.ip_packet(6, offer(OURS)), kind=0x0800), False),
    ("another port", lambda: ip_frame(frames.udp_datagram(offer(OURS), ports=(67, 69))), False),
    ("the first fragment", lambda: ip_frame(fragment_of(offer(OURS), 0x2000)), False),
    ("a later fragment", lambda: ip_frame(fragment_of(offer(OURS), 0x0001)), False),
    ("a second tag", lambda: frames.ethernet(b"\0\7\x08\x06" + bytes(46), kind=0x8100), False),
    ("IPv6", lambda: frames.ethernet(bytes(60), kind=0x86DD), False),
    ("something short", lambda: bytes(13), False),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "kept"), [row[1:] for row in FRAMES], ids=[row[0] for row in FRAMES])
def test_only_replies_to_us_pass(frame: Callable[[], bytes], kept: bool) -> None:
    """The kernel drops all other frames."""
    assert passes(packet_filter.replies_to(IDENTITY.prefix, tagged=False), frame()) is kept


def echo_to(mac: bytes, *, kind: int = 0) -> bytes:
    message = templates.load().echo.render(identifier=77, sequence=1, nonce=bytes(8))
    packet = frames.echo_reply(message, source="10.0.7.1", kind=kind)
    return frames.ethernet(packet, kind=0x0800, destination=mac)


@pytest.mark.parametrize(
    ("frame", "kept"),
    [(echo_to(OURS), True), (echo_to(THEIRS), False), (echo_to(OURS, kind=3), False)],
    ids=["to us", "to another host", "unreachable"],
)
def test_only_echo_replies_to_our_addresses_pass(frame: bytes, kept: bool) -> None:
    """Echo replies of the gateway on the VLAN pass, no other ICMP."""
    assert passes(packet_filter.replies_to(IDENTITY.prefix, tagged=False), frame) is kept


@pytest.mark.parametrize("count", [1, 2, packet_filter.MAX_ADDRESSES, packet_filter.MAX_ADDRESSES + 1, 4094])
def test_arp_about_our_addresses_passes(count: int) -> None:
    """As target and as sender. Other ARP passes only with too many addresses. All else is unchanged."""
    held = [frames.number("10.0.8.0") + number for number in range(count)]
    program = packet_filter.replies_to(IDENTITY.prefix, addresses=held, tagged=False)
    named = count <= packet_filter.MAX_ADDRESSES
    for address in (held[0], held[-1]):
        ours = frames.dotted(address)
        assert passes(program, frames.arp_request(sender="10.0.7.1", target=ours))
        assert passes(program, frames.arp_request(sender=ours, target="10.0.7.1"))
    assert passes(program, frames.arp_request(sender="10.0.7.1", target="10.0.7.2")) is not named
    assert passes(program, frames.arp_reply(sender="10.0.7.1", to=OURS))
    assert passes(program, frames.dhcp_frame(offer(OURS)))
    assert not passes(program, frames.dhcp_frame(offer(THEIRS)))
    assert not passes(program, frames.ethernet(bytes(60), kind=0x86DD))


UNTAGGED: list[tuple[str, Callable[[], bytes], bool]] = [
    *FRAMES,
    ("an ARP reply to us, for all", lambda: broadcast(frames.arp_reply(sender="10.0.7.1", to=OURS)), True),
    ("an echo reply", lambda: echo_to(OURS), False),
    ("ARP for our address", lambda: frames.arp_request(sender="10.0.7.1", target="10.0.8.0"), False),
    ("ARP from our address", lambda: frames.arp_request(sender="10.0.8.0", target="10.0.7.1"), False),
]  # fmt: skip


def broadcast(frame: bytes) -> bytes:
    return b"\xff" * 6 + frame[6:]


@pytest.mark.parametrize("addresses", [0, 1, packet_filter.MAX_ADDRESSES, packet_filter.MAX_ADDRESSES + 1])
@pytest.mark.parametrize(("frame", "kept"), [row[1:] for row in UNTAGGED], ids=[row[0] for row in UNTAGGED])
def test_without_a_tag_only_replies_to_us_pass(
    frame: Callable[[], bytes], kept: bool, addresses: int
) -> None:
    """A socket pair has no tags. What is for our addresses passes with a tag alone, however many they are."""
    held = [frames.number("10.0.8.0") + number for number in range(addresses)]
    assert passes(packet_filter.replies_to(IDENTITY.prefix, addresses=held), frame()) is kept


def test_only_replies_to_our_echoes_pass() -> None:
    """Other programs on this host ping as well."""
    echo = templates.load().echo
    program = packet_filter.echo_replies_with(b"ours")
    ours = echo.render(identifier=77, sequence=1, nonce=b"ours" + bytes(4))
    theirs = echo.render(identifier=77, sequence=1, nonce=bytes(8))
    assert passes(program, frames.echo_reply(ours, source="10.0.7.1"))
    assert not passes(program, frames.echo_reply(theirs, source="10.0.7.1"))
    assert not passes(program, frames.echo_reply(ours, source="10.0.7.1", kind=3))
