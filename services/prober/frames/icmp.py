"""ICMP echo (RFC 792): messages for a raw socket, where the kernel adds the IPv4 header, and whole frames."""

import struct
from typing import Final, NamedTuple

from services.prober.frames import ethernet, ipv4
from services.prober.frames.ethernet import Station
from services.prober.frames.unchecked import new_unchecked

ECHO_REPLY: Final = 0
ECHO_REQUEST: Final = 8
HEADER_BYTES: Final = 8
NONCE_BYTES: Final = 8
MARK_BYTES: Final = 4
"""How many octets at the begin of the nonce all requests on one raw socket share; its filter tests them."""
_HEADER: Final = struct.Struct("!BBHHH")
_FRAME: Final = struct.Struct("!6s6s2s2s12sHII")
"""MAC addresses, TPID, tag, ethertype with the head of the IPv4 header, its checksum, addresses."""
_PLAIN: Final = struct.Struct("!BxHxxHxBxxIIBBxxHH8s")
"""An IPv4 header without options and an echo message: version, total length, fragment, protocol, addresses;
type, code, identifier, sequence number, nonce."""


class EchoReply(NamedTuple):
    """A reply to an echo request; addresses are integers."""

    source: int
    destination: int
    identifier: int
    sequence: int
    nonce: bytes


class EchoTemplate:
    """An echo request into which identifier, sequence number and nonce are patched."""

    def __init__(self, message: bytes) -> None:
        """message: an ICMP echo request with a payload of at least NONCE_BYTES."""
        if len(message) < HEADER_BYTES + NONCE_BYTES or message[0] != ECHO_REQUEST:
            raise ValueError("expected an ICMP echo request with a payload")
        self._tail = message[HEADER_BYTES + NONCE_BYTES :]
        self._sum = 0xFFFF - ipv4.checksum(_HEADER.pack(ECHO_REQUEST, 0, 0, 0, 0) + self._tail)

    def render(self, *, identifier: int, sequence: int, nonce: bytes) -> bytes:
        """Return the message. nonce: the first NONCE_BYTES of the payload."""
        total = (self._sum + identifier + sequence + int.from_bytes(nonce, "big")) % 0xFFFF
        return _HEADER.pack(ECHO_REQUEST, 0, 0xFFFF - total, identifier, sequence) + nonce + self._tail


class EchoFrameTemplate:
    """A tagged frame with an echo request."""

    def __init__(self, frame: bytes, *, echo: EchoTemplate) -> None:
        """frame: the message of echo, behind an IPv4 header without options."""
        self._echo = echo
        self._tpid = frame[12:14]
        ip = frame[ethernet.TAGGED_HEADER_BYTES : ethernet.TAGGED_HEADER_BYTES + ipv4.HEADER_BYTES]
        self._head = frame[16:18] + ip[:10]
        self._sum = 0xFFFF - ipv4.checksum(ip[:10] + bytes(10))

    def render(
        self,
        *,
        station: Station,
        gateway_mac: bytes,
        source: int,
        destination: int,
        identifier: int,
        sequence: int,
        nonce: bytes,
    ) -> bytes:
        """Return the frame; source: our address, destination: the gateway's."""
        total = (self._sum + source + destination) % 0xFFFF
        head = _FRAME.pack(
            gateway_mac,
            station.mac,
            self._tpid,
            station.tag,
            self._head,
            0xFFFF - total,
            source,
            destination,
        )
        return head + self._echo.render(identifier=identifier, sequence=sequence, nonce=nonce)


def parse_reply(packet: bytes, *, start: int = 0, verify_header: bool = False) -> EchoReply | None:
    """Parse the echo reply in the IPv4 packet that begins at start; None if it is malformed or anything else.

    verify_header: False for packets of a raw socket; the kernel has verified their header, and may change it.
    """
    if len(packet) >= start + _PLAIN.size and packet[start] == ipv4.PLAIN_HEADER:
        return _parse_plain(packet, start, verify_header=verify_header)
    parsed = ipv4.parse(packet, start=start, verify_header=verify_header)
    if parsed is None or parsed.protocol != ipv4.PROTOCOL_ICMP:
        return None
    message = parsed.payload
    if len(message) < HEADER_BYTES + NONCE_BYTES or not ipv4.checksum_holds(message):
        return None
    kind, code, _, identifier, sequence = _HEADER.unpack_from(message)
    if kind != ECHO_REPLY or code != 0:
        return None
    nonce = message[HEADER_BYTES : HEADER_BYTES + NONCE_BYTES]
    return EchoReply(parsed.source, parsed.destination, identifier, sequence, nonce)


def _parse_plain(packet: bytes, start: int, *, verify_header: bool) -> EchoReply | None:
    """Do what parse_reply does, for an IPv4 header without options: the hot path."""
    _, total, fragment, protocol, source, destination, kind, code, identifier, sequence, nonce = (
        _PLAIN.unpack_from(packet, start)
    )
    if kind != ECHO_REPLY or code or protocol != ipv4.PROTOCOL_ICMP or fragment & ipv4.FRAGMENT_MASK:
        return None
    message, end = start + ipv4.HEADER_BYTES, start + total
    if end > len(packet) or total < _PLAIN.size or not ipv4.checksum_holds(packet[message:end]):
        return None
    if verify_header and not ipv4.checksum_holds(packet[start:message]):
        return None
    return new_unchecked(EchoReply, (source, destination, identifier, sequence, nonce))
