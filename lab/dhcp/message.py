"""DHCP messages as a server sees them (RFC 2131 section 2, options RFC 2132). Pure functions of bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address

_FIXED = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s")
_COOKIE = b"\x63\x82\x53\x63"
_BOOTREQUEST, _BOOTREPLY = 1, 2
_ETHERNET, _MAC_LENGTH = 1, 6
# BOOTP agents may drop anything shorter (RFC 1542 section 2.1).
_MIN_LENGTH = 300
_MAX_LENGTH = 1500
_BROADCAST_FLAG = 0x8000
NOWHERE = IPv4Address("0.0.0.0")


class MessageType(IntEnum):
    """Values of option 53."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


class Option(IntEnum):
    """The options that the lab's server reads or writes."""

    PAD = 0
    SUBNET_MASK = 1
    ROUTER = 3
    REQUESTED_ADDRESS = 50
    LEASE_SECONDS = 51
    MESSAGE_TYPE = 53
    SERVER_IDENTIFIER = 54
    END = 255


class NotDhcp(ValueError):
    """The bytes are not a DHCP request of an Ethernet client."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A client's message. Addresses that it does not give are 0.0.0.0."""

    message_type: MessageType
    xid: int
    flags: int
    client_address: IPv4Address
    relay_address: IPv4Address
    mac: bytes
    options: Mapping[int, bytes] = field(default_factory=dict)

    def address_option(self, code: Option) -> IPv4Address | None:
        """Return option `code` as an address; None if it is absent or not an address."""
        value = self.options.get(code, b"")
        return IPv4Address(value) if len(value) == 4 else None


def parse_request(data: bytes) -> Request:
    """Parse the request in `data`, the payload of a UDP datagram.

    Raises:
        NotDhcp: it is something else, or malformed.
    """
    if not _FIXED.size + len(_COOKIE) <= len(data) <= _MAX_LENGTH:
        raise NotDhcp(f"{len(data)} bytes")
    operation, hardware, length, _, xid, _, flags, client, _, _, relay, mac, _, _ = _FIXED.unpack_from(data)
    if (operation, hardware, length) != (_BOOTREQUEST, _ETHERNET, _MAC_LENGTH):
        raise NotDhcp("not a request of an Ethernet client")
    if data[_FIXED.size : _FIXED.size + len(_COOKIE)] != _COOKIE:
        raise NotDhcp("no magic cookie")
    options = _parse_options(data[_FIXED.size + len(_COOKIE) :])
    kind = options.get(Option.MESSAGE_TYPE, b"")
    if len(kind) != 1 or kind[0] not in set(MessageType):
        raise NotDhcp("no message type")
    return Request(
        message_type=MessageType(kind[0]),
        xid=xid,
        flags=flags,
        client_address=IPv4Address(client),
        relay_address=IPv4Address(relay),
        mac=mac[:_MAC_LENGTH],
        options=options,
    )


def _parse_options(data: bytes) -> dict[int, bytes]:
    options: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != Option.END:
        if data[at] == Option.PAD:
            at += 1
            continue
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            raise NotDhcp("an option extends beyond the end")
        code, length = data[at], data[at + 1]
        # A repeated option is one long option (RFC 3396).
        options[code] = options.get(code, b"") + data[at + 2 : at + 2 + length]
        at += 2 + length
    return options


def build_reply(
    request: Request, message_type: MessageType, *, your_address: IPv4Address, options: Mapping[Option, bytes]
) -> bytes:
    """Build the reply to `request`, padded to BOOTP's 300 bytes; each option has at most 255 bytes."""
    fixed = _FIXED.pack(
        _BOOTREPLY,
        _ETHERNET,
        _MAC_LENGTH,
        0,
        request.xid,
        0,
        request.flags & _BROADCAST_FLAG,
        request.client_address.packed if message_type is MessageType.ACK else NOWHERE.packed,
        your_address.packed,
        NOWHERE.packed,
        request.relay_address.packed,
        request.mac,
        b"",
        b"",
    )
    fields = {Option.MESSAGE_TYPE: bytes([message_type]), **options}
    encoded = b"".join(bytes([code, len(value)]) + value for code, value in fields.items())
    return (fixed + _COOKIE + encoded + bytes([Option.END])).ljust(_MIN_LENGTH, b"\0")
