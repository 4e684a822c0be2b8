"""Who we are on one VLAN, in the form that frames are made of."""

from typing import Final

CLIENT_ID_BYTES: Final = 17
"""Type 0, then sixteen octets that are ours alone."""


class Station:
    """One VLAN's addresses of ours, with what would otherwise be computed again for each frame."""

    __slots__ = ("client_id", "client_id_sum", "mac", "mac_sum", "tag", "vlan")

    def __init__(self, *, vlan: int, mac: bytes, client_id: bytes) -> None:
        """mac: six octets. client_id: the value of option 61, CLIENT_ID_BYTES."""
        self.vlan = vlan
        self.tag = vlan.to_bytes(2, "big")
        """The tag control information: priority 0, then the VLAN."""
        self.mac = mac
        self.client_id = client_id
        # Their shares of an Internet checksum (RFC 1071).
        self.mac_sum = int.from_bytes(mac, "big") % 0xFFFF
        self.client_id_sum = int.from_bytes(client_id, "big") % 0xFFFF
