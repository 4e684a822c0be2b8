"""The networks that this host reaches itself, by its routes in rtnetlink(7), which needs no privilege."""

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from services.contract.limits import WIDEST_OWN_PREFIX
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
_RTPROT_KERNEL, _RT_SCOPE_LINK = 2, 253
_RTA_DST, _RTA_GATEWAY, _RTA_MULTIPATH = 1, 5, 9
_RTMSG = struct.Struct("=BBBBBBBBI")
_RTNEXTHOP = struct.Struct("=HBBi")
MAX_DATAGRAMS = 256
"""Of one dump, with some 500 routes each: more would take too long, every two seconds."""


def read_host_networks() -> tuple[IPv4Network, ...]:
    """Return the networks of this host's addresses, and the gateways of its default routes, each as a /32.

    IPv4, of all tables, sorted, the smallest networks first. Raises OSError.
    """
    found: set[IPv4Network] = set()
    with contextlib.closing(open_netlink()) as netlink:
        netlink.settimeout(TIMEOUT_S)
        body = _RTMSG.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
        header = HEADER.pack(HEADER.size + len(body), RTM_GETROUTE, _REQUEST | _DUMP, 1, 0)
        netlink.send(header + body)
        for _ in range(MAX_DATAGRAMS):
            networks, is_done = parse_routes(netlink.recv(RECEIVE_BYTES))
            found |= networks
            if is_done:
                return tuple(sorted(found, key=lambda network: (-network.prefixlen, network)))
    raise OSError(errno.EOVERFLOW, f"more than {MAX_DATAGRAMS} datagrams of routes")


def parse_routes(data: bytes) -> tuple[set[IPv4Network], bool]:
    """Return what a datagram of a dump names, as read_host_networks(), and whether the dump is complete.

    Raises OSError for an error of the kernel.
    """
    found: set[IPv4Network] = set()
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
            family, prefix, _, _, _, protocol, scope, route_type, _ = _RTMSG.unpack_from(data, body)
            attributes = data[body + _RTMSG.size : end]
            if (family, route_type) != (socket.AF_INET, _RTN_UNICAST):
                pass
            elif prefix == 0:
                found.update(map(IPv4Network, _gateways(attributes)))
            elif WIDEST_OWN_PREFIX <= prefix < 32 and (protocol, scope) == (_RTPROT_KERNEL, _RT_SCOPE_LINK):
                # The kernel's own, for an address of this host; a plugin's route to a pod is none.
                found.update(_destinations(attributes, prefix))
        at += (length + 3) & ~3
    return found, False


def _destinations(attributes: bytes, prefix: int) -> Iterator[IPv4Network]:
    """Yield the network that a route leads to (RTA_DST)."""
    for kind, value in _split(attributes):
        if kind == _RTA_DST and len(value) == 4:
            yield IPv4Network((value, prefix), strict=False)


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
