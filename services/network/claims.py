"""Which addresses and networks of hosts are believed: whoever reaches Redis can announce any as a host's own.

A claim counts only after it was announced for much longer than a forged announcement outlives its author.
Until then it may be true or not, so nothing is told that rests on it.
"""

from collections.abc import Hashable, Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Generic, TypeVar

from services.contract.limits import WIDEST_OWN_PREFIX
from services.contract.messages import HostAnnouncement, Segment, segment_of
from services.contract.names import HOST_TTL_S
from services.network.parse.intent import answering_gateway, refused_gateway
from services.network.parse.nad import Network
from services.network.policy import Policy

BELIEVED_AFTER_S = 120.0
"""Much longer than an announcement lives (15 s) and a host restarts (25 s): a forger must go on with it."""


Claimed = TypeVar("Claimed", bound=Hashable)


class Claims(Generic[Claimed]):
    """How long each address, or network, has been announced without a break. Not thread-safe."""

    def __init__(self) -> None:
        self.believed: frozenset[Claimed] = frozenset()
        self.unsure: frozenset[Claimed] = frozenset()
        """Announced, but not for long enough."""
        self._since: dict[Claimed, float] = {}
        self._taken_at = 0.0

    def take(
        self,
        announced: frozenset[Claimed],
        now: float,
        *,
        restarting: frozenset[Claimed] = frozenset(),
    ) -> None:
        """Take all that are announced now; one that is not is forgotten.

        now: seconds of a monotonic clock. restarting: what hosts had announced whose announcement has
        just ended, which keep only what was believed of them.
        """
        # Over a longer gap, nobody knows whether they were announced all the time.
        known = self._since if now - self._taken_at <= HOST_TTL_S else dict.fromkeys(self.believed, 0.0)
        kept = announced | (restarting & self.believed)
        self._since = {address: known.get(address, now) for address in kept}
        self._taken_at = now
        self.believed = frozenset(
            address
            for address, since in self._since.items()
            if address in self.believed or now - since >= BELIEVED_AFTER_S
        )
        self.unsure = kept - self.believed


AddressClaims = Claims[IPv4Address]
NetworkClaims = Claims[IPv4Network]


class Contradictions:
    """Networks on whose VLAN a claimed gateway answers: it stays theirs for as long as it is claimed.

    Else the edit of such a network, which begins a new status, would take its gateway. It counts for that
    network only, since its owner could have written its status.
    """

    def __init__(self) -> None:
        self._answering: dict[str, IPv4Address] = {}

    def applied_to(self, policy: Policy, network: Network) -> Policy:
        """Return the policy as it applies to this network: what its status tells of a claim stands."""
        gateway = answering_gateway(network, policy)
        if gateway is not None:
            self._answering[network.uid] = gateway
        elif (gateway := self._answering.get(network.uid)) is None:
            refused = refused_gateway(network, network.status)
            # So it was found when the claim was believed, as before this process started.
            return policy.with_host_address(refused if refused in policy.claimed_addresses else None)
        elif not policy.is_claimed(gateway):
            self.forget(network.uid)
            return policy
        return policy.without_host_address(gateway)

    def has(self, network: Network) -> bool:
        """Whether this network contradicts a claim, as applied_to() found last."""
        return network.uid in self._answering

    def forget(self, uid: str) -> None:
        """Forget a network that is gone."""
        self._answering.pop(uid, None)


def networks_on_vlans(hosts: Iterable[HostAnnouncement]) -> dict[Segment, frozenset[IPv4Network]]:
    """Return the networks in which these hosts have an address on a VLAN."""
    found: dict[Segment, set[IPv4Network]] = {}
    for host in hosts:
        for own in host.vlan_addresses:
            found.setdefault(segment_of(own.cluster_network, own.vlan), set()).add(own.network)
    return {segment: frozenset(networks) for segment, networks in found.items()}


def possible_networks(hosts: Iterable[HostAnnouncement]) -> frozenset[IPv4Network]:
    """Return the networks that these hosts call their own, without those that no interface can have."""
    found = (network for host in hosts for network in host.own_networks)
    return frozenset(network for network in found if network.prefixlen >= WIDEST_OWN_PREFIX)
