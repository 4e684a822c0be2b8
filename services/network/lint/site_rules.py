"""Rules that compare the manifests of a repository with each other."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network

from services.network.lint.manifests import CLUSTER_NETWORK, CONFIG, NETWORK, VLAN_CONFIG, Manifest
from services.network.lint.network_rules import ROUTE, Finding, cluster_network_of, vlan_of
from services.network.parse.tolerance import read_cidr, shown

MANAGEMENT = "mgmt"
"""The cluster network that every Harvester cluster has."""
_MAX_NAMED = 3

Found = tuple[int, Finding]
"""The manifest's index, and what was found in it."""


def check_site(manifests: Sequence[Manifest]) -> list[Found]:
    """Return what the rules find by comparing these manifests."""
    networks = [(at, each) for at, each in enumerate(manifests) if each.kind == NETWORK]
    return [*_same_vlan(networks), *_overlaps(networks), *_cluster_networks(networks, manifests)]


def _same_vlan(networks: Sequence[tuple[int, Manifest]]) -> Iterator[Found]:
    segments: dict[tuple[str, int], list[tuple[int, Manifest]]] = defaultdict(list)
    for at, network in networks:
        if vlan_of(network) and cluster_network_of(network):
            segments[cluster_network_of(network), vlan_of(network)].append((at, network))
    for (cluster_network, vlan), sharing in segments.items():
        for at, network in sharing[1:]:
            first = sharing[0][1].network.ref
            if first != network.network.ref:
                text = f"vlan: {vlan} of {cluster_network} is also that of {first}"
                yield at, Finding("NR401", (*CONFIG, "vlan"), text)


def _overlaps(networks: Sequence[tuple[int, Manifest]]) -> Iterator[Found]:
    """Compare each subnet with the widest one before it: what overlaps is next to each other when sorted."""
    subnets: list[tuple[IPv4Network, int, Manifest]] = []
    for at, network in networks:
        route = network.network.route
        cidr = read_cidr(route.cidr) if vlan_of(network) and route.mode == "manual" else None
        if cidr is not None:
            subnets.append((cidr, at, network))
    subnets.sort(key=lambda each: (int(each[0].network_address), each[0].prefixlen, each[1]))
    widest: tuple[IPv4Network, int, Manifest] | None = None
    for cidr, at, network in subnets:
        if widest is not None and cidr.subnet_of(widest[0]) and _segment(network) != _segment(widest[2]):
            text = f"cidr: {cidr} overlaps {widest[0]} of {widest[2].network.ref}"
            yield at, Finding("NR402", (*ROUTE, "cidr"), text)
        elif widest is None or not cidr.subnet_of(widest[0]):
            widest = cidr, at, network


def _segment(network: Manifest) -> tuple[str, int]:
    return cluster_network_of(network), vlan_of(network)


def _cluster_networks(
    networks: Sequence[tuple[int, Manifest]], manifests: Sequence[Manifest]
) -> Iterator[Found]:
    present = {each.text("name") for each in manifests if each.kind == CLUSTER_NETWORK}
    configured = {each.spec("clusterNetwork") for each in manifests if each.kind == VLAN_CONFIG}
    for at, network in networks:
        name = cluster_network_of(network)
        if not name or name == MANAGEMENT:
            continue
        if present and name not in present:
            known = ", ".join(sorted(present)[:_MAX_NAMED])
            text = f"bridge: no ClusterNetwork {shown(name)} among the manifests, which have {known}"
            yield at, Finding("NR403", (*CONFIG, "bridge"), text)
        elif configured and name not in configured:
            text = f"bridge: no VlanConfig for cluster network {shown(name)} among the manifests"
            yield at, Finding("NR404", (*CONFIG, "bridge"), text)
