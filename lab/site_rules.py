"""Rules for a site that its field types do not express."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from lab.lldp import MAX_FRAME_BYTES, lldp_frame
from lab.site import VLAN_MAX, VLAN_MIN, DhcpServer, Host, ServerKind, Site, SiteError, Vlan, format_vlan_set

# IFNAMSIZ leaves 15 characters for an interface name; Harvester allows 12 for a cluster network's.
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_CLUSTER_NETWORK = re.compile(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?")
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
_OWN_INTERFACES = frozenset({"lo", "mgmt"})
# dnsmasq rounds anything shorter up to two minutes.
_LEASE_SECONDS = range(120, 7 * 86400 + 1)
_MAX_POOL = 65536
_MIN_SECS = range(256)


def check_site(site: Site) -> None:
    """Check `site`; raise SiteError for the first broken rule: field, value, and what was expected."""
    for problem in _problems(site):
        raise SiteError(problem)


def _wrong(field: str, value: object, expected: str) -> str:
    return f"{field}: {str(value)!r}: expected {expected}"


def _problems(site: Site) -> Iterator[str]:
    management = site.management
    if not _usable(management.gateway, management.cidr):
        yield _wrong("management.gateway", management.gateway, f"a host address in {management.cidr}")
    if not site.hosts:
        yield _wrong("hosts", "{}", "at least one host")
    yield from _host_problems(site)
    yield from _vlan_problems(site)


def _host_problems(site: Site) -> Iterator[str]:
    cidr = site.management.cidr
    taken = {site.management.gateway: "the management gateway"}
    names: set[str] = set()
    for host in site.hosts:
        field = f"hosts.{host.name}"
        if not _HOST_NAME.fullmatch(host.name):
            yield _wrong(field, host.name, "a name of lower-case letters, digits, '.' and '-'")
        if host.name in names:
            yield _wrong(field, host.name, "a name that no other host has")
        names.add(host.name)
        if not _usable(host.address, cidr):
            yield _wrong(f"{field}.address", host.address, f"a host address in management.cidr {cidr}")
        if host.address in taken:
            yield _wrong(
                f"{field}.address", host.address, f"a free address, not that of {taken[host.address]}"
            )
        taken[host.address] = host.name
        yield from _uplink_problems(host, field)


def _uplink_problems(host: Host, field: str) -> Iterator[str]:
    interfaces = set(_OWN_INTERFACES)
    networks: set[str] = set()
    for uplink in host.uplinks:
        path = f"{field}.uplinks.{uplink.cluster_network}"
        if not _CLUSTER_NETWORK.fullmatch(uplink.cluster_network):
            yield _wrong(
                path, uplink.cluster_network, "at most 12 lower-case letters, digits and '-' in between"
            )
        if uplink.cluster_network in networks:
            yield _wrong(path, uplink.cluster_network, "one uplink per cluster network")
        networks.add(uplink.cluster_network)
        if not _INTERFACE.fullmatch(uplink.interface):
            yield _wrong(f"{path}.interface", uplink.interface, "an interface name, 15 characters")
        if uplink.interface in interfaces:
            yield _wrong(f"{path}.interface", uplink.interface, "a name that is unused on the host")
        interfaces.add(uplink.interface)
        label = uplink.lldp
        if label is not None and label.native_vlan not in (None, *range(VLAN_MIN, VLAN_MAX + 1)):
            yield _wrong(f"{path}.lldp.native_vlan", label.native_vlan, f"a VLAN ID {VLAN_MIN}-{VLAN_MAX}")
        elif label is not None and len(lldp_frame(label, mac=bytes(6))) > MAX_FRAME_BYTES:
            listed = format_vlan_set(label.vlans)
            yield _wrong(f"{path}.lldp.vlans", listed, "what fits into one frame, some 80")
        if not all(VLAN_MIN <= vlan <= VLAN_MAX for vlan in uplink.vlans):
            yield _wrong(f"{path}.vlans", sorted(uplink.vlans), f"VLAN IDs {VLAN_MIN}-{VLAN_MAX}")
        if uplink.native is not None and uplink.native not in uplink.vlans:
            yield _wrong(f"{path}.native", uplink.native, "one of the port's vlans")


def _vlan_problems(site: Site) -> Iterator[str]:
    carried = {uplink.cluster_network for host in site.hosts for uplink in host.uplinks}
    labels: set[str] = set()
    for index, vlan in enumerate(site.vlans):
        field = f"vlans[{index}]"
        if not VLAN_MIN <= vlan.vlan <= VLAN_MAX:
            yield _wrong(f"{field}.vlan", vlan.vlan, f"a VLAN ID {VLAN_MIN}-{VLAN_MAX}")
        if vlan.cluster_network not in carried:
            expected = f"a cluster network with an uplink ({', '.join(sorted(carried))})"
            yield _wrong(f"{field}.cluster_network", vlan.cluster_network, expected)
        if vlan.label in labels:
            yield _wrong(f"{field}.vlan", vlan.label, "each VLAN once per cluster network")
        labels.add(vlan.label)
        yield from _answering_problems(vlan, field)
    yield from _overlap_problems(site)
    yield from _relay_problems(site)


def _overlap_problems(site: Site) -> Iterator[str]:
    """Check that no two networks overlap, because all gateways share one router's routing table."""
    networks = [(site.management.cidr, -1)]
    networks += [(vlan.cidr, index) for index, vlan in enumerate(site.vlans) if vlan.cidr is not None]
    # In the order of addresses, a network that overlaps any earlier one overlaps the one that reaches
    # furthest.
    (furthest, owner), *rest = sorted(networks)
    for network, index in rest:
        if network.overlaps(furthest):
            (first, value), (second, other) = sorted([(owner, furthest), (index, network)])
            name = "management.cidr" if first < 0 else f"vlans[{first}].cidr"
            yield _wrong(f"vlans[{second}].cidr", other, f"no overlap with {name} {value}")
        if network.broadcast_address > furthest.broadcast_address:
            furthest, owner = network, index


