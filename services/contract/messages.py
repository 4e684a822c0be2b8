"""The messages on the queues: requests to a prober, reports to the updater, and a host's announcement.

Both ends validate. A message is refused as a whole when a field is unknown, missing, of another type or too
large: what does not fit the schema was not written by this version and must not be guessed at. Durations are
milliseconds and say so in their names; points in time are milliseconds of Redis' own clock, the only one that
all parts can see.
"""

import json
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails

from services.contract.errors import MessageRefused
from services.contract.outcomes import Depth, DHCPOutcome, Fault, LeaseOutcome, ReachOutcome

SCHEMA_VERSION: Literal[1] = 1
MAX_SEGMENTS = 256
"""Segments in one request: beyond this the message grows faster than the overhead shrinks."""
MAX_MESSAGE_BYTES = 12_000_000
"""More than the largest message that the schema admits, so that no honest one is refused for its size."""
MAX_PROBLEMS_TOLD = 5
MAX_TOLD_CHARACTERS = 80
MAX_TARGETS = 64
MAX_SERVERS = 16
MAX_ADDRESSES = 256

HostName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
"""A Kubernetes node name: an RFC 1123 subdomain."""
ClusterNetworkName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
InterfaceName = Annotated[str, StringConstraints(pattern=r"^[^/:\s\x00]{1,15}$")]
"""A Linux interface name (IFNAMSIZ less the closing zero)."""
MACAddress = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")]
VlanId = Annotated[int, Field(ge=1, le=4094)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
Milliseconds = Annotated[float, Field(ge=0, le=86_400_000)]
Ordinal = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""A whole number that Lua's and JavaScript's doubles hold exactly: what is compared in Redis must be."""
RedisTime = Ordinal
"""Milliseconds of Redis' TIME."""


class Message(BaseModel):
    """A frozen model that refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def to_wire(self) -> dict[str, object]:
        """JSON-compatible fields, without those that hold their default."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @classmethod
    def from_wire(cls, body: object) -> Self:
        """Validate what came from a queue; raises MessageRefused that names each wrong field."""
        try:
            if isinstance(body, Mapping):
                body = json.dumps(body)
            if isinstance(body, (str, bytes)):
                if len(body) > MAX_MESSAGE_BYTES:
                    raise MessageRefused(
                        f"{cls.__name__}: {len(body)} bytes, expected at most {MAX_MESSAGE_BYTES}"
                    )
                return cls.model_validate_json(body, strict=True)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False)
            told = "; ".join(map(_tell, problems[:MAX_PROBLEMS_TOLD]))
            raise MessageRefused(f"{cls.__name__}: {told}") from None
        except (ValueError, TypeError, RecursionError) as error:
            reason = str(error)[:MAX_TOLD_CHARACTERS]
            raise MessageRefused(f"{cls.__name__}: not JSON: {reason}") from None
        raise MessageRefused(f"{cls.__name__}: expected an object, got {type(body).__name__}")


def _tell(problem: ErrorDetails) -> str:
    """One wrong field for people; a name or value of any size is cut to what a line can hold."""
    where = ".".join(str(part)[:MAX_TOLD_CHARACTERS] for part in problem["loc"]) or "(whole)"
    value = problem["input"]
    if isinstance(value, (dict, list)):
        # Not its text: a tower of brackets cannot be printed without climbing it.
        value = f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    return f"{where}: {problem['msg'][:200]}, got {str(value)[:MAX_TOLD_CHARACTERS]!r}"


class Segment(Message):
    """What is really probed, once, however many networks name it: one VLAN of one cluster network."""

    cluster_network: ClusterNetworkName
    vlan: VlanId

    def __str__(self) -> str:
        return f"{self.cluster_network}/{self.vlan}"


class Target(Message):
    """One intent on a segment: whose gateway is to be checked."""

    digest: Digest
    """Of the intent, so that a verdict on what its owner no longer asks can be dropped."""
    gateway: IPv4Address | None = None
    """The gateway that is known: the owner's (manual), or the one that DHCP named before."""
    from_dhcp: bool = True
    """Whether a gateway in a DHCPOFFER takes the place of the known one."""
    server: IPv4Address | None = None
    """The DHCP server whose offer counts; None: the first by the order that the prober documents."""


class SegmentProbe(Message):
    """What to do on one segment."""

    vlan: VlanId
    ask_dhcp: bool = False
    depth: Depth = Depth.OFFER
    """How far to go with DHCP; a prober that is set to take leases does so in any case."""
    source: IPv4Address | None = None
    """An address on this VLAN that an operator gave this host: the gateway is asked from it too, by ICMP."""
    targets: Annotated[tuple[Target, ...], Field(min_length=1, max_length=MAX_TARGETS)]


