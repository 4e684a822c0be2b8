"""DHCP messages of a server in whole frames.

A server writes the options of all its messages in the same order and lengths. So the first few layouts are
remembered, and a message in a known layout is unpacked at once; any other is parsed step by step. Both give
the same result, which a test checks on frames that hypothesis generates.
"""

import struct
from collections.abc import Container
from operator import itemgetter
from typing import Final

from services.contract.gateways import is_host
from services.prober.frames import dhcp, ethernet, ipv4
from services.prober.frames.dhcp import Reply
from services.prober.frames.dhcp_options import (
    CLASSLESS_ROUTES,
    END,
    LEASE_TIME,
    MESSAGE_TYPE,
    OVERLOAD,
    PAD,
    ROUTER,
    SERVER_ID,
    SUBNET_MASK,
)
from services.prober.frames.ignore_reasons import IgnoreReason
from services.prober.frames.unchecked import new_unchecked

MAX_LAYOUTS: Final = 4
"""Layouts remembered for one frame length; messages in further ones are parsed step by step."""
_MAX_LENGTHS: Final = 16
"""Frame lengths for which layouts are remembered."""
_MAX_OPTIONS: Final = 32
_IP: Final = ethernet.HEADER_BYTES
_UDP: Final = ethernet.HEADER_BYTES + ipv4.HEADER_BYTES
_BOOTP: Final = _UDP + ipv4.UDP_HEADER_BYTES
_OPTIONS: Final = _BOOTP + dhcp.OPTIONS_AT
_HEAD: Final = "!14x4s2x2sxs2xI6x4sH3sx4s8xI4xI6s202x4s"
"""Version with total length, fragment, protocol, source; destination port with length, checksum; op with
htype and hlen, xid, yiaddr, giaddr, chaddr, cookie."""
_HEAD_CONSTANTS: Final = (0, 1, 2, 4, 6, 11)
_HEAD_FIELDS: Final = (3, 5, 7, 8, 9, 10)
_FIRST_OPTION: Final = 12
_PLAIN_HEADER: Final = bytes((ipv4.PLAIN_HEADER,))
"""Compared with a slice, which may be empty, and not with an octet: a frame may end before it."""
_XID: Final = 46
"""Its offset if the IPv4 header has no options."""
_SIZES: Final = {MESSAGE_TYPE: 1, SERVER_ID: 4, SUBNET_MASK: 4, ROUTER: 4, LEASE_TIME: 4}
"""The options that are read, and their lengths in a layout that is remembered."""
_NOT_REMEMBERED: Final = {OVERLOAD, CLASSLESS_ROUTES}
_UNSOLICITED: Final = IgnoreReason.DHCP_UNSOLICITED


class DHCPFrameReader:
    """Parses the frames of one uplink."""

    def __init__(self) -> None:
        self._layouts: dict[int, list[_Layout]] = {}
        """By frame length."""

    def read(self, frame: bytes, *, verify_checksum: bool, xids: Container[bytes]) -> Reply | IgnoreReason:
        """Parse an untagged IPv4 frame if it has one of these transaction IDs; never raises.

        verify_checksum: False if the UDP checksum may be incomplete (checksum offload).
        """
        if frame[_IP : _IP + 1] == _PLAIN_HEADER and frame[_XID : _XID + 4] not in xids:
            # Most messages to other clients end here, at little cost.
            return _UNSOLICITED
        for layout in self._layouts.get(len(frame), ()):
            reply = layout.read(frame, verify_checksum=verify_checksum)
            if reply is not None:
                return reply
        datagram = ipv4.parse_udp(frame, start=_IP, verify_checksum=verify_checksum)
        if datagram is None or datagram.destination_port != dhcp.CLIENT_PORT:
            return IgnoreReason.DHCP_DATAGRAM
        if dhcp.xid_of(datagram.payload) not in xids:
            return _UNSOLICITED
        read = dhcp.parse_reply(datagram.payload, source=datagram.source)
        if isinstance(read, Reply):
            self._remember(frame)
        return read

    def _remember(self, frame: bytes) -> None:
        layouts = self._layouts.get(len(frame), [])
        if len(layouts) < MAX_LAYOUTS and len(self._layouts) < _MAX_LENGTHS:
            layout = _layout_of(frame)
            if layout is not None:
                self._layouts[len(frame)] = [*layouts, layout]


