"""DHCP messages of a server (RFC 2131)."""

import struct
from typing import Final, NamedTuple

from services.contract.gateways import is_host
from services.prober.frames import dhcp_options
from services.prober.frames.ignore_reasons import IgnoreReason

CLIENT_PORT: Final = 68
OFFER: Final = 2
ACK: Final = 5
NAK: Final = 6
BOOTREPLY: Final = 2
MAX_MESSAGE_BYTES: Final = 1472
"""The maximum that our messages allow (option 57): what fits an MTU of 1500."""
COOKIE: Final = b"\x63\x82\x53\x63"

OPTIONS_AT: Final = 240
_COOKIE_AT: Final = 236
_ETHERNET_6: Final = b"\x01\x06"
_HEADER: Final = struct.Struct("!B2sx4s8xI4xI6s202x4s")
"""op, htype with hlen, xid, yiaddr, giaddr, the six octets of chaddr, the magic cookie."""


class Reply(NamedTuple):
    """A server's message. Addresses are integers; 0 is an empty field."""

    kind: int
    """The message type, option 53."""
    xid: bytes
    chaddr: bytes
    address: int
    """yiaddr: the offered or leased address."""
    relay: int
    """giaddr."""
    server: int
    """Option 54; 0 if it is missing."""
    mask: int | None
    routers: tuple[int, ...]
    """Option 3."""
    gateway: int | None
    """The default router: option 121 before option 3 (RFC 3442)."""
    lease_s: int | None
    source: int = 0
    """The source address in the IPv4 header."""
    on_link: bool = False
    """Whether option 121 says that the default router is on the link."""


def xid_of(payload: bytes) -> bytes:
    """Return the transaction ID, without looking at the rest of the message."""
    return payload[4:8]


def parse_reply(payload: bytes, *, source: int = 0) -> Reply | IgnoreReason:
    """Parse a UDP payload as a server's message; never raises. source: the sender's IPv4 address."""
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
    gateway, on_link = _gateway(options, routers)
    return Reply(
        kind,
        xid,
        chaddr,
        address,
        relay,
        dhcp_options.integer(options, dhcp_options.SERVER_ID) or 0,
        dhcp_options.integer(options, dhcp_options.SUBNET_MASK),
        routers,
        gateway,
        dhcp_options.integer(options, dhcp_options.LEASE_TIME),
        source,
        on_link,
    )


def _gateway(options: dhcp_options.Options, routers: tuple[int, ...]) -> tuple[int | None, bool]:
    """Return the default router, and whether option 121 says that it is on the link."""
    classless = options.get(dhcp_options.CLASSLESS_ROUTES)
    if classless is not None:
        default = dhcp_options.classless_default(classless)
        # If option 121 is malformed, option 3 counts.
        if default is not None:
            return default
    for router in routers:
        if is_host(router):
            return router, False
    return None, False


def prefix_length(mask: int) -> int | None:
    """Return the length of a contiguous mask; None for any other mask, and for /0."""
    inverse = mask ^ 0xFFFFFFFF
    if mask == 0 or inverse & (inverse + 1):
        return None
    return 32 - inverse.bit_length()
