"""The kinds of causes, and a possible cause."""

from dataclasses import dataclass
from enum import StrEnum

from services.contract.outcomes import Fault
from services.network.causes.evidence import Symptom


class CauseKind(StrEnum):
    """What kind of thing is broken. The order is that of preference where two explain the same."""

    UPLINK = "HostUplink"
    """A host's uplink of a cluster network: nothing arrives on any VLAN."""
    ROUTER = "RouterDown"
    """A router that holds several gateways."""
    DHCP_SERVER = "DHCPServerDown"
    """A DHCP server, on all the VLANs that it served."""
    DHCP_RELAY = "DHCPRelayDown"
    """A relay agent, on all the VLANs whose offers came through it."""
    NO_ROUTE = "NoRoute"
    """No route between the management network and a prefix."""
    ROUTER_NOT_ROUTED = "RouterNotRouted"
    """No route between the management network and any gateway of one router."""
    VLANS_GONE = "VlansReachNoHost"
    """VLANs that reach no host."""
    GATEWAY = "GatewayDown"
    """One gateway."""
    VLANS_MISSING = "VlansMissingOnHosts"
    """VLANs that reach other hosts, but not these."""
    NATIVE = "NativeVlan"
    """Switch ports on which VLANs are native, or untagged."""
    BRIDGE = "VlansNotInBridge"
    """A host's bridge, which does not pass VLANs on to its VMs."""
    HALF_TRUNK = "VlansMissingOnNIC"
    """The switch port of one NIC of a bond, which lacks VLANs that the other has."""
    STRANGER = "StrangeDHCPServer"
    """A DHCP server that should not be there."""


RANK = {kind: rank for rank, kind in enumerate(CauseKind)}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible cause."""

    kind: CauseKind
    subject: str
    """What is broken, in a few words; the same things give the same text."""
    explains: frozenset[Symptom]
    hosts: tuple[str, ...] = ()
    """The hosts that it is about; empty if it is not about hosts."""
    cluster_network: str = ""
    """Empty if it may concern several."""
    fault: Fault | None = None
    """What the host says itself."""
    cost: float = 1.0
