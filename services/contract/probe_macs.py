"""The MAC addresses of probers: a function of host, cluster network and VLAN, so that all can name them."""

import hashlib
from typing import Final

FIRST_OCTET: Final = 0x62
"""Unicast, locally administered, in the quadrant that IEEE 802c assigns to administrators (x2)."""


def probe_mac(host: str, cluster_network: str, vlan: int) -> bytes:
    """Return the MAC address of a host's probes: FIRST_OCTET, 28 bits hashed from host and cluster network,
    and the VLAN in the last 12 bits. VLAN 0 is that of all VLANs where a prober uses one.
    """
    digest = hashlib.sha256(b"mac\0" + f"{host}\0{cluster_network}".encode()).digest()
    host_bits = int.from_bytes(digest[:4], "big") >> 4
    return (FIRST_OCTET << 40 | host_bits << 12 | vlan).to_bytes(6, "big")
