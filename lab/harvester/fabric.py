"""The true state of a site, as a test scripts it: DHCP offers, and which gateways answer on which path."""

from __future__ import annotations

import ipaddress
import threading
from dataclasses import dataclass

SegmentKey = tuple[str, int]
"""A cluster network and a VLAN."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One DHCPOFFER: the address with its prefix length, and the routers of option 3 in order."""

    address: ipaddress.IPv4Interface
    routers: tuple[ipaddress.IPv4Address, ...] = ()

    @classmethod
    def of(cls, address: str, *routers: str) -> Lease:
        """Build from text: `Lease.of("10.80.0.50/24", "10.80.0.1")`."""
        return cls(ipaddress.IPv4Interface(address), tuple(map(ipaddress.IPv4Address, routers)))

    @property
    def recorded(self) -> tuple[str, str]:
        """Return cidr and gateway as Harvester's helper derives them from this offer, right or wrong.

        It masks the router, not the address. It treats all of option 3 as one address. Where there is no
        address to print, it prints `<nil>`.
        """
        if not self.routers:
            return "<nil>", "<nil>"
        if len(self.routers) > 1:
            return "<nil>", "?" + b"".join(router.packed for router in self.routers).hex()
        (router,) = self.routers
        prefix = self.address.network.prefixlen
        return str(ipaddress.IPv4Network((router, prefix), strict=False)), str(router)


class Fabric:
    """Leases by segment, and gateways by the path on which they answer. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leases: dict[SegmentKey, Lease] = {}
        self._routed: set[str] = set()
        self._on_vlan: set[tuple[SegmentKey, str]] = set()
        self._names: set[str] = set()

    def offer(self, segment: SegmentKey, lease: Lease | None) -> None:
        """Set what DHCP offers on a segment from now on; None: nobody answers."""
        with self._lock:
            if lease is None:
                self._leases.pop(segment, None)
            else:
                self._leases[segment] = lease

    def route(self, gateway: str, *, answers: bool = True) -> None:
        """Set whether a gateway answers echoes from the management network."""
        with self._lock:
            (self._routed.add if answers else self._routed.discard)(gateway)

    def attach(self, segment: SegmentKey, gateway: str, *, answers: bool = True) -> None:
        """Set whether a gateway answers on its VLAN."""
        with self._lock:
            (self._on_vlan.add if answers else self._on_vlan.discard)((segment, gateway))

    def name(self, host: str) -> None:
        """Make this name resolve; `route` sets whether it answers."""
        with self._lock:
            self._names.add(host)

    def lease(self, segment: SegmentKey) -> Lease | None:
        """Return what DHCP offers on the segment."""
        with self._lock:
            return self._leases.get(segment)

    def is_on_vlan(self, segment: SegmentKey, gateway: str) -> bool:
        """Return whether the gateway answers on the VLAN."""
        with self._lock:
            return (segment, gateway) in self._on_vlan

    def is_routed(self, gateway: str) -> bool | None:
        """Return whether it answers echoes from the management network; None if it cannot be resolved."""
        with self._lock:
            if gateway not in self._names and not _is_address(gateway):
                return None
            return gateway in self._routed


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True
