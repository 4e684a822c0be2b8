"""Networks as rows: what the owner asks, the route annotation, our status, and what each host found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.contract.messages import Segment
from services.contract.outcomes import CALM_STATES, Reason, State
from services.network.parse.intent import Intent, NotProbed, read_intent
from services.network.parse.nad import Network, NetworkRef
from services.network.parse.route import Route
from services.network.parse.status import ServerOffer, Status
from services.network.policy import DEFAULT_POLICY, Policy
from services.view.host_checks import HostCheck, RedisView

"""States that need no attention."""


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
    dhcp_out: bool = False
    """DHCP names no usable gateway, and the one known from before is checked."""
    findings: Mapping[str, str] = field(default_factory=dict)
    """Other reason codes that apply, each with its values."""
    intent: Intent | None = None
    """None if it is not probed."""
    checked_gateway: str = ""
    """The gateway that counts: of our status, or else of the intent."""

    @property
    def is_problem(self) -> bool:
        """Whether it needs attention."""
        return self.state not in CALM_STATES


@dataclass(frozen=True)
class NetworkLine:
    """A row with the checks of each host; None if Redis could not be read."""

    row: NetworkRow
    checks: tuple[HostCheck, ...] | None = None


def network_row(network: Network, policy: Policy = DEFAULT_POLICY) -> NetworkRow:
    """Build the row of a NAD; a status of a former intent is not shown."""
    intent = read_intent(network, policy)
    status, route = network.status, network.route
    if isinstance(intent, NotProbed):
        same = status is not None and (status.state, status.reason) == (intent.state, intent.reason)
        return NetworkRow(
            network.ref,
            network.uid,
            intent.state,
            intent.reason,
            since=status.since if status is not None and same else "",
            detail=intent.detail,
            mode=route.mode,
            cidr=route.cidr,
            gateway=route.gateway,
            connectivity=route.connectivity,
        )
    if status is None or status.digest != intent.digest:
        status = Status(State.PENDING, Reason.NOT_PROBED_YET)
    return _probed(network, intent, route, status)


def _probed(network: Network, intent: Intent, route: Route, status: Status) -> NetworkRow:
    known = intent.gateway or intent.known_gateway
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
        dhcp_out=status.dhcp_out,
        findings=status.findings,
        intent=intent,
        checked_gateway=status.gateway or str(known or ""),
    )


def segments_of(rows: Iterable[NetworkRow]) -> set[Segment]:
    """Return the segments that are probed for these networks."""
    return {row.intent.segment for row in rows if row.intent is not None}


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
