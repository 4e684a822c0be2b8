"""LLDP (IEEE 802.1AB): what a switch says of itself, and of the port that a NIC is plugged into.

The sender is whoever is on the link. So nothing here raises, the work for one frame is bounded by its size,
and texts are cut and have no control characters.
"""

from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

from services.contract.limits import MAX_TOLD_CHARACTERS, MAX_VLAN_RANGES
from services.contract.vlans import runs_of
from services.prober.frames.ethernet import HEADER_BYTES, MAC_BYTES, mac_text

TYPE: Final = b"\x88\xcc"
DESTINATIONS: Final = tuple(b"\x01\x80\xc2\x00\x00" + bytes([last]) for last in (0x0E, 0x03, 0x00))
"""Nearest bridge, nearest non-TPMR bridge, nearest customer bridge (table 7-1)."""

_END, _CHASSIS, _PORT, _TTL, _DESCRIPTION, _NAME, _CAPABILITIES, _ADDRESS, _ORGANIZATION = (
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    127,
)
_CHASSIS_MAC, _CHASSIS_NETWORK = 4, 5
_PORT_MAC, _PORT_NETWORK = 3, 4
_IEEE_802_1: Final = b"\x00\x80\xc2"
_PVID, _PROTOCOL_VLAN, _VLAN_NAME = 1, 2, 3
_PROTOCOL_VLAN_ENABLED = 0x04
_FORWARDS = 0x0004 | 0x0010
"""The capabilities bridge and router (table 8-4)."""

VlanRanges = tuple[tuple[int, int], ...]


class Neighbour(NamedTuple):
    """One sender of LLDP, as it describes itself."""

    identity: bytes
    """Chassis ID and port ID, as sent: what tells senders apart (MSAP identifier)."""
    ttl_s: int
    """How long this holds; 0: no longer."""
    chassis: str
    port: str
    description: str = ""
    name: str = ""
    address: IPv4Address | IPv6Address | None = None
    """The first management address, of IPv4 if there is one."""
    forwards: bool = False
    """Whether it is a bridge or router, by its enabled capabilities."""
    native_vlan: int | None = None
    vlans: VlanRanges = ()
    """Empty if none is advertised, or more ranges than MAX_VLAN_RANGES."""


def parse(frame: bytes) -> Neighbour | None:
    """Return the sender of an Ethernet frame without a tag; None if it is no LLDPDU as in section 9.2.7.7."""
    if frame[:MAC_BYTES] not in DESTINATIONS or frame[12:HEADER_BYTES] != TYPE:
        return None
    fields = _split(frame)
    if fields is None or [kind for kind, _ in fields[:3]] != [_CHASSIS, _PORT, _TTL]:
        return None
    (_, chassis), (_, port), (_, ttl), *others = fields
    if not (2 <= len(chassis) <= 256 and 2 <= len(port) <= 256 and len(ttl) >= 2):
        return None
    if any(kind in (_CHASSIS, _PORT, _TTL) for kind, _ in others):
        return None
    first: dict[int, bytes] = {}
    addresses: list[IPv4Address | IPv6Address] = []
    native, vlans = 0, set[int]()
    for kind, value in others:
        first.setdefault(kind, value)
        if kind == _ADDRESS and value:
            # Its length counts the address family.
            address = _ip_address(value[1 : 1 + value[0]])
            addresses += [] if address is None else [address]
        elif kind == _ORGANIZATION and value[:3] == _IEEE_802_1:
            subtype, body = value[3:4], value[4:]
            if subtype == bytes([_PVID]) and len(body) == 2:
                native = int.from_bytes(body, "big")
            elif subtype == bytes([_VLAN_NAME]) and len(body) >= 3:
                vlans.add(int.from_bytes(body[:2], "big"))
            elif subtype == bytes([_PROTOCOL_VLAN]) and len(body) == 3 and body[0] & _PROTOCOL_VLAN_ENABLED:
                vlans.add(int.from_bytes(body[1:], "big"))
    capabilities = first.get(_CAPABILITIES, b"")
    return Neighbour(
        identity=bytes([len(chassis) - 1]) + chassis + port,
        ttl_s=int.from_bytes(ttl[:2], "big"),
        chassis=_identifier(chassis, mac=_CHASSIS_MAC, network=_CHASSIS_NETWORK),
        port=_identifier(port, mac=_PORT_MAC, network=_PORT_NETWORK),
        description=clean(first.get(_DESCRIPTION, b"")),
        name=clean(first.get(_NAME, b"")),
        address=next((found for found in addresses if found.version == 4), next(iter(addresses), None)),
        forwards=len(capabilities) >= 4 and bool(int.from_bytes(capabilities[2:4], "big") & _FORWARDS),
        native_vlan=native if 1 <= native <= 4094 else None,
        vlans=_few(runs_of(vlan for vlan in vlans if 1 <= vlan <= 4094)),
    )


def clean(text: bytes) -> str:
    """Return a sender's text on one line, without control and formatting characters, cut to its limit.

    Nor has it backticks: in texts they enclose what the reader may type.
    """
    words = text.decode(errors="replace").replace("\0", " ").replace("`", "'").split()
    shown = "".join(character for character in " ".join(words) if character.isprintable())
    return shown if len(shown) <= MAX_TOLD_CHARACTERS else f"{shown[: MAX_TOLD_CHARACTERS - 1]}…"


def _split(frame: bytes) -> list[tuple[int, bytes]] | None:
    """Return the type and the value of each TLV up to the end; None if one extends beyond the frame."""
    fields: list[tuple[int, bytes]] = []
    at = HEADER_BYTES
    while at + 2 <= len(frame):
        head = int.from_bytes(frame[at : at + 2], "big")
        kind, end = head >> 9, at + 2 + (head & 0x1FF)
        if kind == _END:
            break
        if end > len(frame):
            return None
        fields.append((kind, frame[at + 2 : end]))
        at = end
    return fields


def _identifier(value: bytes, *, mac: int, network: int) -> str:
    """Return an ID as text, by its subtype; in hexadecimal if it has no printable characters."""
    subtype, body = value[0], value[1:]
    if subtype == mac and len(body) == MAC_BYTES:
        return mac_text(body)
    address = _ip_address(body) if subtype == network else None
    return str(address) if address is not None else clean(body) or body[: MAX_TOLD_CHARACTERS // 2].hex()


def _ip_address(value: bytes) -> IPv4Address | IPv6Address | None:
    """Return the address in a family (IANA address family numbers) and its octets."""
    if value[:1] == b"\x01" and len(value) == 5:
        return IPv4Address(value[1:])
    if value[:1] == b"\x02" and len(value) == 17:
        return IPv6Address(value[1:])
    return None


def _few(ranges: list[tuple[int, int]]) -> VlanRanges:
    """Return these ranges (first, last); none if they are too many."""
    return tuple(ranges) if len(ranges) <= MAX_VLAN_RANGES else ()
