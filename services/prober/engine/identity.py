"""Who we are on a segment: the same MAC address and client identifier at every probe.

A new MAC at every probe would hold another address of the pool each time (for 60-125 s at ISC's server), and
starve a small one.
"""

import hashlib
from typing import Final

from services.prober.frames.station import CLIENT_ID_BYTES, Station

FIRST_OCTET: Final = 0x62
"""Unicast, locally administered, in the quadrant that is the administrator's (IEEE 802c: x2)."""
PREFIX_BYTES: Final = 4
"""What all addresses of one host on one uplink begin with: the kernel's filter tests it."""


class Identity:
    """The addresses of one host on one cluster network.

    A MAC address is FIRST_OCTET, 28 bits that stand for (host, cluster network) and the VLAN in the last 12.
    So VLANs never share one, also where a switch learns addresses for all VLANs together; and two of
    100 hosts share one with a chance of 1 in 50,000.
    """

    def __init__(self, *, host: str, cluster_network: str, one_mac: bool = False) -> None:
        """one_mac: the same MAC on all VLANs, for a switch that limits addresses on a port."""
        name = f"{host}\0{cluster_network}".encode()
        digest = hashlib.sha256(b"mac\0" + name).digest()
        self._host_bits = int.from_bytes(digest[:4], "big") >> 4
        self._one_mac = one_mac
        client = hashlib.sha256(b"client\0" + name).digest()
        self._client_prefix = b"\0" + client[: CLIENT_ID_BYTES - 3]
        self._stations: dict[int, Station] = {}
        self.prefix: bytes = self.mac(0)[:PREFIX_BYTES]

    def mac(self, vlan: int) -> bytes:
        """Our six octets on this VLAN."""
        suffix = 0 if self._one_mac else vlan
        return (FIRST_OCTET << 40 | self._host_bits << 12 | suffix).to_bytes(6, "big")

    def client_id(self, vlan: int) -> bytes:
        """The value of option 61: type 0, so an opaque one (RFC 2132 section 9.14); the VLAN comes last."""
        return self._client_prefix + vlan.to_bytes(2, "big")

    def station(self, vlan: int) -> Station:
        """Both on this VLAN; made once."""
        station = self._stations.get(vlan)
        if station is None:
            station = Station(vlan=vlan, mac=self.mac(vlan), client_id=self.client_id(vlan))
            self._stations[vlan] = station
        return station
