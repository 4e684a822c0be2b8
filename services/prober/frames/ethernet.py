"""Ethernet frames with an 802.1Q tag, and the station that sends them.

Frames are sent with the tag inside. They are received without it: the kernel strips the outer tag, with or
without offload, and passes it beside the frame (PACKET_AUXDATA, or the ring's header).
"""

from typing import Final

HEADER_BYTES: Final = 14
TAG_BYTES: Final = 4
TAGGED_HEADER_BYTES: Final = HEADER_BYTES + TAG_BYTES
BROADCAST: Final = b"\xff" * 6
TYPE_IPV4: Final = b"\x08\x00"
TYPE_ARP: Final = b"\x08\x06"
VLAN_MASK: Final = 0x0FFF

MAC_BYTES: Final = 6
"""A frame begins with the destination, followed by the source."""
TAG: Final = slice(14, 16)
"""The tag control information of a tagged frame: priority 0, then the VLAN."""
CLIENT_ID_BYTES: Final = 17
"""The length of the DHCP client identifier: type 0, then sixteen octets."""


def source_of(frame: bytes) -> bytes:
    """Return the MAC address that sent a frame."""
    return frame[6:12]


class Station:
    """The prober's addresses on one VLAN, with values that would otherwise be computed for each frame."""

    __slots__ = ("client_id", "client_id_sum", "mac", "mac_sum", "tag", "vlan")

    def __init__(self, *, vlan: int, mac: bytes, client_id: bytes) -> None:
        """mac: six octets. client_id: the value of DHCP option 61, CLIENT_ID_BYTES."""
        self.vlan = vlan
        self.tag = vlan.to_bytes(2, "big")
        """The tag control information."""
        self.mac = mac
        self.client_id = client_id
        # Their contributions to an Internet checksum (RFC 1071).
        self.mac_sum = int.from_bytes(mac, "big") % 0xFFFF
        self.client_id_sum = int.from_bytes(client_id, "big") % 0xFFFF


def mac_text(mac: bytes) -> str:
    """Return the address as text: 62:1f:00:ab:c0:07."""
    return mac.hex(":")
