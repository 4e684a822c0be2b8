"""The site policy: which networks nadroute manages, which gateways it never probes, what counts as active."""

from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from services.contract.gateways import DENIED_SUBNETS, MaskedSubnet, is_in_any, masked
from services.network.parse.nad import NetworkRef

DefaultMode = Literal["auto", "off"]
ActiveWhen = Literal["routed", "vlan"]


@dataclass(frozen=True)
class Policy:
    """Settings that watcher, updater and command line must share."""

    default_mode: DefaultMode = "auto"
    """How to treat a network without a route annotation."""
    active_when: ActiveWhen = "routed"
    """Which result makes connectivity "true"."""
    denied_subnets: tuple[IPv4Network, ...] = DENIED_SUBNETS
    """Gateways in these are refused, whether an owner or DHCP names them, and so are subnets from DHCP that
    overlap one of them."""
    host_addresses: frozenset[IPv4Address] = frozenset()
    """The hosts' own addresses, which would always answer and cannot be gateways."""
    claimed_addresses: frozenset[IPv4Address] = frozenset()
    """Addresses that hosts announce as their own, which are not believed yet; see network.claims."""
    host_networks: frozenset[IPv4Network] = frozenset()
    """The hosts' own networks, and their default gateways as /32: what is in one may answer through routing
    wherever a VLAN leads."""
    claimed_networks: frozenset[IPv4Network] = frozenset()
    """Networks that hosts announce as their own, which are not believed yet; see network.claims."""
    namespaces: frozenset[str] = frozenset()
    """Namespaces of the networks to manage; empty: all."""
    cluster_networks: frozenset[str] = frozenset()
    """Cluster networks of the networks to manage; empty: all."""

    @cached_property
    def denied(self) -> tuple[MaskedSubnet, ...]:
        """The denied subnets and the hosts' addresses, as contract.gateways takes them."""
        return masked([*self.denied_subnets, *map(IPv4Network, self.host_addresses)])

    @cached_property
    def _of_hosts(self) -> tuple[MaskedSubnet, ...]:
        return masked(self.host_networks)

    @cached_property
    def _may_be_of_hosts(self) -> tuple[MaskedSubnet, ...]:
        return masked(self.host_networks | self.claimed_networks)

    def with_hosts(
        self,
        addresses: frozenset[IPv4Address],
        claimed: frozenset[IPv4Address],
        networks: frozenset[IPv4Network] = frozenset(),
        claimed_networks: frozenset[IPv4Network] = frozenset(),
    ) -> "Policy":
        """Return the policy for these hosts: the same object where they are the same."""
        known = self.host_addresses, self.claimed_addresses, self.host_networks, self.claimed_networks
        if (addresses, claimed, networks, claimed_networks) == known:
            return self
        return replace(
            self,
            host_addresses=addresses,
            claimed_addresses=claimed,
            host_networks=networks,
            claimed_networks=claimed_networks,
        )

    def with_host_address(self, address: IPv4Address | None) -> "Policy":
        """Return the policy as if it were believed that a host has this address; the same for None."""
        if address is None:
            return self
        return replace(self, host_addresses=self.host_addresses | {address})

    def without_host_address(self, address: IPv4Address | None) -> "Policy":
        """Return the policy as if no host had this address."""
        return replace(
            self,
            host_addresses=self.host_addresses - {address},
            claimed_addresses=self.claimed_addresses - {address},
        )

    def addresses_unlike(self, other: "Policy") -> frozenset[IPv4Address]:
        """Return the addresses that hosts claim, or are believed to have, in only one of two policies."""
        believed, unsure = self.host_addresses ^ other.host_addresses, self.claimed_addresses
        return believed | (unsure ^ other.claimed_addresses)

    def is_claimed(self, address: IPv4Address | None) -> bool:
        """Whether a host announces this address as its own, believed or not."""
        return address in self.host_addresses or address in self.claimed_addresses

    def denial(self, address: IPv4Address) -> str | None:
        """Return why this address may not be probed; None if it may."""
        if address in self.host_addresses:
            return f"{address} is a host's own address"
        subnet = next((subnet for subnet in self.denied_subnets if address in subnet), None)
        return None if subnet is None else f"{address} is in the denied subnet {subnet}"

    def is_of_hosts(self, address: IPv4Address) -> bool:
        """Whether the hosts reach this address by their own networks, as is believed."""
        return is_in_any(int(address), self._of_hosts)

    def may_be_of_hosts(self, address: IPv4Address) -> bool:
        """Whether they do, or one claims so."""
        return is_in_any(int(address), self._may_be_of_hosts)

    def overlapped_by(self, subnet: IPv4Network) -> IPv4Network | None:
        """Return the first denied subnet that overlaps this one; None if none does."""
        return next((denied for denied in self.denied_subnets if denied.overlaps(subnet)), None)

    def covers_namespace(self, ref: NetworkRef) -> bool:
        """Whether networks of this namespace are managed."""
        return not self.namespaces or ref.namespace in self.namespaces

    def covers_cluster_network(self, name: str) -> bool:
        """Whether networks of this cluster network are managed."""
        return not self.cluster_networks or name in self.cluster_networks


DEFAULT_POLICY = Policy()
