"""The intent of a network's owner, read from the NAD, with its digest."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network
from typing import Literal

from pydantic import ValidationError

from services.contract.gateways import Flaw, find_flaw_in
from services.contract.messages import Segment, segment_of
from services.contract.outcomes import Reason, State
from services.network.parse import nad
from services.network.parse.config import BRIDGE, OVERLAY, Config
from services.network.parse.nad import Network
from services.network.parse.probe_addresses import NO_ADDRESSES, ProbeAddresses, read_probe_addresses
from services.network.parse.route import Route
from services.network.parse.status import ServerIdentity, Status
from services.network.parse.tolerance import read_cidr, read_gateway, shown
from services.network.policy import DEFAULT_POLICY, Policy

Mode = Literal["auto", "manual"]
BRIDGE_SUFFIX = "-br"
ANSWERS_ON_VLAN = frozenset({State.ACTIVE, State.PARTIAL, State.ISOLATED})
"""States in which the gateway answers some host on the VLAN."""
OVERLAY_CLUSTER_NETWORK = "mgmt"
"""The cluster network of all overlay networks in Harvester."""


class Source(StrEnum):
    """Where a value of an intent comes from."""

    BRIDGE = "spec.config: bridge"
    LABEL = f"label {nad.CLUSTER_NETWORK_LABEL}"
    MODE_FIELD = f"annotation {nad.ROUTE}: mode"
    DEFAULT_MODE = "setting default_mode: there is no route annotation"
    OWN_GATEWAY = f"annotation {nad.ROUTE}: no mode, and a gateway that nadroute did not write"
    NO_OWN_GATEWAY = f"annotation {nad.ROUTE}: no mode, and no gateway of the owner's"


@dataclass(frozen=True)
class Intent:
    """How a network is to be probed."""

    segment: Segment
    mode: Mode
    gateway: IPv4Address | None = None
    """Manual: the owner's. Auto: None."""
    cidr: IPv4Network | None = None
    """Manual: the owner's. Auto: None."""
    server: IPv4Address | None = None
    """The DHCP server whose offer counts (serverIPAddr)."""
    known_gateway: IPv4Address | None = None
    """Auto: what DHCP named before, as the annotation remembers it. Not part of the digest."""
    known_cidr: IPv4Network | None = None
    named_by: frozenset[ServerIdentity] = field(default=frozenset(), compare=False)
    """Auto: DHCP servers that have named the known gateway, as the status annotation remembers them."""
    isolated: bool = False
    """Whether routing does not count, by annotation. It does not change what is probed."""
    probe_addresses: ProbeAddresses = NO_ADDRESSES
    """Manual: the addresses that the owner gave hosts. Not part of the digest."""
    cluster_network_source: Source = field(default=Source.BRIDGE, compare=False)
    mode_source: Source = field(default=Source.MODE_FIELD, compare=False)

    @cached_property
    def digest(self) -> str:
        """Sixteen hex digits that change exactly when what is to be probed changes."""
        asked = [
            self.segment.cluster_network,
            self.segment.vlan,
            self.mode,
            str(self.gateway),
            str(self.cidr),
            str(self.server),
        ]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


class Channel(Enum):
    """How nadroute reports that a network is not probed."""

    STATUS = "status"
    """In the status annotation."""
    EVENT = "event"
    """By an Event only, because Harvester's webhook refuses every write to such an object."""
    NOTHING = "nothing"
    """Not at all: nadroute does not manage the network."""


@dataclass(frozen=True)
class NotProbed:
    """Why a network is not probed."""

    state: State
    reason: Reason
    detail: str = ""
    channel: Channel = Channel.STATUS
    host_address: IPv4Address | None = None
    """The owner's gateway, where it is refused as a host's own address."""


class _Refused(Exception):
    """The owner's configuration is refused."""

    def __init__(
        self,
        reason: Reason,
        detail: str,
        channel: Channel = Channel.STATUS,
        *,
        host_address: IPv4Address | None = None,
    ) -> None:
        super().__init__(detail)
        if channel is Channel.EVENT:
            detail = f"{detail}; Harvester's webhook refuses this, too"
        self.invalid = NotProbed(State.INVALID, reason, f"{nad.ROUTE}: {detail}", channel, host_address)


