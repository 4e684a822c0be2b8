"""What can be a VM network's gateway: the same rules for what its owner wrote and for what DHCP named."""

import re
from enum import Enum
from ipaddress import IPv4Address, IPv4Network


class Flaw(Enum):
    """Why an address cannot be the gateway of a subnet."""

    NOT_A_HOST = "not a host's address"
    NETWORK_ADDRESS = "the subnet's own address"
    BROADCAST_ADDRESS = "the subnet's broadcast address"
    OUTSIDE = "outside the subnet"


def find_flaw(gateway: IPv4Address, subnet: IPv4Network) -> Flaw | None:
    """What is wrong with this gateway in this subnet; None where nothing is.

    In a /31 both addresses are hosts' (RFC 3021).
    """
    if not is_host_address(gateway):
        return Flaw.NOT_A_HOST
    if gateway not in subnet:
        return Flaw.OUTSIDE
    if subnet.prefixlen < 31:
        if gateway == subnet.network_address:
            return Flaw.NETWORK_ADDRESS
        if gateway == subnet.broadcast_address:
            return Flaw.BROADCAST_ADDRESS
    return None


def is_host_address(address: IPv4Address) -> bool:
    """Whether a router can have it: a host answers itself at 127.0.0.1, and nobody forwards 169.254/16."""
    return not (
        int(address) < 1 << 24
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
    )


def is_subnet(network: IPv4Network) -> bool:
    """Whether a route to it may be told: one to everywhere cut a whole cluster off (harvester#3615)."""
    return network.prefixlen > 0


def has_room(network: IPv4Network) -> bool:
    """Whether a gateway fits in beside another host."""
    return network.prefixlen < 32


def read_address(text: str) -> IPv4Address | None:
    """An IPv4 address; None for anything else, such as Harvester's `<nil>`, a host name or IPv6."""
    try:
        return IPv4Address(text)
    except ValueError:
        return None


def read_gateway(text: str) -> IPv4Address | None:
    """An address that a host can be asked to check; None for junk."""
    address = read_address(text)
    return address if address is not None and is_host_address(address) else None


def read_cidr(text: str) -> IPv4Network | None:
    """A subnet as Go's net.ParseCIDR takes it, host bits allowed; None for junk, and for /0."""
    if not re.fullmatch(r"[0-9.]+/(0|[1-9][0-9]?)", text):
        return None
    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        return None
    return network if is_subnet(network) else None
