"""What a bridge passes on to the machines behind it, by rtnetlink(7), which needs no privilege.

A bridge with VLAN filtering drops each frame whose VLAN is not in the table of the port that it comes in by.
"""

import socket
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from services.prober.sockets.netlink import (
    ATTRIBUTE,
    IFINFOMSG,
    RTM_GETLINK,
    RTM_NEWLINK,
    RTMGRP_LINK,
    open_netlink,
    read_dump,
    split_attributes,
)

_IFLA_IFNAME, _IFLA_MASTER, _IFLA_PROTINFO = 3, 10, 12
_IFLA_LINKINFO, _IFLA_AF_SPEC, _IFLA_EXT_MASK = 18, 26, 29
_INFO_KIND, _INFO_DATA = 1, 2
_BR_VLAN_FILTERING = 7
_BRPORT_STATE = 1
_BRIDGE_VLAN_INFO = 2
_VLAN = struct.Struct("=HH")
_RANGE_BEGIN, _RANGE_END = 1 << 3, 1 << 4
_COMPRESSED_VLANS = 1 << 2
_DISABLED, _BLOCKING = 0, 4
"""States of a port (BR_STATE_…). One that listens or learns is about to forward."""
_MAX_VLAN = 4094
_MAX_NOTICES = 1024
_RECEIVE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class BridgePort:
    """An interface as the port of a bridge."""

    is_blocked: bool
    """Whether it is disabled, or blocked by spanning tree."""
    vlans: int | None
    """A bit for each VLAN that it carries, tagged or not; None: the bridge does not filter, so all."""

    def carries(self, vlan: int) -> bool:
        """Return whether frames of this VLAN pass."""
        return self.vlans is None or bool(self.vlans >> vlan & 1)


def read_bridge_ports(interfaces: Collection[str]) -> dict[str, BridgePort]:
    """Return those of these interfaces that are ports of a bridge. Raises OSError."""
    kind = _attribute(_IFLA_LINKINFO, _attribute(_INFO_KIND, b"bridge\0"))
    bridges = read_dump(RTM_GETLINK, IFINFOMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0, 0) + kind)
    filtering = dict(parse_bridges(bridges))
    mask = _attribute(_IFLA_EXT_MASK, struct.pack("=I", _COMPRESSED_VLANS))
    ports = read_dump(RTM_GETLINK, IFINFOMSG.pack(socket.AF_BRIDGE, 0, 0, 0, 0, 0) + mask)
    return dict(parse_ports(ports, filtering, interfaces))


def parse_bridges(messages: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bool]]:
    """Yield the index of each bridge in a dump of interfaces, and whether it filters VLANs."""
    for index, attributes in _interfaces(messages):
        info = dict(split_attributes(attributes.get(_IFLA_LINKINFO, b"")))
        if info.get(_INFO_KIND, b"").rstrip(b"\0") == b"bridge":
            data = dict(split_attributes(info.get(_INFO_DATA, b"")))
            yield index, data.get(_BR_VLAN_FILTERING, b"\0") != b"\0"


def parse_ports(
    messages: Iterable[tuple[int, bytes]], filtering: Mapping[int, bool], interfaces: Collection[str]
) -> Iterator[tuple[str, BridgePort]]:
    """Yield these interfaces as ports, from a dump of all bridges' ports (AF_BRIDGE).

    filtering: whether the bridge with this index filters VLANs; the ports of unknown ones are left out.
    """
    for _, attributes in _interfaces(messages):
        name = attributes.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace")
        state = dict(split_attributes(attributes.get(_IFLA_PROTINFO, b""))).get(_BRPORT_STATE, b"")
        master = attributes.get(_IFLA_MASTER, b"")
        # A NIC with a switch of its own answers for itself too, without a state.
        if name not in interfaces or len(state) != 1 or len(master) != 4:
            continue
        (bridge,) = struct.unpack("=I", master)
        if bridge in filtering:
            vlans = parse_vlans(attributes.get(_IFLA_AF_SPEC, b"")) if filtering[bridge] else None
            yield name, BridgePort(state[0] in (_DISABLED, _BLOCKING), vlans)


def parse_vlans(table: bytes) -> int:
    """Return a bit for each VLAN of a port's table (IFLA_AF_SPEC), which may have ranges."""
    found, begin = 0, 0
    for kind, value in split_attributes(table):
        if kind != _BRIDGE_VLAN_INFO or len(value) < _VLAN.size:
            continue
        flags, vlan = _VLAN.unpack_from(value)
        if not 1 <= vlan <= _MAX_VLAN:
            continue
        if flags & _RANGE_BEGIN:
            begin = vlan
            continue
        first = begin if flags & _RANGE_END and 0 < begin <= vlan else vlan
        found |= (1 << vlan + 1) - (1 << first)
        begin = 0
    return found


class LinkNotices:
    """Tells whether any interface, or any port's table, has changed since the last call. Never blocks."""

    def __init__(self) -> None:
        """Raises OSError."""
        self._netlink = open_netlink(groups=RTMGRP_LINK)
        self._netlink.setblocking(False)

    def changed(self) -> bool:
        """Return whether the kernel has told of a change, or of changes that it could not tell."""
        found = False
        for _ in range(_MAX_NOTICES):
            try:
                self._netlink.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                return found
            except OSError:
                # Notices were lost.
                return True
            found = True
        return found


def _attribute(kind: int, value: bytes) -> bytes:
    text = ATTRIBUTE.pack(ATTRIBUTE.size + len(value), kind) + value
    return text + bytes(-len(text) % 4)


def _interfaces(messages: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, dict[int, bytes]]]:
    for kind, body in messages:
        if kind == RTM_NEWLINK and len(body) >= IFINFOMSG.size:
            index = int(IFINFOMSG.unpack_from(body)[3])
            yield index, dict(split_attributes(body[IFINFOMSG.size :]))
