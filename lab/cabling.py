"""Connecting a site's namespaces: veth pairs, addresses, routes and kernel settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lab.kernel import stop_checksum_offload
from lab.namespaces import Namespace
from lab.site import Site
from lab.wiring import FABRIC, MANAGEMENT_INTERFACE, ROUTER, ManagementLink, Wiring

_FIRST_PORT_INDEX = 100_000

# Applied before there is an interface: each interface gets the values of `default` when it is created.
_SETTINGS = {
    "ipv6/conf/all/disable_ipv6": 1,
    "ipv6/conf/default/disable_ipv6": 1,
    "ipv4/ip_forward": 0,
    # A gateway answers only for its own address, and only on its VLAN. The kernel uses the larger value of
    # `all` and the interface, so `all` is 0 for the sake of the management cables.
    "ipv4/conf/all/arp_ignore": 0,
    "ipv4/conf/default/arp_ignore": 1,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
    "ipv4/conf/all/send_redirects": 0,
    "ipv4/conf/default/send_redirects": 0,
}
_ROUTER_SETTINGS = {"ipv4/ip_forward": 1}


def lay_cables(
    site: Site, wiring: Wiring, *, namespaces: Mapping[str, Namespace], hosts: Mapping[str, Namespace]
) -> None:
    """Connect the still empty `namespaces` and `hosts`, by name, as `wiring` says. Raises SiteError."""
    everything = (namespaces[FABRIC], *namespaces.values(), *hosts.values())
    for namespace in everything:
        namespace.write_settings(_SETTINGS)
    namespaces[ROUTER].write_settings(_ROUTER_SETTINGS)
    # The fabric creates one end of most cables and the router that of the others, so they come before the
    # hosts.
    commands: dict[Namespace, list[str]] = {namespace: ["link set lo up"] for namespace in everything}
    ends = _connect_ports(wiring, commands, namespaces=namespaces, hosts=hosts)
    router = namespaces[ROUTER]
    _connect_management(site, wiring.managements, commands, router=router, machines=hosts)
    _connect_management(site, wiring.centrals, commands, router=router, machines=namespaces)
    # Unknown destinations are dropped silently, as in a real network, without "unreachable".
    commands[router].append("route add blackhole default")
    # The servers read frames, so the frames need finished checksums.
    for link in wiring.centrals:
        ends += [(router, link.interface), (namespaces[link.machine], MANAGEMENT_INTERFACE)]
    for namespace, lines in commands.items():
        namespace.run_ip(lines)
    for namespace, interface in ends:
        namespace.enter()
        stop_checksum_offload(interface)
    for link in (*wiring.managements, *wiring.centrals):
        router.write_settings(
            {
                # arp_ignore would not treat the gateway's address on a point-to-point cable as its own.
                f"ipv4/conf/{link.interface}/arp_ignore": 0,
                # Hosts reach each other through the router, without delay, as if they were on one network.
                f"ipv4/conf/{link.interface}/proxy_arp": 1,
                f"ipv4/neigh/{link.interface}/proxy_delay": 0,
            }
        )


def _connect_ports(
    wiring: Wiring,
    commands: Mapping[Namespace, list[str]],
    *,
    namespaces: Mapping[str, Namespace],
    hosts: Mapping[str, Namespace],
) -> list[tuple[Namespace, str]]:
    """Append the commands that connect the stations to the switch; return the stations' cable ends."""
    ends: list[tuple[Namespace, str]] = []
    fabric = commands[namespaces[FABRIC]]
    for trunk in wiring.trunks:
        host, interface = hosts[trunk.host.name], trunk.uplink.interface
        fabric += _cable(len(ends), trunk.port, peer=interface, other=host)
        commands[host].append(f"link set {interface} up")
        ends.append((host, interface))
    for access in wiring.accesses:
        owner = namespaces[access.namespace]
        fabric += _cable(len(ends), access.port, peer=access.interface, other=owner)
        if access.address is not None:
            commands[owner].append(f"addr add {access.address} dev {access.interface}")
        commands[owner].append(f"link set {access.interface} up")
        ends.append((owner, access.interface))
    return ends


def _connect_management(
    site: Site,
    links: Iterable[ManagementLink],
    commands: Mapping[Namespace, list[str]],
    *,
    router: Namespace,
    machines: Mapping[str, Namespace],
) -> None:
    gateway, prefix = site.management.gateway, site.management.cidr.prefixlen
    for link in links:
        machine, address = machines[link.machine], link.address
        commands[router] += [
            f"link add {link.interface} type veth peer name {MANAGEMENT_INTERFACE} netns {machine.pid}",
            # One address on every cable and a route to the host behind it: a network without a bridge.
            f"addr add {gateway} peer {address} dev {link.interface}",
            f"link set {link.interface} up",
        ]
        commands[machine] += [
            f"addr add {address}/{prefix} dev {MANAGEMENT_INTERFACE}",
            f"link set {MANAGEMENT_INTERFACE} up",
            f"route add default via {gateway}",
        ]


def _cable(number: int, port: str, *, peer: str, other: Namespace) -> list[str]:
    # If both ends have the same index, the kernel reports carrier changes a second late.
    index = _FIRST_PORT_INDEX + number
    return [
        f"link add {port} index {index} type veth peer name {peer} netns {other.pid}",
        # Without arp the switch's kernel never sends on a port.
        f"link set {port} arp off up",
    ]
