"""What an operator decided for all networks: whom to look after, whom never to ask, what counts as active."""

from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from services.contract.gateways import DENIED_SUBNETS, MaskedSubnet, masked
from services.network.parse.nad import NetworkRef

DefaultMode = Literal["auto", "off"]
ActiveWhen = Literal["routed", "vlan"]


@dataclass(frozen=True)
class Policy:
    """The same for watcher, updater and command line, or they would speak of different networks."""

    default_mode: DefaultMode = "auto"
    """What a network without a route annotation is taken for."""
    active_when: ActiveWhen = "routed"
    """When connectivity is "true"."""
    denied_subnets: tuple[IPv4Network, ...] = DENIED_SUBNETS
    """Gateways in these are refused: a tenant's, and those that DHCP names."""
    host_addresses: frozenset[IPv4Address] = frozenset()
    """The hosts' own addresses: they are no gateways, and would always answer."""
    namespaces: frozenset[str] = frozenset()
    """Networks of other namespaces are left alone; empty: none are."""
    cluster_networks: frozenset[str] = frozenset()
    """Networks of other cluster networks are left alone; empty: none are."""

    @cached_property
    def denied(self) -> tuple[MaskedSubnet, ...]:
        """The denied subnets and the hosts' addresses, as contract.gateways takes them."""
        return masked([*self.denied_subnets, *map(IPv4Network, self.host_addresses)])

    def denial(self, address: IPv4Address) -> str | None:
        """Why no host may be made to ask this address, in words; None where it may."""
        if address in self.host_addresses:
            return f"{address} is a host's own address"
        subnet = next((subnet for subnet in self.denied_subnets if address in subnet), None)
        return None if subnet is None else f"{address} is in the denied subnet {subnet}"

    def covers_namespace(self, ref: NetworkRef) -> bool:
        """Whether networks of this namespace are looked after."""
        return not self.namespaces or ref.namespace in self.namespaces

    def covers_cluster_network(self, name: str) -> bool:
        """Whether networks of this cluster network are looked after."""
        return not self.cluster_networks or name in self.cluster_networks


DEFAULT_POLICY = Policy()