def answering_gateway(network: Network, policy: Policy) -> IPv4Address | None:
    """Return the gateway that answers on the VLAN by the network's status, and that a host claims; or None.

    It stays the gateway, whoever announces it as a host's own address: an announcement can be forged, and
    would take the gateway from every network that it names.
    """
    status = network.status
    if status is None or status.state not in ANSWERS_ON_VLAN:
        return None
    gateway = read_gateway(status.gateway)
    return gateway if policy.is_claimed(gateway) else None


def refused_gateway(network: Network, status: Status | None) -> IPv4Address | None:
    """Return the owner's gateway where this status refuses it as a host's own address; or None."""
    if status is None or status.reason != Reason.GATEWAY_REFUSED:
        return None
    gateway = read_gateway(network.route.gateway)
    return gateway if gateway == read_gateway(status.gateway) else None


def read_intent(network: Network, policy: Policy = DEFAULT_POLICY) -> Intent | NotProbed:
    """Read the intent of a network's owner. Never raises: a tenant may have written anything.

    policy: as it applies to this network; see network.claims for which hosts' addresses count.
    """
    if network.is_system:
        return NotProbed(State.IGNORED, Reason.SYSTEM_NETWORK, channel=Channel.NOTHING)
    if not policy.covers_namespace(network.ref):
        return NotProbed(State.IGNORED, Reason.OUT_OF_SCOPE, channel=Channel.NOTHING)
    found = _read_segment(network, policy)
    if isinstance(found, NotProbed) and found.channel is not Channel.STATUS:
        return found
    try:
        if network.route_error:
            raise _Refused(Reason.BAD_ROUTE, network.route_error, Channel.EVENT)
        if network.annotations.get(nad.PROBE) == "disabled":
            return NotProbed(State.DISABLED, Reason.DISABLED_BY_ANNOTATION)
        if isinstance(found, NotProbed):
            return found
        if not network.has_route and policy.default_mode == "off":
            return NotProbed(State.IGNORED, Reason.NO_ROUTE_ANNOTATION)
        segment, source = found
        intent = _read_route(segment, network, policy)
    except _Refused as refused:
        return refused.invalid
    isolated = network.annotations.get(nad.ISOLATED) == "true"
    if (text := network.annotations.get(nad.PROBE_ADDRESSES)) is not None:
        addresses = read_probe_addresses(text, intent.cidr, intent.gateway)
        intent = replace(intent, probe_addresses=addresses)
    return replace(intent, isolated=isolated, cluster_network_source=source)


def _read_segment(network: Network, policy: Policy) -> tuple[Segment, Source] | NotProbed:
    """Read spec.config: labels come later, and only Harvester's controller maintains them."""

    def bad(detail: str) -> NotProbed:
        return NotProbed(State.INVALID, Reason.BAD_CONFIG, f"spec.config: {detail}", Channel.EVENT)

    try:
        config = Config.parse(network.config)
    except ValueError as error:
        return bad(str(error))
    if config.type not in (BRIDGE, OVERLAY):
        detail = f"spec.config: type is {shown(config.type)}"
        return NotProbed(State.IGNORED, Reason.NOT_A_BRIDGE, detail, Channel.NOTHING)
    cluster_network, source = _read_cluster_network(config, network)
    if not policy.covers_cluster_network(cluster_network):
        return NotProbed(State.IGNORED, Reason.OUT_OF_SCOPE, channel=Channel.NOTHING)
    if config.error:
        return bad(config.error)
    if config.type == OVERLAY:
        return NotProbed(State.IGNORED, Reason.OVERLAY)
    if config.vlan == 0:
        return NotProbed(State.IGNORED, Reason.TRUNK if config.is_trunk else Reason.UNTAGGED)
    try:
        return segment_of(cluster_network, config.vlan), source
    except ValidationError:
        return bad(f"bridge: expected CLUSTERNETWORK{BRIDGE_SUFFIX}, got {shown(config.bridge)}")


