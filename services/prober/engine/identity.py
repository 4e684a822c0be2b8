"""The prober's identity on a segment: the same MAC address and client identifier in every probe.

A new MAC address in every probe would take another address from the DHCP pool each time (for 60-125 s with
ISC dhcpd), and exhaust a small pool. What identifies a question is another one each time: the xid of a DHCP
message, and the ICMP identifier of an echo request. Nothing of the kind outlives a failure.
"""

import hashlib
import random
from typing import Final

from services.contract.probe_macs import probe_mac
from services.prober.frames.ethernet import CLIENT_ID_BYTES, Station

PREFIX_BYTES: Final = 4
"""Length of the prefix that all MAC addresses of a host on one uplink share; the packet filter tests it."""

_IDENTIFIERS: Final = 1 << 16


class EchoIdentifiers:
    """ICMP identifiers, one for each echo request.

    A firewall knows an echo's flow by source, destination and identifier. One that dropped a flow, or sent it
    where nobody answers, may do so for as long as echoes come on it: also after the path works again. It
    forgets an idle flow within a minute or less (Linux after 30 s). At the rates of EngineSettings an
    identifier returns later than that, to whichever gateway.

    Their order is another one in each process, so that one that starts anew does not follow the last one's.
    """

    def __init__(self, randomness: random.Random) -> None:
        # A linear congruential generator visits all of 2^16 values if its increment is odd and its factor
        # is 1 modulo 4 (Hull and Dobell, 1962).
        self._factor = 4 * randomness.getrandbits(14) + 1
        self._increment = 2 * randomness.getrandbits(15) + 1
        self._last = randomness.getrandbits(16)

    def fresh(self) -> int:
        """Return an identifier that none of the last 65,535 requests had."""
        self._last = (self._last * self._factor + self._increment) % _IDENTIFIERS
        return self._last


class Identity:
    """The MAC addresses and client identifiers of one host on one cluster network.

    Of a MAC address, 28 bits are hashed from (host, cluster network), and 12 are the VLAN. So no two VLANs
    share one, even where a switch learns addresses for all VLANs together; of 100 hosts, two share one with a
    probability of 1 in 50,000.
    """

    def __init__(self, *, host: str, cluster_network: str, one_mac: bool = False) -> None:
        """one_mac: use one MAC address on all VLANs, for switches that limit the addresses on a port."""
        name = f"{host}\0{cluster_network}".encode()
        self._of_vlan_0 = probe_mac(host, cluster_network, 0)
        self._one_mac = one_mac
        client = hashlib.sha256(b"client\0" + name).digest()
        self._client_prefix = b"\0" + client[: CLIENT_ID_BYTES - 3]
        self._stations: dict[int, Station] = {}
        self.prefix: bytes = self.mac(0)[:PREFIX_BYTES]

    def mac(self, vlan: int) -> bytes:
        """Return the MAC address on a VLAN."""
        suffix = 0 if self._one_mac else vlan
        return (int.from_bytes(self._of_vlan_0, "big") | suffix).to_bytes(6, "big")

    def vlan_of(self, mac: bytes) -> int | None:
        """Return the VLAN on which this address is ours; None with one MAC address, or if it is not ours."""
        vlan = int.from_bytes(mac[PREFIX_BYTES:], "big") & 0xFFF
        return None if self._one_mac or mac != self.mac(vlan) else vlan

    def client_id(self, vlan: int) -> bytes:
        """Return the value of option 61: type 0, opaque (RFC 2132 section 9.14), with the VLAN at the end."""
        return self._client_prefix + vlan.to_bytes(2, "big")

    def station(self, vlan: int) -> Station:
        """Return the station on a VLAN; created once."""
        station = self._stations.get(vlan)
        if station is None:
            station = Station(vlan=vlan, mac=self.mac(vlan), client_id=self.client_id(vlan))
            self._stations[vlan] = station
        return station
