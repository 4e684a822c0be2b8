"""Leases of one pool: which client has which address. Pure: time is passed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

OFFER_SECONDS = 60.0
# RFC 2131 section 4.3.3 requires "not available", without a duration.
DECLINED_SECONDS = 600.0
_NOBODY = b""


@dataclass
class _Binding:
    mac: bytes
    until: float


class Leases:
    """The addresses of one pool. Bounded by the pool: an unknown MAC costs an address, never memory."""

    def __init__(self, pool: Iterable[IPv4Address]) -> None:
        self._pool = tuple(pool)
        self._members = frozenset(self._pool)
        self._bindings: dict[IPv4Address, _Binding] = {}
        self._by_mac: dict[bytes, IPv4Address] = {}

    def offer(self, mac: bytes, *, wanted: IPv4Address | None, now: float) -> IPv4Address | None:
        """Reserve an address for `mac`: its own, else the wanted, else any free one, else None."""
        held = self.held_by(mac, now=now)
        if held is not None:
            self._extend(held, until=now + OFFER_SECONDS)
            return held
        candidates = self._pool if wanted is None else (wanted, *self._pool)
        for address in candidates:
            if self._is_free(address, now=now):
                self._bind(address, mac, until=now + OFFER_SECONDS)
                return address
        return None

    def lease(self, mac: bytes, address: IPv4Address, *, seconds: float, now: float) -> bool:
        """Lease `address` to `mac`; return False if it is not in the pool or belongs to another client."""
        if self.held_by(mac, now=now) != address and not self._is_free(address, now=now):
            return False
        self._bind(address, mac, until=now + seconds)
        return True

    def release(self, mac: bytes, address: IPv4Address) -> None:
        """Free `address` at once if it belongs to `mac`."""
        if self._by_mac.get(mac) == address:
            del self._by_mac[mac], self._bindings[address]

    def decline(self, mac: bytes, address: IPv4Address, *, now: float) -> None:
        """Remove `address`, which `mac` found in use, from the pool for a while."""
        if self._by_mac.get(mac) == address:
            self.release(mac, address)
            self._bindings[address] = _Binding(_NOBODY, now + DECLINED_SECONDS)

    def held_by(self, mac: bytes, *, now: float) -> IPv4Address | None:
        """Return the unexpired address that `mac` was offered or leased, or None."""
        address = self._by_mac.get(mac)
        return address if address is not None and self._bindings[address].until > now else None

    def _is_free(self, address: IPv4Address, *, now: float) -> bool:
        binding = self._bindings.get(address)
        return address in self._members and (binding is None or binding.until <= now)

    def _extend(self, address: IPv4Address, *, until: float) -> None:
        # A DISCOVER from a client with a lease does not shorten the lease.
        binding = self._bindings[address]
        binding.until = max(binding.until, until)

    def _bind(self, address: IPv4Address, mac: bytes, *, until: float) -> None:
        former = self._by_mac.get(mac)
        if former is not None:
            self.release(mac, former)
        previous = self._bindings.get(address)
        if previous is not None:
            self._by_mac.pop(previous.mac, None)
        self._bindings[address] = _Binding(mac, until)
        self._by_mac[mac] = address
