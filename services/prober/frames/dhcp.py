"""DHCP messages (RFC 2131): reading what a server says."""

import struct
from typing import Final, NamedTuple

from services.contract.gateways import is_host
from services.prober.frames import dhcp_options
from services.prober.frames.ignore_reasons import IgnoreReason

CLIENT_PORT: Final = 68
SERVER_PORT: Final = 67
OFFER: Final = 2
ACK: Final = 5
NAK: Final = 6
BOOTREPLY: Final = 2
MIN_MESSAGE_BYTES: Final = 300
"""What BOOTP relays and servers expect at least (RFC 1542 section 2.1)."""
MAX_MESSAGE_BYTES: Final = 1472
"""We ask for no more (option 57), and no more fits a frame of 1500."""
COOKIE: Final = b"\x63\x82\x53\x63"

OPTIONS_AT: Final = 240
_COOKIE_AT: Final = 236
_ETHERNET_6: Final = b"\x01\x06"
_HEADER: Final = struct.Struct("!B2sx4s8xI4xI6s202x4s")
"""op, htype with hlen, xid, yiaddr, giaddr, chaddr as far as Ethernet needs it; the cookie."""


class Reply(NamedTuple):
    """What a server said. Addresses are integers, 0 where a field is empty."""

    kind: int
    """The message type, option 53."""
    xid: bytes
    chaddr: bytes
    address: int
    """yiaddr: what is offered."""
    relay: int
    """giaddr."""
    server: int
    """Option 54; 0 where it is missing."""
    mask: int | None
    routers: tuple[int, ...]
    """Option 3."""
    gateway: int | None
    """The default router: option 121 before option 3 (RFC 3442)."""
    lease_s: int | None
    source: int = 0
    """Who sent the packet: what stands in its IPv4 header."""


def xid_of(payload: bytes) -> bytes:
    """The transaction id, before anything else is read: it says whether the rest is worth it."""
    return payload[4:8]


def parse_reply(payload: bytes, *, source: int = 0) -> Reply | IgnoreReason:
    """Read a UDP payload, which came from source, as a server's message; never raises."""
    if len(payload) < OPTIONS_AT:
        return IgnoreReason.DHCP_TOO_SHORT
    if len(payload) > MAX_MESSAGE_BYTES:
        return IgnoreReason.DHCP_TOO_LONG
    op, hardware, xid, address, relay, chaddr, cookie = _HEADER.unpack_from(payload)
    if op != BOOTREPLY or hardware != _ETHERNET_6:
        return IgnoreReason.DHCP_NOT_A_REPLY
    if cookie != COOKIE:
        return IgnoreReason.DHCP_NO_COOKIE
    options: dhcp_options.Options | IgnoreReason = dhcp_options.read_field(payload, start=OPTIONS_AT)
    if not isinstance(options, dict):
        return options
    if dhcp_options.OVERLOAD in options:
        options = dhcp_options.collect(
            options=payload[OPTIONS_AT:], file=payload[108:_COOKIE_AT], sname=payload[44:108]
        )
        if not isinstance(options, dict):
            return options
    kind = dhcp_options.octet(options, dhcp_options.MESSAGE_TYPE)
    if kind is None:
        return IgnoreReason.DHCP_NO_MESSAGE_TYPE
    routers = dhcp_options.addresses(options, dhcp_options.ROUTER)
    return Reply(
        kind,
        xid,
        chaddr,
        address,
        relay,
        dhcp_options.integer(options, dhcp_options.SERVER_ID) or 0,
        dhcp_options.integer(options, dhcp_options.SUBNET_MASK),
        routers,
        _gateway(options, routers),
        dhcp_options.integer(options, dhcp_options.LEASE_TIME),
        source,
    )


def _gateway(options: dhcp_options.Options, routers: tuple[int, ...]) -> int | None:
    classless = options.get(dhcp_options.CLASSLESS_ROUTES)
    if classless is not None:
        default = dhcp_options.classless_default(classless)
        # One that cannot be read is no answer, and option 3 stands.
        if default is not None:
            return default[0]
    for router in routers:
        if is_host(router):
            return router
    return None


def prefix_length(mask: int) -> int | None:
    """The length of a contiguous mask; None for any other, and for /0, which would be everything."""
    inverse = mask ^ 0xFFFFFFFF
    if mask == 0 or inverse & (inverse + 1):
        return None
    return 32 - inverse.bit_length()