def _read_cluster_network(config: Config, network: Network) -> tuple[str, Source]:
    if config.type == OVERLAY:
        return OVERLAY_CLUSTER_NETWORK, Source.BRIDGE
    if config.bridge.endswith(BRIDGE_SUFFIX):
        return config.bridge.removesuffix(BRIDGE_SUFFIX), Source.BRIDGE
    return network.labels.get(nad.CLUSTER_NETWORK_LABEL, ""), Source.LABEL


def _read_route(segment: Segment, network: Network, policy: Policy) -> Intent:
    route = network.route
    if route.mode == "manual":
        return _manual(segment, route, policy)
    server = None
    if route.server:
        server = read_gateway(route.server)
        if server is None:
            expected = f"serverIPAddr: expected an IPv4 address, got {shown(route.server)}"
            raise _Refused(Reason.BAD_SERVER, expected)
    mode_source = Source.MODE_FIELD if route.mode else Source.NO_OWN_GATEWAY
    if not network.has_route:
        mode_source = Source.DEFAULT_MODE
    auto = Intent(segment, "auto", server=server, mode_source=mode_source)
    if not route.mode and route.gateway and not _was_filled_in(auto, network):
        # Without a mode nothing else asks for DHCP: the gateway is its owner's.
        return replace(_manual(segment, route, policy), mode_source=Source.OWN_GATEWAY)
    gateway, cidr, is_ours = read_gateway(route.gateway), read_cidr(route.cidr), _was_filled_in(auto, network)
    if (
        route.outdated
        or cidr is None
        or gateway is None
        # A gateway outside the subnet was on the link by option 121, if nadroute wrote it.
        or find_flaw_in(gateway, cidr, on_link=is_ours, denied=policy.denied) is not None
    ):
        # The VLAN has changed since, or the values are junk: no gateway is known on this segment.
        return auto
    status = network.status if is_ours else None
    named_by = frozenset() if status is None else status.named_by
    return replace(auto, known_gateway=gateway, known_cidr=cidr, named_by=named_by)


def _manual(segment: Segment, route: Route, policy: Policy) -> Intent:
    """Read the owner's cidr and gateway; an error names the field, its value and what was expected."""
    gateway, cidr = read_gateway(route.gateway), read_cidr(route.cidr)
    if gateway is None:
        channel = _channel(route, accepted=_is_address(route.gateway))
        detail = f"gateway: expected a host's IPv4 address, got {shown(route.gateway)}"
        raise _Refused(Reason.BAD_GATEWAY, detail, channel)
    if cidr is None:
        channel = _channel(route, accepted=_is_narrow_subnet(route.cidr))
        detail = f"cidr: expected an IPv4 subnet other than /0, got {shown(route.cidr)}"
        raise _Refused(Reason.BAD_CIDR, detail, channel)
    if (denial := policy.denial(gateway)) is not None:
        raise _Refused(
            Reason.GATEWAY_REFUSED,
            f"gateway: expected an address that may be probed, but {denial}",
            host_address=gateway if gateway in policy.host_addresses else None,
        )
    # An owner may name a wider subnet than DHCP, and one around a denied one: only the gateway is probed.
    flaw = find_flaw_in(gateway, cidr, widest=1)
    if flaw is Flaw.OUTSIDE:
        detail = f"gateway: expected an address in cidr {cidr}, got {shown(route.gateway)}"
        raise _Refused(Reason.GATEWAY_OUTSIDE_CIDR, detail)
    if flaw is not None:
        detail = f"gateway: expected a host's address in {cidr}, got {shown(route.gateway)}, {flaw.value}"
        raise _Refused(Reason.BAD_GATEWAY, detail)
    return Intent(segment, "manual", gateway=gateway, cidr=cidr)


def _channel(route: Route, *, accepted: bool) -> Channel:
    """Return the channel for a value that the webhook checks in manual mode, at every write."""
    return Channel.STATUS if accepted or route.mode != "manual" else Channel.EVENT


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_narrow_subnet(text: str) -> bool:
    try:
        return text.partition("/")[2].isdecimal() and ip_network(text, strict=False).prefixlen > 0
    except ValueError:
        return False


def _was_filled_in(auto: Intent, network: Network) -> bool:
    """Whether nadroute wrote the gateway from DHCP, according to the status annotation."""
    status = network.status
    return status is not None and (status.digest, status.gateway) == (auto.digest, network.route.gateway)
