"""The outcomes of a probe: words for what came back, and never for what it means.

An outcome is a result. That nobody offered an address, or that a gateway kept silent, is an outcome;
an exception is raised only where a probe could not be made at all.
"""

from enum import StrEnum


class DHCPOutcome(StrEnum):
    """What became of a DHCPDISCOVER (RFC 2131 section 3.1)."""

    OFFERED = "offered"
    """At least one usable DHCPOFFER came."""
    NO_OFFER = "no_offer"
    """The deadline passed without one, and nothing that was seen explains it by loss."""
    INCONCLUSIVE = "inconclusive"
    """No offer was seen, but frames were lost, on this host or on the way: nothing may be concluded."""
    NOT_TRIED = "not_tried"
    """The probe could not be sent; the verdict's fault says why."""


class Depth(StrEnum):
    """How far a DHCP exchange goes."""

    OFFER = "offer"
    """DISCOVER and OFFER: no address is taken."""
    LEASE = "lease"
    """REQUEST and ACK too: the address is checked, used for an echo to the gateway, and given back."""


class LeaseOutcome(StrEnum):
    """What became of an offered address that was asked for (RFC 2131 section 3.1)."""

    HELD = "held"
    """Acknowledged, nobody else had it, and it was given back in the end (DHCPRELEASE)."""
    REFUSED = "refused"
    """The server said no (DHCPNAK)."""
    CONFLICT = "conflict"
    """Somebody else on the VLAN has it (RFC 5227); the server was told (DHCPDECLINE)."""
    NO_ANSWER = "no_answer"
    """Neither DHCPACK nor DHCPNAK came, though an offer had."""
    INCONCLUSIVE = "inconclusive"
    """Neither came, but frames may have been lost."""
    NOT_TRIED = "not_tried"
    """It was ended before there was an answer; the verdict's fault says why."""


class ReachOutcome(StrEnum):
    """Whether a gateway answered: by ARP on its VLAN, or by ICMP echo through the host's routing."""

    REACHABLE = "reachable"
    SILENT = "silent"
    """Every attempt was sent and none was answered."""
    INCONCLUSIVE = "inconclusive"
    """None was answered, but replies may have been lost, on this host or on the way."""
    NOT_TRIED = "not_tried"
    """There was no gateway to ask, or the probe could not be sent."""


class Fault(StrEnum):
    """Why a host could not probe a segment at all: a fact about the host, not about the network."""

    UPLINK_MISSING = "UplinkMissing"
    UPLINK_DOWN = "UplinkDown"
    UPLINK_FLAPPING = "UplinkFlapping"
    NO_PERMISSION = "NoPermission"
    """The process may not open a packet socket (CAP_NET_RAW)."""
    SEND_FAILED = "SendFailed"
    STOPPED = "Stopped"
    """The prober was told to stop before this segment was done."""


class State(StrEnum):
    """What nadroute says of a network."""

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


class Reason(StrEnum):
    """Why a network is in its state, and what else is told of it: a code that a machine can read.

    The one list of them: docs/states.md says what each means, what to look at and what to do.
    """

    # The gateway was checked.
    GATEWAY_ANSWERS = "GatewayAnswers"
    GATEWAY_SILENT_ON_SOME_HOSTS = "GatewaySilentOnSomeHosts"
    GATEWAY_NOT_ROUTED = "GatewayNotRouted"
    GATEWAY_SILENT_ON_VLAN = "GatewaySilentOnVlan"
    GATEWAY_SILENT = "GatewaySilent"

    # DHCP names no usable gateway. With one that is known from before these are findings, and no state.
    NO_DHCP_OFFER = "NoDHCPOffer"
    NO_ROUTER_OPTION = "NoRouterOption"
    NO_SUBNET_MASK = "NoSubnetMask"
    """None, /0 or one with holes."""
    SUBNET_TOO_SMALL = "SubnetTooSmall"
    """/32: there is no room for a gateway in it."""
    ROUTER_OUTSIDE_SUBNET = "RouterOutsideSubnet"
    ROUTER_NOT_A_HOST = "RouterNotAHost"
    """Multicast, loopback, link-local, or the subnet's own or broadcast address."""
    ROUTER_IS_OFFERED_ADDRESS = "RouterIsOfferedAddress"
    ROUTER_REFUSED = "RouterRefused"
    """It is in one of the denied subnets."""
    CONFIGURED_SERVER_SILENT = "ConfiguredServerSilent"
    """Another DHCP server offered, the one that serverIPAddr names did not."""

    # Nobody can tell yet, or any more.
    CONFIRMING_NO_OFFER = "ConfirmingNoOffer"
    """A host was offered nothing, and other hosts are being asked before that is told."""
    NOT_PROBED_YET = "NotProbedYet"
    NO_HOST = "NoHost"
    """No announced host carries the cluster network."""
    NO_FRESH_VERDICT = "NoFreshVerdict"
    INCONCLUSIVE = "Inconclusive"
    CANNOT_PROBE = "CannotProbe"
    """Every host that was asked could not send: their faults say why."""

    # Left alone.
    UNTAGGED = "Untagged"
    TRUNK = "Trunk"
    OVERLAY = "Overlay"
    SYSTEM_NETWORK = "SystemNetwork"
    NOT_A_BRIDGE = "NotABridge"
    NO_ROUTE_ANNOTATION = "NoRouteAnnotation"
    """And default_mode is off."""
    OUT_OF_SCOPE = "OutOfScope"
    """Its namespace or cluster network is not one of those that nadroute was told to look after."""
    DISABLED_BY_ANNOTATION = "DisabledByAnnotation"

    # What its owner wrote cannot be read, or is refused.
    BAD_CONFIG = "BadConfig"
    BAD_ROUTE = "BadRoute"
    """Not JSON, a field of the wrong type, an unknown mode."""
    BAD_SERVER = "BadServer"
    BAD_CIDR = "BadCIDR"
    BAD_GATEWAY = "BadGateway"
    GATEWAY_OUTSIDE_CIDR = "GatewayOutsideCIDR"
    GATEWAY_REFUSED = "GatewayRefused"
    """It is in one of the denied subnets, or a host's own address."""

    # Findings: told beside any state, and never a reason for one.
    SEVERAL_ROUTERS = "SeveralRouters"
    DHCP_SERVERS_DISAGREE = "DHCPServersDisagree"
    OTHER_WRITER = "OtherWriter"
    """Somebody else keeps writing another result into the route annotation."""


FINDINGS = frozenset({Reason.SEVERAL_ROUTERS, Reason.DHCP_SERVERS_DISAGREE, Reason.OTHER_WRITER})
"""Reasons that are told beside a state alone; those why DHCP is out may be too."""
