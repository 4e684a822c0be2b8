"""LLDP frames (IEEE 802.1AB), as the lab's switch sends them on its ports. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

INTERVAL_SECONDS = 5.0
"""Real switches send every 30 s; here nobody should have to wait."""
TTL_SECONDS = 120
MAX_FRAME_BYTES = 1514
_GROUP = bytes.fromhex("0180c200000e")
_TYPE = bytes.fromhex("88cc")
_IEEE_802_1 = bytes.fromhex("0080c2")
_BRIDGE = 0x0004


@dataclass(frozen=True, kw_only=True)
class PortLabel:
    """What the switch says of itself and of one of its ports. `vlans`: those that it advertises by name.

    It is what the switch says, not what it does: real lists are often partial.
    """

    switch: str
    port: str
    description: str = ""
    address: IPv4Address | None = None
    native_vlan: int | None = None
    vlans: frozenset[int] = frozenset()


def switch_mac(label: PortLabel) -> bytes:
    """Return the MAC address of the switch: the same on all its ports."""
    return b"\x02" + hashlib.blake2b(label.switch.encode(), digest_size=5).digest()


def lldp_frame(label: PortLabel, *, mac: bytes, ttl: int = TTL_SECONDS) -> bytes:
    """Return the Ethernet frame that announces `label` from the port with this MAC; `ttl` 0 revokes it."""
    fields = [
        _field(1, b"\x04" + mac),
        _field(2, b"\x05" + label.port.encode()),
        _field(3, ttl.to_bytes(2, "big")),
    ]
    if label.description:
        fields.append(_field(4, label.description.encode()))
    fields += [_field(5, label.switch.encode()), _field(7, 2 * _BRIDGE.to_bytes(2, "big"))]
    if label.address is not None:
        # The address family 1 with its length, then an unknown interface number and no object identifier.
        fields.append(_field(8, b"\x05\x01" + label.address.packed + b"\x01" + bytes(5)))
    if label.native_vlan is not None:
        fields.append(_organization(1, label.native_vlan.to_bytes(2, "big")))
    fields += [_organization(3, body) for body in _names(label.vlans)]
    return _GROUP + mac + _TYPE + b"".join(fields) + _field(0, b"")


def _names(vlans: Iterable[int]) -> Iterable[bytes]:
    for vlan in sorted(vlans):
        name = f"vlan{vlan}".encode()
        yield vlan.to_bytes(2, "big") + bytes([len(name)]) + name


def _organization(subtype: int, body: bytes) -> bytes:
    return _field(127, _IEEE_802_1 + bytes([subtype]) + body)


def _field(kind: int, value: bytes) -> bytes:
    return (kind << 9 | len(value)).to_bytes(2, "big") + value