def _answering_problems(vlan: Vlan, field: str) -> Iterator[str]:
    if vlan.cidr is None:
        if vlan.gateway is not None or vlan.dhcp:
            yield _wrong(f"{field}.cidr", None, "a network, because the VLAN has a gateway or DHCP")
        return
    if vlan.gateway is not None and not _usable(vlan.gateway, vlan.cidr):
        yield _wrong(f"{field}.gateway", vlan.gateway, f"a host address in {vlan.cidr}")
    addresses: set[IPv4Address] = set()
    for index, server in enumerate(vlan.dhcp):
        path = _server_path(field, vlan, index)
        yield from _server_problems(vlan, vlan.cidr, server, path)
        if server.address in addresses:
            yield _wrong(f"{path}.address", server.address, "an address that no other server on the VLAN has")
        addresses.add(server.address)


def _server_problems(vlan: Vlan, cidr: IPv4Network, server: DhcpServer, path: str) -> Iterator[str]:
    pool = f"{server.pool_start}-{server.pool_end}"
    if not (_usable(server.pool_start, cidr) and _usable(server.pool_end, cidr)):
        yield _wrong(f"{path}.pool", pool, f"host addresses in {cidr}")
    if server.pool_start > server.pool_end:
        yield _wrong(f"{path}.pool", pool, "FIRST-LAST with FIRST not above LAST")
    if int(server.pool_end) - int(server.pool_start) >= _MAX_POOL:
        yield _wrong(f"{path}.pool", pool, f"at most {_MAX_POOL} addresses")
    for name, address in (("gateway", vlan.gateway), ("server", server.address)):
        if address is not None and server.pool_start <= address <= server.pool_end:
            yield _wrong(f"{path}.pool", pool, f"a range without the {name}'s address")
    if not server.relay and not _usable(server.address, cidr):
        yield _wrong(f"{path}.address", server.address, f"a host address in {cidr}")
    if server.address == vlan.gateway and not vlan.gateway_answers:
        yield _wrong(f"{path}.address", server.address, "an address other than the silent gateway's")
    if server.min_secs and (server.server is not ServerKind.ISC or server.min_secs not in _MIN_SECS):
        yield _wrong(f"{path}.min_secs", server.min_secs, "0 to 255 with isc, 0 with any other server")
    if server.lease_seconds not in _LEASE_SECONDS:
        expected = f"{_LEASE_SECONDS.start} to {_LEASE_SECONDS.stop - 1} seconds"
        yield _wrong(f"{path}.lease_seconds", server.lease_seconds, expected)


def _relay_problems(site: Site) -> Iterator[str]:
    """Check relayed servers: each is a machine on the management network; one may serve many VLANs."""
    taken = {site.management.gateway, *(host.address for host in site.hosts)}
    kinds: dict[IPv4Address, ServerKind] = {}
    for number, vlan in enumerate(site.vlans):
        for index, server in enumerate(vlan.dhcp):
            if not server.relay:
                continue
            path = _server_path(f"vlans[{number}]", vlan, index)
            if vlan.gateway is None or not (vlan.gateway_answers and vlan.routed):
                yield _wrong(
                    f"{path}.relay",
                    server.relay,
                    "a VLAN with an answering, routed gateway",
                )
            if not _usable(server.address, site.management.cidr) or server.address in taken:
                expected = f"a free host address in management.cidr {site.management.cidr}"
                yield _wrong(f"{path}.address", server.address, f"{expected}, because it is relayed to")
            if server.server is ServerKind.UDHCPD:
                yield _wrong(
                    f"{path}.server",
                    server.server,
                    "a server other than udhcpd, which serves no relays",
                )
            # dnsmasq would need a process for each, and one address has room for only one.
            if server.ping_check:
                yield _wrong(f"{path}.ping_check", server.ping_check, "false with a relay")
            if kinds.setdefault(server.address, server.server) is not server.server:
                expected = f"{kinds[server.address]}, as for the other VLANs at {server.address}"
                yield _wrong(f"{path}.server", server.server, expected)


def _server_path(field: str, vlan: Vlan, index: int) -> str:
    return f"{field}.dhcp[{index}]" if len(vlan.dhcp) > 1 else f"{field}.dhcp"


def _usable(address: IPv4Address, network: IPv4Network) -> bool:
    """Return whether a machine may have `address`: inside `network`, and neither its first nor its last."""
    return address in network and address not in (network.network_address, network.broadcast_address)
