"""The messages: requests to a prober, its verdicts, its announcement. What carries verdicts is in reports.py.

Both ends validate, as wire.py says. Durations are milliseconds, as their names say. Points in time are
milliseconds of Redis' clock, which all parts can read.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from services.contract.limits import (
    MAX_ANSWERS,
    MAX_REPORT_WITHIN_S,
    MAX_SERVERS,
    MAX_TARGETS,
    REPORT_WITHIN_S,
)
from services.contract.member_nics import MAX_MEMBERS, MemberNIC
from services.contract.outcomes import (
    BridgeFault,
    Depth,
    DHCPOutcome,
    Fault,
    LeaseOutcome,
    ReachOutcome,
    Untagged,
)
from services.contract.vlan_addresses import MAX_VLAN_ADDRESSES, SourceConflict, VlanAddress
from services.contract.wire import (
    ClusterNetworkName,
    Digest,
    HostName,
    Identifier,
    InterfaceName,
    MACAddress,
    Message,
    Milliseconds,
    Ordinal,
    RedisTime,
    VlanId,
)

SCHEMA_VERSION: Literal[1] = 1
MAX_SEGMENTS = 256
"""Segments in one request. With more, the message grows faster than the overhead per segment shrinks."""
MAX_ADDRESSES = 256
MAX_HOST_NETWORKS = 64


class Segment(Message):
    """One VLAN of one cluster network: the unit that is probed, however many networks share it."""

    cluster_network: ClusterNetworkName
    vlan: VlanId

    def __str__(self) -> str:
        return f"{self.cluster_network}/{self.vlan}"

    # A model compares and hashes any fields, which takes most of a look-up by segment.
    def __eq__(self, other: object) -> bool:
        # Not isinstance(), which asks the model's metaclass.
        return (
            other.__class__ is Segment
            and self.vlan == other.vlan
            and self.cluster_network == other.cluster_network
        )

    def __hash__(self) -> int:
        return hash((self.vlan, self.cluster_network))


@lru_cache(maxsize=16_384)
def segment_of(cluster_network: str, vlan: int) -> Segment:
    """Return the segment, mostly one that is known: validating it takes longer than all else."""
    return Segment(cluster_network=cluster_network, vlan=vlan)


class Target(Message):
    """One intent on a segment, whose gateway is to be checked."""

    digest: Digest
    """Of the intent, so that a verdict on a former intent can be dropped."""
    gateway: IPv4Address | None = None
    """The known gateway: the owner's (manual), or the one that DHCP named before."""
    from_dhcp: bool = True
    """Whether a gateway in a DHCPOFFER is checked, too."""
    server: IPv4Address | None = None
    """The DHCP server whose offer counts. None: see prober.engine.offers."""


class SegmentProbe(Message):
    """How to probe one segment."""

    vlan: VlanId
    ask_dhcp: bool = False
    depth: Depth = Depth.OFFER
    """How far to go with DHCP. A prober that is configured to take leases always does."""
    source: IPv4Address | None = None
    """An address on the VLAN that the operator gave this host: the gateway is pinged from it as well."""
    source_prefix: Annotated[int, Field(ge=1, le=32)] | None = None
    """Of the subnet in which it is used; None: for every gateway."""
    may_lease: bool = True
    """Whether an address may be requested, whatever the prober is configured to do."""
    targets: Annotated[tuple[Target, ...], Field(min_length=1, max_length=MAX_TARGETS)]


class ProbeRequest(Message):
    """A task for one host: probe these segments of one cluster network."""

    schema_version: Literal[1] = SCHEMA_VERSION
    id: Identifier
    host: HostName
    cluster_network: ClusterNetworkName
    sent_at_ms: RedisTime
    max_age_ms: Annotated[int, Field(ge=1_000, le=3_600_000)]
    """Age by Redis' clock from which the prober drops the request: the sender has repeated it by then."""
    segments: Annotated[tuple[SegmentProbe, ...], Field(min_length=1, max_length=MAX_SEGMENTS)]

    @model_validator(mode="after")
    def _each_vlan_once(self) -> Self:
        if len({probe.vlan for probe in self.segments}) != len(self.segments):
            raise ValueError("segments: duplicate VLAN")
        return self

    def probed(self) -> list[Segment]:
        """Return the segments, in the order of their probes."""
        return [segment_of(self.cluster_network, probe.vlan) for probe in self.segments]

    def to_wire(self) -> dict[str, object]:
        return {"schema_version": SCHEMA_VERSION, **super().to_wire()}


