"""Codes for results: the outcomes of a probe, and the states and reasons that networks are given.

An outcome says what came back, not what it means. A missing offer or a silent gateway is an outcome, not an
exception.
"""

from enum import StrEnum


class DHCPOutcome(StrEnum):
    """The outcome of a DHCPDISCOVER (RFC 2131 section 3.1)."""

    OFFERED = "offered"
    """At least one usable DHCPOFFER arrived."""
    NO_OFFER = "no_offer"
    """No offer arrived before the deadline, and there is no sign of loss."""
    INCONCLUSIVE = "inconclusive"
    """No offer arrived, but frames were lost on this host or on the way, so silence proves nothing."""
    NOT_TRIED = "not_tried"
    """The probe could not be sent; the verdict's fault gives the reason."""

    @property
    def is_conclusive(self) -> bool:
        """Whether it tells what DHCP offers, or that it offers nothing."""
        return self in _CONCLUSIVE


_CONCLUSIVE = (DHCPOutcome.OFFERED, DHCPOutcome.NO_OFFER)


class Depth(StrEnum):
    """How far a DHCP exchange goes."""

    OFFER = "offer"
    """DISCOVER and OFFER: no address is leased."""
    LEASE = "lease"
    """REQUEST and ACK as well: the address is checked, used to ping the gateway, and released."""


class LeaseOutcome(StrEnum):
    """The outcome of requesting an offered address (RFC 2131 section 3.1)."""

    HELD = "held"
    """Acknowledged, free of conflicts, and released at the end (DHCPRELEASE)."""
    REFUSED = "refused"
    """The server refused (DHCPNAK)."""
    CONFLICT = "conflict"
    """Another host on the VLAN has the address (RFC 5227); it was declined (DHCPDECLINE)."""
    PAUSED = "paused"
    """Not requested: another host had an offered address on this segment a while ago, whose it says."""
    NO_ANSWER = "no_answer"
    """Neither DHCPACK nor DHCPNAK arrived."""
    INCONCLUSIVE = "inconclusive"
    """Neither arrived, but frames may have been lost."""
    NOT_TRIED = "not_tried"
    """It ended before an answer; the verdict's fault gives the reason."""


class ReachOutcome(StrEnum):
    """Whether a gateway answered, to ARP on its VLAN or to ICMP echo through the host's routing."""

    REACHABLE = "reachable"
    SILENT = "silent"
    """All probes were sent, and none was answered."""
    INCONCLUSIVE = "inconclusive"
    """None was answered, but replies may have been lost on this host or on the way."""
    NOT_TRIED = "not_tried"
    """There was no gateway to probe, or the probe could not be sent."""


class Untagged(StrEnum):
    """What came without the VLAN's tag to a host that asked with it, and heard nothing with it."""

    ONE = "one"
    """Answers on this VLAN; others on the same uplink are answered with their tags."""
    ALL = "all"
    """All that was heard on the uplink in the last minutes."""


class Fault(StrEnum):
    """Why a host could not probe a segment: a fact about the host, not about the network."""

    UPLINK_MISSING = "UplinkMissing"
    UPLINK_DOWN = "UplinkDown"
    UPLINK_FLAPPING = "UplinkFlapping"
    NO_PERMISSION = "NoPermission"
    """The process may not open a packet socket (CAP_NET_RAW)."""
    SEND_FAILED = "SendFailed"
    STOPPED = "Stopped"
    """The prober stopped before this segment was done."""


class BridgeFault(StrEnum):
    """Why a VLAN that reaches a host's uplink does not reach the VMs there: they are behind a bridge.

    A fact about the host, found by reading the bridge's table, not by frames.
    """

    NOT_IN_BRIDGE = "NotInBridge"
    """The uplink's port of the bridge does not carry the VLAN."""
    PORT_BLOCKED = "BridgePortBlocked"
    """The uplink's port of the bridge is disabled or blocked (spanning tree)."""
    UNSETTLED = "Unsettled"
    """One of both, seen only for a moment: Harvester may be about to add the VLAN. It proves nothing."""


class State(StrEnum):
    """The state of a network."""

    ACTIVE = "Active"
    PARTIAL = "Partial"
    ISOLATED = "Isolated"
    OFF_VLAN = "OffVlan"
    UNREACHABLE = "Unreachable"
    DHCP_FAILED = "DHCPFailed"
    PENDING = "Pending"
    UNKNOWN = "Unknown"
    IGNORED = "Ignored"
    DISABLED = "Disabled"
    INVALID = "Invalid"


CALM_STATES = frozenset({State.ACTIVE, State.IGNORED, State.DISABLED})
"""States that need nobody's attention."""