class ProbeRequest(Message):
    """A task for one host: probe these segments of one cluster network."""

    schema_version: Literal[1] = SCHEMA_VERSION
    id: Identifier
    host: HostName
    cluster_network: ClusterNetworkName
    sent_at_ms: RedisTime
    max_age_ms: Annotated[int, Field(ge=1_000, le=3_600_000)]
    """Older than this in Redis' time, the request is dropped: whoever sent it has asked again since."""
    segments: Annotated[tuple[SegmentProbe, ...], Field(min_length=1, max_length=MAX_SEGMENTS)]

    @model_validator(mode="after")
    def _each_vlan_once(self) -> Self:
        if len({probe.vlan for probe in self.segments}) != len(self.segments):
            raise ValueError("segments: a VLAN is named twice")
        return self

    def to_wire(self) -> dict[str, object]:
        return {"schema_version": SCHEMA_VERSION, **super().to_wire()}


class Offer(Message):
    """What one DHCP server offered (RFC 2131 table 3, RFC 2132)."""

    server: IPv4Address
    """Option 54, or the packet's source address where that is missing."""
    address: IPv4Address
    cidr: IPv4Network | None = None
    """The offered address masked by option 1; None without a usable mask."""
    gateway: IPv4Address | None = None
    """The default router: option 121 before option 3 (RFC 3442); None when none was named."""
    routers: Annotated[tuple[IPv4Address, ...], Field(max_length=MAX_SERVERS)] = ()
    """All that option 3 named, in its order."""
    relay: IPv4Address | None = None
    """giaddr, when a relay agent forwarded the answer."""
    lease_s: Annotated[int, Field(ge=0, le=0xFFFFFFFF)] | None = None
    after_ms: Milliseconds = 0.0
    """From the DHCPDISCOVER that it answers to this offer."""
    rogue: bool = False
    """Not a server that counts: not on the list of allowed ones, or, where there is none, a second one."""
    unasked_ack: bool = False
    """It leased at once (RFC 4039) what nobody had requested: the address was given back."""


class Lease(Message):
    """What became of asking for an offered address."""

    outcome: LeaseOutcome
    server: IPv4Address
    address: IPv4Address
    attempts: Annotated[int, Field(ge=0, le=100)] = 0
    elapsed_ms: Milliseconds = 0.0
    """From the first DHCPREQUEST to its answer, or to the end."""
    owner: MACAddress | None = None
    """Who else has the address."""


class DHCPFinding(Message):
    """What DHCP said on one segment: every server that answered within the window."""

    outcome: DHCPOutcome
    servers: Annotated[tuple[Offer, ...], Field(max_length=MAX_SERVERS)] = ()
    attempts: Annotated[int, Field(ge=0, le=100)] = 0
    elapsed_ms: Milliseconds = 0.0
    lease: Lease | None = None
    """None where no address was asked for."""


class Reach(Message):
    """Whether a gateway answered on one path."""

    outcome: ReachOutcome
    rtt_ms: Milliseconds | None = None
    attempts: Annotated[int, Field(ge=0, le=100)] = 0
    mac: MACAddress | None = None
    """Who answered ARP."""


NOT_TRIED = Reach(outcome=ReachOutcome.NOT_TRIED)


class TargetVerdict(Message):
    """What was found for one intent."""

    digest: Digest
    cidr: IPv4Network | None = None
    gateway: IPv4Address | None = None
    """The gateway that was checked."""
    vlan: Reach = NOT_TRIED
    """By ARP on the VLAN."""
    routed: Reach = NOT_TRIED
    """By ICMP echo through the host's own routing."""
    echo: Reach = NOT_TRIED
    """By ICMP echo on the VLAN, from an address that was leased, or given by the operator."""


class Verdict(Message):
    """What one host found on one segment."""

    segment: Segment
    host: HostName
    request_id: Identifier
    incarnation: RedisTime
    counter: Ordinal
    """Verdicts of one host are ordered by (incarnation, counter); nothing else orders them."""
    dhcp: DHCPFinding | None = None
    """None where DHCP was not asked."""
    targets: Annotated[tuple[TargetVerdict, ...], Field(max_length=MAX_TARGETS)] = ()
    fault: Fault | None = None
    dropped_frames: Annotated[int, Field(ge=0)] = 0
    """Frames that this host's kernel dropped meanwhile (PACKET_STATISTICS)."""


class Report(Message):
    """Verdicts on their way to the updater."""

    schema_version: Literal[1] = SCHEMA_VERSION
    host: HostName
    verdicts: Annotated[tuple[Verdict, ...], Field(min_length=1, max_length=MAX_SEGMENTS)]

    @model_validator(mode="after")
    def _one_host(self) -> Self:
        if any(verdict.host != self.host for verdict in self.verdicts):
            raise ValueError("verdicts: one is of another host than the report")
        return self

    def to_wire(self) -> dict[str, object]:
        return {"schema_version": SCHEMA_VERSION, **super().to_wire()}


class HostAnnouncement(Message):
    """What a prober says of itself in Redis, for as long as it lives."""

    host: HostName
    uplinks: dict[ClusterNetworkName, InterfaceName]
    version: Annotated[str, StringConstraints(max_length=64)]
    incarnation: RedisTime
    """Redis' time when the process started: later is newer."""
    addresses: Annotated[tuple[IPv4Address, ...], Field(max_length=MAX_ADDRESSES)] = ()
    """The host's own: no gateway of a network can be one of them."""