class _Layout:
    """The offsets of the fields in frames of one length with one order of options."""

    __slots__ = (
        "_constants",
        "_expected",
        "_fields",
        "_found",
        "_lease",
        "_mask",
        "_router",
        "_server",
        "_udp_bytes",
    )

    def __init__(self, frame: bytes, heads: list[tuple[int, int]]) -> None:
        """frame: a valid one in this layout. heads: code and length of each option, in order."""
        kinds = {1: "B", 4: "I"}
        self._fields = struct.Struct(_HEAD + "".join(f"2s{kinds.get(n, f'{n}s')}" for _, n in heads) + "s")
        at = {code: _FIRST_OPTION + 2 * index + 1 for index, (code, _) in enumerate(heads)}
        heads_at = range(_FIRST_OPTION, _FIRST_OPTION + 2 * len(heads) + 1, 2)
        self._constants = itemgetter(*_HEAD_CONSTANTS, *heads_at)
        self._expected: tuple[object, ...] = self._constants(self._fields.unpack_from(frame))
        # An absent option gets the place of a present one, and is not read.
        places = [at.get(code, _FIRST_OPTION) for code in _SIZES]
        self._found = itemgetter(*_HEAD_FIELDS, *places)
        self._udp_bytes = int.from_bytes(frame[_UDP + 4 : _UDP + 6], "big")
        self._server, self._mask = SERVER_ID in at, SUBNET_MASK in at
        self._router, self._lease = ROUTER in at, LEASE_TIME in at

    def read(self, frame: bytes, *, verify_checksum: bool) -> Reply | None:
        """Parse a frame of this length; None if it has another layout or is malformed."""
        values = self._fields.unpack_from(frame)
        if self._constants(values) != self._expected or int.from_bytes(frame[_IP:_UDP], "big") % 0xFFFF:
            return None
        fields = self._found(values)
        source, checksum, xid, address, relay, chaddr, kind, server, mask, router, lease_s = fields
        verify = verify_checksum and checksum != 0
        if verify and not ipv4.udp_checksum_holds(frame, start=_UDP, length=self._udp_bytes):
            return None
        routers: tuple[int, ...] = (router,) if self._router else ()
        read = (
            kind,
            xid,
            chaddr,
            address,
            relay,
            server if self._server else 0,
            mask if self._mask else None,
            routers,
            router if routers and is_host(router) else None,
            lease_s if self._lease else None,
            source,
            False,
        )
        return new_unchecked(Reply, read)


def _layout_of(frame: bytes) -> _Layout | None:
    """Return the layout of a frame that was parsed step by step; None if it is not a simple one."""
    heads: list[tuple[int, int]] = []
    at = _OPTIONS
    # IPv4 options would move all fields.
    if frame[_IP] != ipv4.PLAIN_HEADER:
        return None
    while at + 1 < len(frame) and frame[at] != END:
        code, length = frame[at], frame[at + 1]
        if code == PAD or code in _NOT_REMEMBERED or length != _SIZES.get(code, length):
            return None
        heads.append((code, length))
        at += 2 + length
    codes = {code for code, _ in heads}
    udp_end = _UDP + int.from_bytes(frame[_UDP + 4 : _UDP + 6], "big")
    whole = at < udp_end and frame[at] == END and len(codes) == len(heads) <= _MAX_OPTIONS
    return _Layout(frame, heads) if whole and MESSAGE_TYPE in codes else None
