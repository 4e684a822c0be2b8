"""The networks that this host reaches itself, by its routes in rtnetlink(7), which needs no privilege."""

import socket
import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

from services.contract.limits import WIDEST_OWN_PREFIX
from services.prober.sockets.netlink import read_dump, split_attributes

RTM_NEWROUTE, RTM_GETROUTE = 24, 26
_RTN_UNICAST = 1
_RTPROT_KERNEL, _RT_SCOPE_LINK = 2, 253
_RTA_DST, _RTA_GATEWAY, _RTA_MULTIPATH = 1, 5, 9
_RTMSG = struct.Struct("=BBBBBBBBI")
_RTNEXTHOP = struct.Struct("=HBBi")


def read_host_networks() -> tuple[IPv4Network, ...]:
    """Return the networks of this host's addresses, and the gateways of its default routes, each as a /32.

    IPv4, of all tables, sorted, the smallest networks first. Raises OSError.
    """
    request = _RTMSG.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
    found = set(parse_routes(read_dump(RTM_GETROUTE, request)))
    return tuple(sorted(found, key=lambda network: (-network.prefixlen, network)))


def parse_routes(messages: Iterable[tuple[int, bytes]]) -> Iterator[IPv4Network]:
    """Yield what the messages of a dump name, as read_host_networks()."""
    for kind, body in messages:
        if kind != RTM_NEWROUTE or len(body) < _RTMSG.size:
            continue
        family, prefix, _, _, _, protocol, scope, route_type, _ = _RTMSG.unpack_from(body)
        attributes = body[_RTMSG.size :]
        if (family, route_type) != (socket.AF_INET, _RTN_UNICAST):
            continue
        if prefix == 0:
            yield from map(IPv4Network, _gateways(attributes))
        elif WIDEST_OWN_PREFIX <= prefix < 32 and (protocol, scope) == (_RTPROT_KERNEL, _RT_SCOPE_LINK):
            # The kernel's own, for an address of this host; a plugin's route to a pod is none.
            yield from _destinations(attributes, prefix)


def _destinations(attributes: bytes, prefix: int) -> Iterator[IPv4Network]:
    """Yield the network that a route leads to (RTA_DST)."""
    for kind, value in split_attributes(attributes):
        if kind == _RTA_DST and len(value) == 4:
            yield IPv4Network((value, prefix), strict=False)


def _gateways(attributes: bytes) -> Iterator[IPv4Address]:
    """Yield the gateways in a route's attributes: its own, or those of its next hops (RTA_MULTIPATH)."""
    for kind, value in split_attributes(attributes):
        if kind == _RTA_GATEWAY and len(value) == 4:
            yield IPv4Address(value)
        elif kind == _RTA_MULTIPATH:
            for hop in _next_hops(value):
                yield from _gateways(hop)


def _next_hops(value: bytes) -> Iterator[bytes]:
    """Yield the attributes of each next hop."""
    at = 0
    while at + _RTNEXTHOP.size <= len(value):
        size = int(_RTNEXTHOP.unpack_from(value, at)[0])
        if size < _RTNEXTHOP.size:
            break
        yield value[at + _RTNEXTHOP.size : at + size]
        at += (size + 3) & ~3
