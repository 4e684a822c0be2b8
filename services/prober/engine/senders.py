"""Which gateways answer ARP from 0.0.0.0, and which only senders that have an address on the VLAN.

A gateway, or a switch that inspects ARP, may drop probes from 0.0.0.0 (RFC 5227 section 2.1.1), which claim
no address. Then silence to such a probe proves nothing.
"""

from typing import Final

MAX_GATEWAYS: Final = 65_536
"""Remembered on one trunk. With more, tenants are inventing them, and all are forgotten."""

Gateway = tuple[int, int]
"""A VLAN, and an address there."""


class Senders:
    """What this prober has seen of the gateways on one trunk since it started."""

    __slots__ = ("_proven", "_silent")

    def __init__(self) -> None:
        self._proven: set[Gateway] = set()
        """Those that have answered ARP from 0.0.0.0."""
        self._silent: set[Gateway] = set()
        """Those that did not answer it when they were asked last."""

    def answered(self, gateway: Gateway, *, from_address: bool) -> bool:
        """Record an answer; return whether it came to our address only, and not to 0.0.0.0 before."""
        if from_address:
            if gateway not in self._silent:
                return False
            # It answered 0.0.0.0 long ago at best: the gateway or a switch was configured since.
            self._proven.discard(gateway)
            return True
        if len(self._proven) >= MAX_GATEWAYS:
            self._proven.clear()
        self._proven.add(gateway)
        if self._silent:
            self._silent.discard(gateway)
        return False

    def silent(self, gateway: Gateway) -> bool:
        """Record that it did not answer 0.0.0.0; return whether it never has."""
        if len(self._silent) >= MAX_GATEWAYS:
            self._silent.clear()
        self._silent.add(gateway)
        return gateway not in self._proven

    def is_untried(self, gateway: Gateway) -> bool:
        """Return whether it was never asked from 0.0.0.0, or never to the end."""
        return gateway not in self._proven and gateway not in self._silent
