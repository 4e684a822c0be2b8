"""Forwarding rules of the lab's switch: separate VLANs, learned addresses, flooding of unknown ones. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lab.lldp import PortLabel

# Bounds the table against a station that invents addresses; frames to an address without an entry are
# flooded.
_MAX_ADDRESSES = 65536
_HEADER_LENGTH = 14
_VLAN_MASK = 0x0FFF
_TPID = b"\x81\x00"


@dataclass(frozen=True, kw_only=True)
class AccessPort:
    """An untagged port of one VLAN."""

    cluster_network: str
    vlan: int


@dataclass(frozen=True, kw_only=True)
class TrunkPort:
    """A port that carries `vlans`, tagged (IEEE 802.1Q), except `native`, which is one of them.

    It sends `native` untagged, and takes it with or without a tag, as switches do. Without one, untagged
    frames are dropped. `loss` is the share of frames that its cable loses, in each direction. `lldp`: what
    the switch announces on it; None: nothing.
    """

    cluster_network: str
    vlans: frozenset[int]
    loss: float = 0.0
    lldp: PortLabel | None = None
    native: int | None = None


Port = AccessPort | TrunkPort
_Segment = tuple[str, int]


class Forwarding:
    """The forwarding state of one switch with `ports` by name. Each cluster network has its own switch.

    `random` decides which frames a cable loses: below its loss.
    """

    def __init__(self, ports: Mapping[str, Port], *, random: Callable[[], float] = lambda: 1.0) -> None:
        self._ports = dict(ports)
        self._losses = {
            name: port.loss for name, port in ports.items() if isinstance(port, TrunkPort) and port.loss
        }
        self._random = random
        self._members: dict[_Segment, tuple[tuple[str, bool], ...]] = {}
        self._learned: dict[tuple[_Segment, bytes], str] = {}

    def forward(self, port: str, tci: int | None, frame: bytes) -> list[tuple[str, bytes]]:
        """Return the outgoing ports of a `frame` that arrived at `port`, with the bytes for each.

        `tci` is the tag control information of the outer tag, which the kernel has already stripped; None if
        the frame was untagged. Frames for a trunk port are tagged, those of its native VLAN are not.
        """
        segment = self._segment(port, tci)
        if segment is None or len(frame) < _HEADER_LENGTH or self._is_lost(port):
            return []
        destination, source = frame[:6], frame[6:12]
        self._learn(segment, source, port)
        known = None if destination[0] & 1 else self._learned.get((segment, destination))
        tagged = b""
        out: list[tuple[str, bytes]] = []
        for name, is_tagged in self._members_of(segment):
            if name == port or (known is not None and name != known) or self._is_lost(name):
                continue
            if is_tagged and not tagged:
                priority = (tci or 0) & ~_VLAN_MASK
                tag = _TPID + (priority | segment[1]).to_bytes(2, "big")
                tagged = frame[:12] + tag + frame[12:]
            out.append((name, tagged if is_tagged else frame))
        return out

    def _is_lost(self, port: str) -> bool:
        return port in self._losses and self._random() < self._losses[port]

    def _segment(self, name: str, tci: int | None) -> _Segment | None:
        port = self._ports.get(name)
        if isinstance(port, AccessPort):
            return (port.cluster_network, port.vlan) if tci is None else None
        if port is None:
            return None
        # Without a tag, and with one that names no VLAN but a priority.
        vlan = (tci or 0) & _VLAN_MASK or port.native
        return (port.cluster_network, vlan) if vlan in port.vlans else None

    def _learn(self, segment: _Segment, source: bytes, port: str) -> None:
        key = (segment, source)
        if key in self._learned or len(self._learned) < _MAX_ADDRESSES:
            self._learned[key] = port

    def _members_of(self, segment: _Segment) -> tuple[tuple[str, bool], ...]:
        # Created on first use: two trunks of 4094 VLANs have many segments without traffic.
        if segment not in self._members:
            self._members[segment] = tuple(
                (name, isinstance(port, TrunkPort) and port.native != segment[1])
                for name, port in self._ports.items()
                if port.cluster_network == segment[0] and _carries(port, segment[1])
            )
        return self._members[segment]


def _carries(port: Port, vlan: int) -> bool:
    return vlan in port.vlans if isinstance(port, TrunkPort) else vlan == port.vlan
