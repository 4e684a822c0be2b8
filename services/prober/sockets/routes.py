"""The default routes of this host by rtnetlink(7), which needs no privilege."""

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address

from services.prober.sockets.netlink import (
    ATTRIBUTE,
    HEADER,
    NLMSG_ERROR,
    RECEIVE_BYTES,
    TIMEOUT_S,
    open_netlink,
)

NLMSG_DONE, RTM_NEWROUTE, RTM_GETROUTE = 3, 24, 26
_REQUEST, _DUMP = 0x1, 0x300
_RTN_UNICAST = 1
_RTA_GATEWAY, _RTA_MULTIPATH = 5, 9
_RTMSG = struct.Struct("=BBBBBBBBI")
_RTNEXTHOP = struct.Struct("=HBBi")
MAX_DATAGRAMS = 256
"""Of one dump, with some 500 routes each: more would take too long, every two seconds."""


def read_default_gateways() -> tuple[IPv4Address, ...]:
    """Return the gateways of the IPv4 default routes in all tables, sorted. Raises OSError."""
    found: set[IPv4Address] = set()
    with contextlib.closing(open_netlink()) as netlink:
        netlink.settimeout(TIMEOUT_S)
        body = _RTMSG.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
        header = HEADER.pack(HEADER.size + len(body), RTM_GETROUTE, _REQUEST | _DUMP, 1, 0)
        netlink.send(header + body)
        for _ in range(MAX_DATAGRAMS):
            gateways, is_done = parse_routes(netlink.recv(RECEIVE_BYTES))
            found |= gateways
            if is_done:
                return tuple(sorted(found))
    raise OSError(errno.EOVERFLOW, f"more than {MAX_DATAGRAMS} datagrams of routes")


def parse_routes(data: bytes) -> tuple[set[IPv4Address], bool]:
    """Return the gateways of the default routes in a datagram of a dump, and whether the dump is complete.

    Raises OSError for an error of the kernel.
    """
    found: set[IPv4Address] = set()
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, _, _, _ = HEADER.unpack_from(data, at)
        body, end = at + HEADER.size, min(at + length, len(data))
        if kind == NLMSG_DONE:
            return found, True
        if length < HEADER.size:
            break
        if kind == NLMSG_ERROR and end >= body + 4:
            code = -int(struct.unpack_from("=i", data, body)[0])
            raise OSError(code, os.strerror(code))
        if kind == RTM_NEWROUTE and end >= body + _RTMSG.size:
            family, prefix, *_, route_type, _ = _RTMSG.unpack_from(data, body)
            if (family, prefix, route_type) == (socket.AF_INET, 0, _RTN_UNICAST):
                found.update(_gateways(data[body + _RTMSG.size : end]))
        at += (length + 3) & ~3
    return found, False


def _gateways(attributes: bytes) -> Iterator[IPv4Address]:
    """Yield the gateways in a route's attributes: its own, or those of its next hops (RTA_MULTIPATH)."""
    for kind, value in _split(attributes):
        if kind == _RTA_GATEWAY and len(value) == 4:
            yield IPv4Address(value)
        elif kind == _RTA_MULTIPATH:
            for hop in _next_hops(value):
                yield from (IPv4Address(v) for k, v in _split(hop) if k == _RTA_GATEWAY and len(v) == 4)


def _next_hops(value: bytes) -> Iterator[bytes]:
    """Yield the attributes of each next hop."""
    at = 0
    while at + _RTNEXTHOP.size <= len(value):
        size = int(_RTNEXTHOP.unpack_from(value, at)[0])
        if size < _RTNEXTHOP.size:
            break
        yield value[at + _RTNEXTHOP.size : at + size]
        at += (size + 3) & ~3


def _split(attributes: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + ATTRIBUTE.size <= len(attributes):
        size, kind = ATTRIBUTE.unpack_from(attributes, at)
        if size < ATTRIBUTE.size:
            break
        yield kind, attributes[at + ATTRIBUTE.size : at + size]
        at += (size + 3) & ~3
