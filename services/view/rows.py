"""Networks as rows: what the owner asks, the route annotation, our status, and what each host found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from services.contract.conclusions import ConclusionRecord, Hindrance, Unwritten
from services.contract.outcomes import CALM_STATES, Reason, State
from services.network.parse.intent import Channel, Intent, NotProbed, read_intent, refused_gateway
from services.network.parse.nad import Network, NetworkRef
from services.network.parse.status import ServerIdentity, ServerOffer, Status
from services.network.policy import DEFAULT_POLICY, Policy
from services.view.host_checks import HostCheck, RedisView


class Source(StrEnum):
    """Where a state comes from."""

    CONCLUSION = "conclusion"
    """The updater's record in Redis."""
    ANNOTATION = "annotation"
    """nadroute.io/status, because there is no record."""
    NETWORK = "network"
    """The network itself: it is not probed, or nothing is known of its present configuration."""


@dataclass(frozen=True)
class NetworkRow:
    """One network. Texts are empty if unknown."""

    ref: NetworkRef
    uid: str
    state: str
    reason: str
    since: str = ""
    """RFC 3339, UTC."""
    detail: str = ""
    cluster_network: str = ""
    vlan: int | None = None
    mode: str = ""
    cidr: str = ""
    gateway: str = ""
    connectivity: str = ""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Hosts that differ or could not tell, and why."""
    hosts_omitted: int = 0
    """Number of hosts that differ and are not in `hosts`."""
    servers: tuple[ServerOffer, ...] = ()
    named_by: frozenset[ServerIdentity] = frozenset()
    """DHCP servers that have named the gateway."""
    dhcp_out: bool = False
    """DHCP names no usable gateway, and the one known from before is checked."""
    findings: Mapping[str, str] = field(default_factory=dict)
    """Other reason codes that apply, each with its values."""
    intent: Intent | None = None
    """None if it is not probed."""
    checked_gateway: str = ""
    """The gateway that counts: of our status, or else of the intent."""
    gateway_mac: str = ""
    """The MAC address that answers for it, as it was told last."""
    source: Source = Source.NETWORK
    unwritten: Unwritten | None = None
    """What would be written, and why it is not; None if it is written."""

    @property
    def is_problem(self) -> bool:
        """Whether its state is none to be content with."""
        return self.state not in CALM_STATES

    @property
    def needs_attention(self) -> bool:
        """Whether something is to be done: a failover would lose a VLAN that one switch port lacks."""
        return self.is_problem or Reason.HALF_TRUNK in self.findings


@dataclass(frozen=True)
class NetworkLine:
    """A row with the checks of each host; None if Redis could not be read."""

    row: NetworkRow
    checks: tuple[HostCheck, ...] | None = None


def rows_of(networks: Iterable[Network], policy: Policy, view: RedisView) -> list[NetworkRow]:
    """Build the rows of NADs from the conclusions in Redis; where there is none, from the annotations."""
    return [network_row(network, policy, view.conclusions.get(network.uid)) for network in networks]


def told_intent(network: Network, policy: Policy, record: ConclusionRecord | None) -> Intent | NotProbed:
    """Read the intent as the updater did: it alone knows which addresses it believes to be a host's own.

    Without a record, what the annotation says of them stands.
    """
    told = _concluded(record) or network.status
    return read_intent(network, policy.with_host_address(refused_gateway(network, told)))


def _concluded(record: ConclusionRecord | None) -> Status | None:
    return Status.from_fields(record.status) if record is not None else None


def network_row(
    network: Network, policy: Policy = DEFAULT_POLICY, record: ConclusionRecord | None = None
) -> NetworkRow:
    """Build the row of a NAD; a status of a former intent is not shown."""
    intent, concluded = told_intent(network, policy, record), _concluded(record)
    if isinstance(intent, NotProbed):
        return _not_probed(network, intent, [concluded, network.status], record)
    known = intent.gateway or intent.known_gateway
    status, source = Status(State.PENDING, Reason.NOT_PROBED_YET), Source.NETWORK
    for found, origin in ((network.status, Source.ANNOTATION), (concluded, Source.CONCLUSION)):
        if found is not None and found.digest == intent.digest:
            status, source = found, origin
    route = network.route
    return NetworkRow(
        network.ref,
        network.uid,
        status.state,
        status.reason,
        since=status.since,
        detail=status.detail,
        cluster_network=intent.segment.cluster_network,
        vlan=intent.segment.vlan,
        mode=intent.mode,
        cidr=route.cidr,
        gateway=route.gateway,
        connectivity="" if route.outdated else route.connectivity,
        hosts=status.hosts,
        servers=status.servers,
        hosts_omitted=status.hosts_omitted,
        named_by=status.named_by,
        dhcp_out=status.dhcp_out,
        findings=status.findings,
        intent=intent,
        checked_gateway=status.gateway or str(known or ""),
        gateway_mac=status.gateway_mac,
        source=source,
        unwritten=record.unwritten if record is not None and source is Source.CONCLUSION else None,
    )


def _not_probed(
    network: Network, intent: NotProbed, reported: Sequence[Status | None], record: ConclusionRecord | None
) -> NetworkRow:
    """reported: the statuses of record and annotation; the first that agrees says since when."""
    same = [s for s in reported if s is not None and (s.state, s.reason) == (intent.state, intent.reason)]
    otherwise = Source.NETWORK if intent.host_address is None else Source.ANNOTATION
    source = Source.CONCLUSION if same and same[0] is reported[0] else otherwise
    unwritten = record.unwritten if record is not None and source is Source.CONCLUSION else None
    if intent.channel is Channel.EVENT:
        unwritten = Unwritten(why=Hindrance.UNREADABLE)
    route = network.route
    return NetworkRow(
        network.ref,
        network.uid,
        intent.state,
        intent.reason,
        since=same[0].since if same else "",
        detail=intent.detail,
        mode=route.mode,
        cidr=route.cidr,
        gateway=route.gateway,
        connectivity=route.connectivity,
        source=source,
        unwritten=unwritten,
    )


def with_checks(rows: Sequence[NetworkRow], view: RedisView) -> list[NetworkLine]:
    """Add to each row what its hosts found."""
    return [NetworkLine(row, checks_of(row, view)) for row in rows]


def checks_of(row: NetworkRow, view: RedisView) -> tuple[HostCheck, ...] | None:
    """Return the checks of a row; None if Redis could not be read, empty if the network is not probed."""
    if view.trouble is not None:
        return None
    if row.intent is None:
        return ()
    return view.checks(row.intent.segment, row.intent.digest, row.checked_gateway)
