"""Planning a site's cables: the namespaces, the veth pairs, and the stations at their ends. Pure.

Around the `fabric` (the switch) there are one namespace per host, the `router` (routed gateways and the
management network), the `island` (gateways that management cannot reach), and `dhcp1`, `dhcp2`, ... for DHCP
servers on machines of their own. Each has at most one port on a VLAN, so no route is ambiguous. Servers
behind relays are `central1`, `central2`, ..., on the management network like the hosts.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

from lab.site import DhcpServer, Host, Site, Uplink, Vlan

FABRIC = "fabric"
ROUTER = "router"
ISLAND = "island"
MANAGEMENT_INTERFACE = "mgmt"


@dataclass(frozen=True, kw_only=True)
class TrunkLink:
    """The cable between a host's uplink and a trunk port of the switch."""

    host: Host
    uplink: Uplink
    port: str


@dataclass(frozen=True, kw_only=True)
class AccessLink:
    """The cable between an access port of the switch and a station on one VLAN.

    `address` None: the station never answers.
    """

    vlan: Vlan
    port: str
    namespace: str
    interface: str
    address: IPv4Interface | None
    server: DhcpServer | None


@dataclass(frozen=True, kw_only=True)
class ManagementLink:
    """The cable between a machine of the management network and `interface` of the router."""

    machine: str
    address: IPv4Address
    interface: str


@dataclass(frozen=True, kw_only=True)
class Relayed:
    """A VLAN whose gateway, at `interface` of the router, relays DHCP to `server` on `machine`."""

    vlan: Vlan
    relay: IPv4Address
    interface: str
    server: DhcpServer
    machine: str


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """All cables of a site, and in `namespaces` the names of those that it needs beside the hosts'.

    `managements` are the hosts' management cables, by host; `centrals` those of the relayed servers.
    """

    namespaces: tuple[str, ...]
    trunks: tuple[TrunkLink, ...]
    accesses: tuple[AccessLink, ...]
    managements: tuple[ManagementLink, ...]
    centrals: tuple[ManagementLink, ...] = ()
    relayed: tuple[Relayed, ...] = ()


def plan(site: Site) -> Wiring:
    """Plan the wiring of `site`."""
    trunks = [(host, uplink) for host in site.hosts for uplink in host.uplinks]
    networks = list(dict.fromkeys(uplink.cluster_network for _, uplink in trunks))
    accesses: list[AccessLink] = []
    for vlan in site.vlans:
        for namespace, address, server in _stations(vlan):
            link = AccessLink(
                vlan=vlan,
                port=f"port{len(accesses)}",
                namespace=namespace,
                interface=_interface(vlan, networks.index(vlan.cluster_network)),
                address=address,
                server=server,
            )
            accesses.append(link)
    machines = sorted({link.namespace for link in accesses} - {ROUTER, ISLAND})
    relayed = _relayed(site, networks)
    centrals = {link.machine: link.server.address for link in relayed}
    return Wiring(
        namespaces=(FABRIC, ROUTER, ISLAND, *machines, *centrals),
        trunks=tuple(
            TrunkLink(host=host, uplink=uplink, port=f"trunk{index}")
            for index, (host, uplink) in enumerate(trunks)
        ),
        accesses=tuple(accesses),
        managements=tuple(
            ManagementLink(machine=host.name, address=host.address, interface=f"host{index}")
            for index, host in enumerate(site.hosts)
        ),
        centrals=tuple(
            ManagementLink(machine=name, address=address, interface=name)
            for name, address in centrals.items()
        ),
        relayed=relayed,
    )


def _relayed(site: Site, networks: list[str]) -> tuple[Relayed, ...]:
    names: dict[IPv4Address, str] = {}
    return tuple(
        Relayed(
            vlan=vlan,
            relay=vlan.gateway,
            interface=_interface(vlan, networks.index(vlan.cluster_network)),
            server=server,
            machine=names.setdefault(server.address, f"central{len(names) + 1}"),
        )
        for vlan in site.vlans
        for server in vlan.dhcp
        if server.relay and vlan.gateway is not None
    )


def _stations(vlan: Vlan) -> list[tuple[str, IPv4Interface | None, DhcpServer | None]]:
    """Return the stations of `vlan`: namespace, address, and the DHCP server at that address."""
    stations: list[tuple[str, IPv4Interface | None, DhcpServer | None]] = []
    apart = [server for server in vlan.dhcp if server.address != vlan.gateway and not server.relay]
    if vlan.gateway is not None:
        serving = next((server for server in vlan.dhcp if server.address == vlan.gateway), None)
        address = vlan.on_wire(vlan.gateway) if vlan.gateway_answers else None
        stations.append((ROUTER if vlan.routed else ISLAND, address, serving))
    for index, server in enumerate(apart, start=1):
        stations.append((f"dhcp{index}", vlan.on_wire(server.address), server))
    return stations


def _interface(vlan: Vlan, network_index: int) -> str:
    # A cluster network's name and the VLAN do not fit into 15 characters together.
    return f"v{vlan.vlan}" if network_index == 0 else f"v{vlan.vlan}-{network_index}"