class Offer(Message):
    """The offer of one DHCP server (RFC 2131 table 3, RFC 2132)."""

    server: IPv4Address
    """Option 54; the packet's source address if that is missing."""
    mac: MACAddress | None = None
    """The source of the frame: the server, or the router that relayed the offer."""
    address: IPv4Address
    cidr: IPv4Network | None = None
    """The offered address masked by option 1; None without a usable mask."""
    gateway: IPv4Address | None = None
    """The default router, from option 121 before option 3 (RFC 3442); None without one."""
    routers: Annotated[tuple[IPv4Address, ...], Field(max_length=MAX_SERVERS)] = ()
    """All routers of option 3, in its order."""
    relay: IPv4Address | None = None
    """giaddr, if a relay agent forwarded the answer."""
    lease_s: Annotated[int, Field(ge=0, le=0xFFFFFFFF)] | None = None
    after_ms: Milliseconds = 0.0
    """Time since the DHCPDISCOVER that it answers."""
    rogue: bool = False
    """Whether the server is unexpected: not an allowed one, or, if none is configured, a second one that
    offers another subnet, mask or gateway."""
    unasked_ack: bool = False
    """Whether the server sent an unrequested lease (rapid commit, RFC 4039), which was released."""
    acknowledged: bool = False
    """Whether these are the options of a DHCPACK, which a client would configure (RFC 2131 section 4.3.2)."""
    on_link: bool = False
    """Whether option 121 has a route that says that the gateway is on the link, in the subnet or not."""


class LeaseVerdict(Message):
    """The result of requesting an offered address."""

    outcome: LeaseOutcome
    server: IPv4Address
    address: IPv4Address
    attempts: Annotated[int, Field(ge=0, le=100)] = 0
    elapsed_ms: Milliseconds = 0.0
    """From the first DHCPREQUEST to its answer, or to giving up."""
    owner: MACAddress | None = None
    """The MAC address of another host that has the address."""
    others: Annotated[tuple[IPv4Address, ...], Field(max_length=MAX_SERVERS)] = ()
    """Further addresses for which that MAC address has answered: proxy ARP does so for any."""


class DHCPVerdict(Message):
    """The result of asking DHCP on one segment, with every server that answered in time.

    Several offers may name one server: from different MAC addresses, or with different gateways or subnets.
    """

    outcome: DHCPOutcome
    servers: Annotated[tuple[Offer, ...], Field(max_length=MAX_SERVERS)] = ()
    attempts: Annotated[int, Field(ge=0, le=100)] = 0
    elapsed_ms: Milliseconds = 0.0
    omitted: Ordinal = 0
    """Further offers, left out because there were more than MAX_SERVERS."""
    lease: LeaseVerdict | None = None
    """None if no address was requested."""


class ReachVerdict(Message):
    """Whether a gateway answered on one path."""

    outcome: ReachOutcome
    rtt_ms: Milliseconds | None = None
    attempts: Annotated[int, Field(ge=0, le=100)] = 0
    mac: MACAddress | None = None
    """The MAC address that answered ARP first."""
    macs: Annotated[tuple[MACAddress, ...], Field(max_length=MAX_ANSWERS)] = ()
    """The MAC addresses that answered one ARP question, in order, if more than one did: this one or, where
    they came after its check had ended, the one before."""
    from_address: bool = False
    """On the VLAN: whether it was asked from an address of this host there; ARP else asks from 0.0.0.0."""
    unproven: bool = False
    """Whether this gateway did not answer the host's ARP from 0.0.0.0 when it was asked last, and not before
    since the prober started: it, or a switch, may answer only senders that have an address on the VLAN."""


NOT_TRIED = ReachVerdict(outcome=ReachOutcome.NOT_TRIED)