class Reason(StrEnum):
    """Why a network is in its state, or a finding beside it. Its texts are in network.reasons."""

    # The gateway was checked.
    GATEWAY_ANSWERS = "GatewayAnswers"
    GATEWAY_SILENT_ON_SOME_HOSTS = "GatewaySilentOnSomeHosts"
    NOT_IN_BRIDGE = "NotInBridge"
    """The bridge of some hosts does not pass the VLAN on to their VMs. Of a host, too."""
    BRIDGE_PORT_BLOCKED = "BridgePortBlocked"
    """The same, as the bridge's port is disabled or blocked."""
    GATEWAY_NOT_ROUTED = "GatewayNotRouted"
    GATEWAY_SILENT_ON_VLAN = "GatewaySilentOnVlan"
    GATEWAY_SILENT = "GatewaySilent"
    NATIVE_VLAN = "NativeVlan"
    """Answers came without the VLAN's tag, and none with it: of the hosts that heard them, or of all."""

    # DHCP names no usable gateway. If one is known from before, these are findings.
    NO_DHCP_OFFER = "NoDHCPOffer"
    NO_ROUTER_OPTION = "NoRouterOption"
    NO_SUBNET_MASK = "NoSubnetMask"
    """Missing, /0 or not contiguous."""
    ROUTER_OUTSIDE_SUBNET = "RouterOutsideSubnet"
    ROUTER_NOT_A_HOST = "RouterNotAHost"
    """Multicast, loopback, link-local, or the subnet's own or broadcast address."""
    ROUTER_IS_OFFERED_ADDRESS = "RouterIsOfferedAddress"
    ROUTER_REFUSED = "RouterRefused"
    """It is in a denied subnet, or a host's own address."""
    ROUTER_NOT_ON_VLAN = "RouterNotOnVlan"
    """It is on the hosts' own networks and does not answer on the VLAN."""
    SUBNET_TOO_WIDE = "SubnetTooWide"
    """Wider than /8."""
    SUBNET_REFUSED = "SubnetRefused"
    """It overlaps a denied subnet."""
    CONFIGURED_SERVER_SILENT = "ConfiguredServerSilent"
    """Other DHCP servers made offers, but the one in serverIPAddr did not."""

    # No result.
    CONFIRMING_NO_OFFER = "ConfirmingNoOffer"
    """A host received no offer, and other hosts ask before that is reported."""
    NOT_PROBED_YET = "NotProbedYet"
    NO_HOST = "NoHost"
    """No announced host has an uplink of the cluster network."""
    NO_FRESH_VERDICT = "NoFreshVerdict"
    INCONCLUSIVE = "Inconclusive"
    CANNOT_PROBE = "CannotProbe"
    """No host could send; their faults give the reasons."""
    NOT_HEARD = "NotHeard"
    """Of a host, never of a network: it had its time to report since the state was in doubt, and did not."""

    # Left alone.
    UNTAGGED = "Untagged"
    TRUNK = "Trunk"
    OVERLAY = "Overlay"
    SYSTEM_NETWORK = "SystemNetwork"
    NOT_A_BRIDGE = "NotABridge"
    NO_ROUTE_ANNOTATION = "NoRouteAnnotation"
    """And default_mode is off."""
    OUT_OF_SCOPE = "OutOfScope"
    """Its namespace or cluster network is not in the configured scope."""
    DISABLED_BY_ANNOTATION = "DisabledByAnnotation"

    # Unreadable or refused.
    BAD_CONFIG = "BadConfig"
    BAD_ROUTE = "BadRoute"
    """Not JSON, a field of the wrong type, an unknown mode."""
    BAD_SERVER = "BadServer"
    BAD_CIDR = "BadCIDR"
    BAD_GATEWAY = "BadGateway"
    GATEWAY_OUTSIDE_CIDR = "GatewayOutsideCIDR"
    GATEWAY_REFUSED = "GatewayRefused"
    """It is in a denied subnet, or a host's own address."""

    # Findings beside any state, never a reason for one.
    HALF_TRUNK = "HalfTrunk"
    """The VLAN reaches some hosts by way of one member of the bond, and not of another."""
    SEVERAL_ROUTERS = "SeveralRouters"
    SUBNET_TOO_SMALL = "SubnetTooSmall"
    """/32, and no route says that the gateway is on the link."""
    DHCP_SERVERS_DISAGREE = "DHCPServersDisagree"
    OTHER_SERVER_ANSWERED = "OtherServerAnswered"
    """DHCP servers made offers, but none that names the known gateway."""
    SERVER_ID_SHARED = "ServerIdShared"
    """Different offers name one server."""
    TOO_MANY_DHCP_SERVERS = "TooManyDHCPServers"
    """More servers made offers than are kept."""
    DUPLICATE_GATEWAY = "DuplicateGateway"
    """Several machines that are no redundant router answer for the gateway."""
    OVERLAPS_MANAGEMENT = "OverlapsManagement"
    """The subnet overlaps a network of the hosts, or holds their default gateway."""
    OVERLAPS_NETWORK = "OverlapsNetwork"
    """The subnet overlaps that of another VLAN."""
    OTHER_WRITER = "OtherWriter"
    """Another writer puts different results into the route annotation."""
    ARP_NEEDS_ADDRESS = "ARPNeedsAddress"
    """ARP from 0.0.0.0 is not answered. Of a host or a state: it could not tell, for it has no address."""
    ADDRESS_IN_USE = "AddressInUse"
    """Another station has an address that DHCP offers."""
    PROXY_ARP = "ProxyARP"
    """The same MAC address answers for an offered address and others."""
    PROBE_ADDRESS_IN_USE = "ProbeAddressInUse"
    """Another station has an address that the owner gave a host."""
    BAD_PROBE_ADDRESSES = "BadProbeAddresses"
    """The owner's annotation of addresses for hosts cannot be read, or only in part."""


OF_THE_GATEWAY = frozenset(
    {
        Reason.DUPLICATE_GATEWAY,
        Reason.HALF_TRUNK,
        Reason.ARP_NEEDS_ADDRESS,
        Reason.ADDRESS_IN_USE,
        Reason.PROXY_ARP,
        Reason.PROBE_ADDRESS_IN_USE,
        Reason.BAD_PROBE_ADDRESSES,
    }
)
"""Findings that the hosts' checks of the gateway make, and their addresses: they hold whether or not DHCP has
answered."""
BESIDE_VERDICTS = frozenset({Reason.OTHER_WRITER, Reason.OVERLAPS_MANAGEMENT, Reason.OVERLAPS_NETWORK})
"""Findings that rest on something other than what was found on the network's own VLAN."""
