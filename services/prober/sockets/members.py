"""The NICs behind an uplink: the members of a bond or team, by rtnetlink(7), which needs no privilege."""

import socket
import struct
from collections.abc import Iterable, Iterator

from services.prober.sockets.netlink import (
    ATTRIBUTE,
    IFINFOMSG,
    RTM_GETLINK,
    RTM_NEWLINK,
    read_dump,
    split_attributes,
)

_IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO = 3, 10, 18
_INFO_SLAVE_KIND = 4
BUNDLES = frozenset({b"bond", b"team"})
"""Kinds of interfaces whose members reach the switch: the ports of a bridge may be tenants' machines."""


def read_members(interface: str) -> tuple[str, ...]:
    """Return the names of the NICs by which an interface's frames leave, sorted: itself if it is no bond.

    Raises OSError, also for an unknown interface.
    """
    index = socket.if_nametoindex(interface)
    master = ATTRIBUTE.pack(ATTRIBUTE.size + 4, _IFLA_MASTER) + struct.pack("=I", index)
    request = IFINFOMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0, 0) + master
    return tuple(sorted(parse_members(read_dump(RTM_GETLINK, request), index))) or (interface,)


def parse_members(messages: Iterable[tuple[int, bytes]], master: int) -> Iterator[str]:
    """Yield the names of a bond's members in a dump: old kernels do not limit it to those of one master."""
    for kind, body in messages:
        if kind != RTM_NEWLINK or len(body) < IFINFOMSG.size:
            continue
        attributes = dict(split_attributes(body[IFINFOMSG.size :]))
        info = dict(split_attributes(attributes.get(_IFLA_LINKINFO, b"")))
        if (
            attributes.get(_IFLA_MASTER) == struct.pack("=I", master)
            and info.get(_INFO_SLAVE_KIND, b"").rstrip(b"\0") in BUNDLES
        ):
            yield attributes.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace")
