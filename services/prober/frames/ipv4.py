"""IPv4 headers, UDP datagrams and the Internet checksum (RFC 791, 768, 1071)."""

import struct
from typing import Final, NamedTuple

HEADER_BYTES: Final = 20
UDP_HEADER_BYTES: Final = 8
PROTOCOL_ICMP: Final = 1
PROTOCOL_UDP: Final = 17
FRAGMENT_MASK: Final = 0x3FFF
"""More-fragments and the fragment offset: a whole datagram has neither."""
PLAIN_HEADER: Final = 0x45
"""The first octet of a header without options, which nearly every packet has."""
_PLAIN: Final = struct.Struct("!2xH2xHxB2xIIHHHH")
"""Total length, fragment, protocol, addresses; then ports, length and checksum of UDP."""
_PLAIN_BYTES: Final = HEADER_BYTES + UDP_HEADER_BYTES


def checksum(data: bytes | bytearray) -> int:
    """Return the Internet checksum. As 2**16 is 1 modulo 2**16 - 1, one division computes the sum."""
    value = int.from_bytes(data if len(data) % 2 == 0 else data + b"\0", "big")
    total = value % 0xFFFF
    # Zero has two forms in ones' complement; only data that is all zeros sums to the positive one.
    return 0xFFFF - total if total or not value else 0


def checksum_holds(data: bytes) -> bool:
    """Return whether data that contains its checksum sums to minus zero."""
    value = int.from_bytes(data if len(data) % 2 == 0 else data + b"\0", "big")
    return value != 0 and value % 0xFFFF == 0


class Packet(NamedTuple):
    """A whole IPv4 packet; addresses are integers."""

    source: int
    destination: int
    protocol: int
    payload: bytes


class Datagram(NamedTuple):
    """A whole UDP datagram; addresses are integers."""

    source: int
    destination: int
    source_port: int
    destination_port: int
    payload: bytes


def parse(data: bytes, *, start: int = 0, verify_header: bool = True) -> Packet | None:
    """Parse the packet that begins at start; None if it is malformed or a fragment."""
    end = len(data)
    if end - start < HEADER_BYTES:
        return None
    first = data[start]
    header_bytes = (first & 0x0F) * 4
    total = int.from_bytes(data[start + 2 : start + 4], "big")
    if first >> 4 != 4 or header_bytes < HEADER_BYTES or total < header_bytes or start + total > end:
        return None
    if int.from_bytes(data[start + 6 : start + 8], "big") & FRAGMENT_MASK:
        return None
    if verify_header and not checksum_holds(data[start : start + header_bytes]):
        return None
    return Packet(
        int.from_bytes(data[start + 12 : start + 16], "big"),
        int.from_bytes(data[start + 16 : start + 20], "big"),
        data[start + 9],
        data[start + header_bytes : start + total],
    )


def parse_udp(data: bytes, *, start: int, verify_checksum: bool) -> Datagram | None:
    """Parse the UDP datagram in the packet that begins at start; None if it is malformed or anything else.

    verify_checksum: False for a frame that has not left the host, whose checksum may be incomplete.
    """
    if len(data) >= start + _PLAIN_BYTES and data[start] == PLAIN_HEADER:
        return _parse_plain(data, start, verify_checksum)
    packet = parse(data, start=start)
    if packet is None or packet.protocol != PROTOCOL_UDP:
        return None
    segment = packet.payload
    if len(segment) < UDP_HEADER_BYTES:
        return None
    length = int.from_bytes(segment[4:6], "big")
    if not UDP_HEADER_BYTES <= length <= len(segment):
        return None
    segment = segment[:length]
    # A checksum of 0 means that there is none (RFC 768).
    if verify_checksum and segment[6:8] != b"\0\0":
        pseudo = data[start + 12 : start + 20] + bytes((0, PROTOCOL_UDP)) + segment[4:6]
        if not checksum_holds(pseudo + segment):
            return None
    return Datagram(
        packet.source,
        packet.destination,
        int.from_bytes(segment[0:2], "big"),
        int.from_bytes(segment[2:4], "big"),
        segment[UDP_HEADER_BYTES:],
    )


def udp_checksum_holds(data: bytes, *, start: int, length: int) -> bool:
    """Return whether the datagram at start, behind an IPv4 header without options, sums to minus zero."""
    # The addresses of the pseudo header are just before the datagram.
    total = int.from_bytes(data[start - 8 : start + length], "big") % 0xFFFF
    return ((total << 8 if length % 2 else total) + PROTOCOL_UDP + length) % 0xFFFF == 0


def _parse_plain(data: bytes, start: int, verify_checksum: bool) -> Datagram | None:
    """Do what parse_udp does, for a header without options: the hot path."""
    total, fragment, protocol, source, destination, source_port, destination_port, length, sent = (
        _PLAIN.unpack_from(data, start)
    )
    if protocol != PROTOCOL_UDP or fragment & FRAGMENT_MASK or start + total > len(data):
        return None
    if not UDP_HEADER_BYTES <= length <= total - HEADER_BYTES:
        return None
    udp = start + HEADER_BYTES
    if int.from_bytes(data[start:udp], "big") % 0xFFFF:
        return None
    end = udp + length
    if verify_checksum and sent and not udp_checksum_holds(data, start=udp, length=length):
        return None
    payload = data[udp + UDP_HEADER_BYTES : end]
    return Datagram(source, destination, source_port, destination_port, payload)
