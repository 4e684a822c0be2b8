"""Ethernet frames and their 802.1Q tag.

Frames are sent with their tag inside. They are received without it: the kernel strips the outer tag and
hands it over beside the frame (PACKET_AUXDATA, or the ring's header), offload or not.
"""

from typing import Final

HEADER_BYTES: Final = 14
TAG_BYTES: Final = 4
TAGGED_HEADER_BYTES: Final = HEADER_BYTES + TAG_BYTES
MIN_FRAME_BYTES: Final = 60
"""The shortest frame without its tag and its checksum (IEEE 802.3 clause 4)."""
BROADCAST: Final = b"\xff" * 6
TYPE_IPV4: Final = b"\x08\x00"
TYPE_ARP: Final = b"\x08\x06"
VLAN_MASK: Final = 0x0FFF

MAC_BYTES: Final = 6
"""A frame begins with its destination, then comes its source."""
TAG: Final = slice(14, 16)
"""The tag control information of a tagged frame: priority 0, then the VLAN."""


def mac_text(mac: bytes) -> str:
    """The address as people write it: 62:1f:00:ab:c0:07."""
    return mac.hex(":")
