"""Addresses of the VLANs of a big site: the twelve bits of the VLAN are in the second to fourth octet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

FIRST_VLAN, LAST_VLAN = 1, 4094
_TEN = 10 << 24
_HOST_BITS = 12
_POOL = range(10, 30)


def network(vlan: int) -> IPv4Network:
    """Return the network of `vlan`, a /20: 10.0.112.0/20 for VLAN 7."""
    return IPv4Network((_TEN | vlan << _HOST_BITS, 32 - _HOST_BITS))


def gateway(vlan: int) -> IPv4Address:
    """Return the address of the gateway, which also serves DHCP: the network's first."""
    return network(vlan)[1]


def pool(vlan: int) -> tuple[IPv4Address, IPv4Address]:
    """Return the first and the last address of the DHCP pool."""
    return network(vlan)[_POOL[0]], network(vlan)[_POOL[-1]]


def ours(vlan: int) -> IPv4Address:
    """Return an address outside the pool, for a prober on the VLAN."""
    return network(vlan)[_POOL[-1] + 1]
