"""How the lab's switch forwards: VLANs apart, addresses learned, the unknown flooded. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Bounds the table against a station that invents addresses; an address that finds no room is flooded.
_MAX_ADDRESSES = 65536
_HEADER_LENGTH = 14
_VLAN_MASK = 0x0FFF
_TPID = b"\x81\x00"


@dataclass(frozen=True, kw_only=True)
class AccessPort:
    """A port of one VLAN, untagged."""

    cluster_network: str
    vlan: int


@dataclass(frozen=True, kw_only=True)
class TrunkPort:
    """A port that carries `vlans`, tagged (IEEE 802.1Q). What comes untagged belongs nowhere."""

    cluster_network: str
    vlans: frozenset[int]


Port = AccessPort | TrunkPort
_Segment = tuple[str, int]


class Forwarding:
    """The decisions of one switch with `ports` by name. Cluster networks are switches apart."""

    def __init__(self, ports: Mapping[str, Port]) -> None:
        self._ports = dict(ports)
        self._members: dict[_Segment, tuple[tuple[str, bool], ...]] = {}
        self._learned: dict[tuple[_Segment, bytes], str] = {}

    def forward(self, port: str, tci: int | None, frame: bytes) -> list[tuple[str, bytes]]:
        """Where `frame` goes that came in at `port`: port and bytes, tagged where the port is a trunk.

        `tci` is the tag control information of the outer tag, which the kernel has taken out of the frame
        already; None when it had no tag.
        """
        segment = self._segment(port, tci)
        if segment is None or len(frame) < _HEADER_LENGTH:
            return []
        destination, source = frame[:6], frame[6:12]
        self._learn(segment, source, port)
        known = None if destination[0] & 1 else self._learned.get((segment, destination))
        tagged = b""
        out: list[tuple[str, bytes]] = []
        for name, is_trunk in self._members_of(segment):
            if name == port or (known is not None and name != known):
                continue
            if is_trunk and not tagged:
                priority = (tci or 0) & ~_VLAN_MASK
                tag = _TPID + (priority | segment[1]).to_bytes(2, "big")
                tagged = frame[:12] + tag + frame[12:]
            out.append((name, tagged if is_trunk else frame))
        return out

    def _segment(self, name: str, tci: int | None) -> _Segment | None:
        port = self._ports.get(name)
        if isinstance(port, AccessPort):
            return (port.cluster_network, port.vlan) if tci is None else None
        if port is None or tci is None or tci & _VLAN_MASK not in port.vlans:
            return None
        return port.cluster_network, tci & _VLAN_MASK

    def _learn(self, segment: _Segment, source: bytes, port: str) -> None:
        key = (segment, source)
        if key in self._learned or len(self._learned) < _MAX_ADDRESSES:
            self._learned[key] = port

    def _members_of(self, segment: _Segment) -> tuple[tuple[str, bool], ...]:
        # Made when first needed: two trunks of 4094 VLANs are many segments that nobody uses.
        if segment not in self._members:
            self._members[segment] = tuple(
                (name, isinstance(port, TrunkPort))
                for name, port in self._ports.items()
                if port.cluster_network == segment[0] and _carries(port, segment[1])
            )
        return self._members[segment]


def _carries(port: Port, vlan: int) -> bool:
    return vlan in port.vlans if isinstance(port, TrunkPort) else vlan == port.vlan