class TargetVerdict(Message):
    """The result for one gateway of one intent.

    An intent has two if a DHCPOFFER names another gateway than the known one, which comes first.
    """

    digest: Digest
    cidr: IPv4Network | None = None
    gateway: IPv4Address | None = None
    """The gateway that was checked."""
    vlan: ReachVerdict = NOT_TRIED
    """ARP on the VLAN."""
    routed: ReachVerdict = NOT_TRIED
    """ICMP echo through the host's own routing."""
    echo: ReachVerdict = NOT_TRIED
    """ICMP echo on the VLAN, from an address that was leased or that the operator gave."""


class MemberCheck(Message):
    """Whether a gateway answers by way of one member of the uplink's bond."""

    nic: InterfaceName
    answered: bool | None = None
    """False: it answers by way of another member, and repeatedly not by this one. None: not known."""


class Verdict(Message):
    """The result of one host's probe of one segment."""

    segment: Segment
    host: HostName
    request_id: Identifier
    incarnation: RedisTime
    counter: Ordinal
    """Verdicts of one host are ordered by (incarnation, counter), and by nothing else. It is Redis' time in
    microseconds, or earlier: one that is later was not made by a prober."""
    dhcp: DHCPVerdict | None = None
    """None if DHCP was not asked."""
    targets: Annotated[tuple[TargetVerdict, ...], Field(max_length=MAX_TARGETS)] = ()
    fault: Fault | None = None
    bridge: BridgeFault | None = None
    """Why VMs on this host do not reach the VLAN, whatever answers the host itself; None if none is known."""
    members: Annotated[tuple[MemberCheck, ...], Field(max_length=MAX_MEMBERS)] = ()
    """The members of the uplink's bond; empty with fewer than two, or if they are not asked."""
    members_untested: bool = False
    """Whether they have not been asked since the prober's start."""
    dropped_frames: Annotated[int, Field(ge=0)] = 0
    """Frames that this host's kernel dropped during the probe (PACKET_STATISTICS)."""
    source_conflict: SourceConflict | None = None
    fingerprint: Digest | None = None
    """Of what it says, as the prober computes it; None if no later verdict will be said to repeat it."""
    untagged: Untagged | None = None
    """What answered without the VLAN's tag, where nothing answered with it."""

    @property
    def is_dhcp_conclusive(self) -> bool:
        """Whether it tells what DHCP offers, or that it offers nothing."""
        return self.dhcp is not None and self.dhcp.outcome.is_conclusive


class HostAnnouncement(Message):
    """A prober's announcement in Redis, which expires with it."""

    host: HostName
    uplinks: dict[ClusterNetworkName, InterfaceName]
    version: Annotated[str, StringConstraints(max_length=64)]
    incarnation: RedisTime
    """Redis' time when the prober took the host's name; a larger one is newer."""
    addresses: Annotated[tuple[IPv4Address, ...], Field(max_length=MAX_ADDRESSES)] = ()
    """The host's own addresses, none of which can be a network's gateway."""
    own_networks: Annotated[tuple[IPv4Network, ...], Field(max_length=MAX_HOST_NETWORKS)] = ()
    """And each default gateway as a /32: an address in one is a gateway only while it answers on its VLAN."""
    vlan_addresses: Annotated[tuple[VlanAddress, ...], Field(max_length=MAX_VLAN_ADDRESSES)] = ()
    """The host's own addresses on the VLANs of its uplinks."""
    one_mac: bool = False
    """Whether it probes all VLANs of an uplink with one MAC address; see probe_macs."""
    report_within_s: Annotated[float, Field(ge=REPORT_WITHIN_S, le=MAX_REPORT_WITHIN_S)] = REPORT_WITHIN_S
    """How long this host may take to report after it was asked: longer where it sends slowly."""
    members: Annotated[tuple[MemberNIC, ...], Field(max_length=MAX_MEMBERS)] = ()
    """The NICs behind the uplinks, by name, each with the switch port that it is plugged into, if heard."""
    port_rate: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    """DHCP and ARP messages a second that it sends on each uplink, together; None: not limited together."""
