"""Subnets that overlap: through the hosts' routing, an echo to an address in both uses one of them alone."""

from collections.abc import Collection, Mapping
from ipaddress import IPv4Network

from services.contract.messages import Segment
from services.contract.outcomes import Reason
from services.network.judge.subnets import MAX_OVERLAPS, Subnets
from services.network.policy import Policy


def find_overlaps(
    segment: Segment,
    cidr: IPv4Network,
    subnets: Subnets,
    policy: Policy,
    *,
    on_vlan: Collection[IPv4Network],
    reported: Mapping[str, str],
) -> dict[str, str]:
    """Return the findings about a network's subnet, by reason code.

    on_vlan: the hosts' own networks that they have on this very VLAN. reported: the findings that stand. One
    that rests on what hosts claim stays, but is not made: see network.claims.
    """
    found = {}
    believed = _of_hosts(cidr, policy.host_networks, subnets, on_vlan)
    if believed:
        found[Reason.OVERLAPS_MANAGEMENT.value] = f"{cidr} {'; '.join(believed)}"
    elif Reason.OVERLAPS_MANAGEMENT in reported and _of_hosts(
        cidr, policy.claimed_networks, subnets, on_vlan
    ):
        found[Reason.OVERLAPS_MANAGEMENT.value] = reported[Reason.OVERLAPS_MANAGEMENT]
    others = subnets.overlapping(segment, cidr)
    if others is None:
        text = f"{cidr} holds the subnets of more than {MAX_OVERLAPS} other VLANs"
        found[Reason.OVERLAPS_NETWORK.value] = text
    elif others:
        named = ", ".join(f"{subnet} of {other}" for other, subnet in others[:MAX_OVERLAPS])
        more = " and more" if len(others) > MAX_OVERLAPS else ""
        found[Reason.OVERLAPS_NETWORK.value] = f"{cidr} overlaps {named}{more}"
    return found


def _of_hosts(
    cidr: IPv4Network,
    networks: Collection[IPv4Network],
    subnets: Subnets,
    on_vlan: Collection[IPv4Network],
) -> list[str]:
    """Return which networks of the hosts the subnet overlaps, in words.

    One that overlaps very many subnets is not believed: it may be forged, and would accuse all networks.
    """
    return [
        f"holds {network.network_address}, the hosts' default gateway"
        if network.prefixlen == 32
        else f"overlaps {network}, a network of the hosts"
        for network in sorted(networks)
        if network.overlaps(cidr)
        and not any(network.subnet_of(own) for own in on_vlan)
        and not subnets.is_common(network)
    ][:MAX_OVERLAPS]
