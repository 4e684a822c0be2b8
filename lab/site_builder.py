"""Building sites in Python, for tests and benchmarks: any number of VLANs with one addressing rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network

from lab.site import ALL_VLANS, DhcpServer, Host, Management, ServerKind, Site, Uplink, Vlan

# Outside 10.0.0.0/8, which vlan_cidr fills.
MANAGEMENT = Management(cidr=IPv4Network("172.30.0.0/24"), gateway=IPv4Address("172.30.0.1"))
_FIRST_HOST = 11
_POOL_FIRST = 100
_POOL_SIZE = 100
_SECOND_SERVER = 250


def vlan_cidr(vlan: int) -> IPv4Network:
    """Return the /20 of `vlan`: 10.0.16.0/20 for 1, 10.0.112.0/20 for 7, up to 10.255.224.0/20 for 4094."""
    return IPv4Network((int(IPv4Address("10.0.0.0")) + (vlan << 12), 20))


def build_vlan(
    vlan: int,
    *,
    cluster_network: str = "extra",
    server: ServerKind | None = ServerKind.AUTO,
    second_server: ServerKind | None = None,
    gateway: bool = True,
    gateway_answers: bool = True,
    routed: bool = True,
    ping_check: bool = False,
    relay_to: IPv4Address | None = None,
) -> Vlan:
    """Build a VLAN on `vlan_cidr(vlan)`: gateway .1, pool .100-.199, DHCP `server` (None: no DHCP).

    If no gateway answers, DHCP answers from an address of its own, and so does the second server. `relay_to`
    is the address of the first server on the management network, to which the gateway relays.
    """
    cidr = vlan_cidr(vlan)
    router = cidr[1] if gateway else None
    own_address = cidr[1] if gateway and gateway_answers else cidr[_SECOND_SERVER - 1]
    first_address = relay_to or own_address
    kinds = ((server, first_address), (second_server, cidr[_SECOND_SERVER]))
    return Vlan(
        vlan=vlan,
        cluster_network=cluster_network,
        cidr=cidr,
        gateway=router,
        gateway_answers=gateway_answers,
        routed=routed,
        dhcp=tuple(
            DhcpServer(
                pool_start=cidr[_POOL_FIRST],
                pool_end=cidr[_POOL_FIRST + _POOL_SIZE - 1],
                address=address,
                router=router,
                server=kind,
                ping_check=ping_check,
                relay=address == relay_to,
            )
            for kind, address in kinds
            if kind is not None
        ),
    )


def build_hosts(
    count: int, *, trunked: Mapping[str, frozenset[int]], native: Mapping[str, int] | None = None
) -> tuple[Host, ...]:
    """Build hosts node1, node2, ... with uplink extra-bo to `extra`; VLANs: `trunked[name]`, else all.

    `native`: the native VLAN of a host's port, if it has one.
    """
    names = [f"node{number}" for number in range(1, count + 1)]
    return tuple(
        Host(
            name=name,
            address=MANAGEMENT.cidr[_FIRST_HOST + index],
            uplinks=(
                Uplink(
                    cluster_network="extra",
                    interface="extra-bo",
                    vlans=trunked.get(name, ALL_VLANS),
                    native=(native or {}).get(name),
                ),
            ),
        )
        for index, name in enumerate(names)
    )


def build_site(
    vlans: Iterable[int | Vlan],
    *,
    hosts: int = 2,
    trunked: Mapping[str, frozenset[int]] | None = None,
    native: Mapping[str, int] | None = None,
) -> Site:
    """Build a site of `hosts` hosts and `vlans`, where a number stands for `build_vlan(number)`.

    `trunked` maps a host that does not carry all VLANs to those that it carries, `native` one to the VLAN
    that it gets untagged.
    """
    return Site(
        management=MANAGEMENT,
        hosts=build_hosts(hosts, trunked=trunked or {}, native=native),
        vlans=tuple(build_vlan(vlan) if isinstance(vlan, int) else vlan for vlan in vlans),
    )
