"""Which address can be a VM network's gateway: one rule for what an owner wrote and what DHCP named.

Addresses are integers, because the prober applies the rule to every DHCPOFFER and compiles this module
(scripts/compile.py).
"""

from collections.abc import Iterable
from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from typing import Final

MaskedSubnet = tuple[int, int]
"""A subnet's address and mask, as integers."""

DENIED_SUBNETS: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.52.0.0/16",  # Harvester's pods
        "10.53.0.0/16",  # Harvester's services
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
"""Default of the setting denied_subnets, the same for all services: hosts never probe gateways in these, and
no subnet from DHCP may overlap one of them."""

WIDEST_PREFIX: Final = 8
"""Of an offered subnet: no VLAN has more than 2^24 addresses, and 0.0.0.0/1 is half of the Internet."""
_ONE_ADDRESS: Final = 0xFFFFFFFF
_LINK_LOCAL: Final = 0xA9FE
"""The upper half of 169.254/16."""


class Flaw(Enum):
    """Why an address cannot be the gateway of a subnet."""

    NOT_A_HOST = "not a host's address"
    NO_SUBNET = "no subnet"
    """No mask, or /0: a route to everywhere cut a whole cluster off (harvester#3615)."""
    OFFERED_ADDRESS = "the offered address itself"
    OUTSIDE = "outside the subnet"
    NETWORK_ADDRESS = "the subnet's own address"
    BROADCAST_ADDRESS = "the subnet's broadcast address"
    DENIED = "denied"
    TOO_WIDE = "the subnet is too wide"
    """Wider than WIDEST_PREFIX."""
    OVERLAPS_DENIED = "the subnet overlaps a denied one"


def find_flaw(
    gateway: int,
    *,
    subnet: int,
    prefix: int | None,
    offered: int | None = None,
    on_link: bool = False,
    denied: tuple[MaskedSubnet, ...] = (),
    widest: int = WIDEST_PREFIX,
) -> Flaw | None:
    """Return the first reason why the gateway cannot be used in the subnet; None if it can.

    subnet: any address in it. offered: the address that DHCP offers, which the gateway cannot have too.
    on_link: whether a route of its own says that the gateway is on the link (RFC 3442), wherever its address
    is. The gateway of a /32 always is: there is no other way to reach it. denied: no gateway is in any of
    these, and no subnet overlaps one of more than a single address. widest: the shortest prefix.
    """
    if not is_router(gateway):
        return Flaw.NOT_A_HOST
    if prefix is None or prefix == 0:
        return Flaw.NO_SUBNET
    if gateway == offered:
        return Flaw.OFFERED_ADDRESS
    host_mask = (1 << 32 - prefix) - 1
    if (gateway ^ subnet) & ~host_mask:
        if prefix != 32 and not on_link:
            return Flaw.OUTSIDE
    elif prefix < 31:  # In a /31 both addresses are hosts' (RFC 3021).
        if gateway & host_mask == 0:
            return Flaw.NETWORK_ADDRESS
        if gateway & host_mask == host_mask:
            return Flaw.BROADCAST_ADDRESS
    if is_in_any(gateway, denied):
        return Flaw.DENIED
    if prefix < widest:
        return Flaw.TOO_WIDE
    return Flaw.OVERLAPS_DENIED if _overlaps_any(subnet, ~host_mask, denied) else None


def is_in_any(address: int, subnets: tuple[MaskedSubnet, ...]) -> bool:
    """Whether the address is in one of these subnets."""
    return any(address & mask == subnet for subnet, mask in subnets)


def _overlaps_any(subnet: int, mask: int, others: tuple[MaskedSubnet, ...]) -> bool:
    """Whether the subnet overlaps one of the others, apart from single addresses.

    The hosts' own addresses are denied one by one: a VM network may share the hosts' subnet.
    """
    for other, other_mask in others:
        # Two subnets overlap if they agree in the bits that both masks cover.
        if other_mask != _ONE_ADDRESS and (other ^ subnet) & other_mask & mask == 0:
            return True
    return False


def first_usable(
    gateway: int | None,
    routers: Iterable[int],
    *,
    offered: int,
    subnet: int,
    prefix: int | None,
    on_link: bool = False,
    denied: tuple[MaskedSubnet, ...] = (),
) -> int | None:
    """Return the first router of a DHCPOFFER that can be a gateway; None if there is none.

    gateway: the default router that the offer means, which takes precedence (RFC 3442). routers: those of
    option 3, in its order. offered: the offered address. on_link: whether option 121 has a route that says
    that the default router is on the link.
    """
    if prefix is None:
        return None
    if gateway is not None and (
        find_flaw(gateway, subnet=subnet, prefix=prefix, offered=offered, on_link=on_link, denied=denied)
        is None
    ):
        return gateway
    for router in routers:
        if find_flaw(router, subnet=subnet, prefix=prefix, offered=offered, denied=denied) is None:
            return router
    return None


def is_host(address: int) -> bool:
    """Whether a single host on a network can have this address (RFC 1122 section 3.2.1.3)."""
    return 0x01000000 <= address < 0xE0000000 and address >> 24 != 127


def is_router(address: int) -> bool:
    """Whether a router can have this address: a host's, and not link-local (RFC 3927 section 2.7)."""
    return is_host(address) and address >> 16 != _LINK_LOCAL


def find_flaw_in(
    gateway: IPv4Address,
    subnet: IPv4Network,
    *,
    on_link: bool = False,
    denied: tuple[MaskedSubnet, ...] = (),
    widest: int = WIDEST_PREFIX,
) -> Flaw | None:
    """Apply find_flaw to an address and the subnet that it is configured for."""
    return find_flaw(
        int(gateway),
        subnet=int(subnet.network_address),
        prefix=subnet.prefixlen,
        on_link=on_link,
        denied=denied,
        widest=widest,
    )


def subnet_of(cidr: IPv4Network | None, gateway: IPv4Address | None) -> IPv4Network | None:
    """Return the network's subnet, by what a client is offered; None without a usable mask.

    The /32 of a client is its own and no other's. For the network the gateway stands, as a /32: Harvester
    masks the gateway, too.
    """
    if cidr is None or cidr.prefixlen != 32:
        return cidr
    return None if gateway is None else IPv4Network(gateway)


def masked(subnets: Iterable[IPv4Network]) -> tuple[MaskedSubnet, ...]:
    """Return the subnets as find_flaw takes them."""
    return tuple((int(subnet.network_address), int(subnet.netmask)) for subnet in subnets)
