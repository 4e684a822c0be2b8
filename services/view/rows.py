"""What a person is shown of a network: what its owner asks, its route annotation, and our status."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from services.cli.failures import wrong
from services.contract.outcomes import Reason, State
from services.network.parse.intent import Intent, NotProbed, read_intent
from services.network.parse.nad import Network, NetworkRef
from services.network.parse.route import Route
from services.network.parse.status import ServerOffer, Status
from services.network.policy import DEFAULT_POLICY, Policy


@dataclass(frozen=True)
class NetworkRow:
    """One network. Texts are empty where nothing is known."""

    ref: NetworkRef
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
    """Hosts that differ, or could not say, and why."""
    hosts_omitted: int = 0
    """Hosts that differ and are not named."""
    servers: tuple[ServerOffer, ...] = ()
    dhcp_out: bool = False
    findings: Mapping[str, str] = field(default_factory=dict)
    """What else is to be told, by its code, with its values."""
    intent: Intent | None = None
    """None where it is not probed."""
    checked_gateway: str = ""
    """The gateway that counts, as our status has it, or else as the intent knows it."""

    def to_json(self) -> dict[str, object]:
        """The documented shape (docs/cli.md): every key is always there, null where nothing is known."""
        return {
            "namespace": self.ref.namespace,
            "name": self.ref.name,
            "clusterNetwork": self.cluster_network or None,
            "vlan": self.vlan,
            "mode": self.mode or None,
            "cidr": self.cidr or None,
            "gateway": self.gateway or None,
            "connectivity": self.connectivity or None,
            "state": self.state,
            "reason": self.reason,
            "since": self.since or None,
            "detail": self.detail or None,
            "hosts": dict(sorted(self.hosts.items())),
            "dhcp": [
                {"server": s.server, "cidr": s.cidr or None, "gateway": s.gateway or None}
                for s in self.servers
            ],
            "dhcpOut": self.dhcp_out,
            "hostsOmitted": self.hosts_omitted,
            "findings": dict(sorted(self.findings.items())),
        }


def network_row(network: Network, policy: Policy = DEFAULT_POLICY) -> NetworkRow:
    """From a NAD. An outcome of what its owner no longer asks is not shown as one of what is asked now."""
    intent = read_intent(network, policy)
    told, route = network.status, network.route
    if isinstance(intent, NotProbed):
        same = told is not None and (told.state, told.reason) == (intent.state, intent.reason)
        return NetworkRow(
            network.ref,
            intent.state,
            intent.reason,
            since=told.since if told is not None and same else "",
            detail=intent.detail,
            mode=route.mode,
            cidr=route.cidr,
            gateway=route.gateway,
            connectivity=route.connectivity,
        )
    if told is None or told.digest != intent.digest:
        told = Status(State.PENDING, Reason.NOT_PROBED_YET)
    return _probed(network, intent, route, told)


def _probed(network: Network, intent: Intent, route: Route, told: Status) -> NetworkRow:
    outdated = route.outdated or told.state == State.PENDING
    known = intent.gateway or intent.known_gateway
    return NetworkRow(
        network.ref,
        told.state,
        told.reason,
        since=told.since,
        detail=told.detail,
        cluster_network=intent.segment.cluster_network,
        vlan=intent.segment.vlan,
        mode=intent.mode,
        cidr=route.cidr,
        gateway=route.gateway,
        connectivity="" if outdated and route.outdated else route.connectivity,
        hosts=told.hosts,
        servers=told.servers,
        hosts_omitted=told.hosts_omitted,
        dhcp_out=told.dhcp_out,
        findings=told.findings,
        intent=intent,
        checked_gateway=told.gateway or str(known or ""),
    )


def parse_refs(texts: Iterable[str]) -> list[NetworkRef]:
    """From NAMESPACE/NAME; exit 2 where one is not."""
    try:
        return [NetworkRef.parse(text) for text in texts]
    except ValueError as error:
        raise wrong(f"network {error}, such as default/vlan7") from None


def select(networks: Iterable[Network], refs: Iterable[NetworkRef]) -> list[Network]:
    """Those that are named, all when none is, in order; exit 2 with near matches where one does not exist."""
    by_ref = {network.ref: network for network in networks}
    wanted = list(dict.fromkeys(refs))
    missing = [ref for ref in wanted if ref not in by_ref]
    if missing:
        raise wrong("\n".join(_not_found(ref, by_ref) for ref in missing))
    return [by_ref[ref] for ref in wanted or sorted(by_ref)]


def _not_found(ref: NetworkRef, known: Iterable[NetworkRef]) -> str:
    refs = sorted(known)
    near = get_close_matches(str(ref), [str(other) for other in refs], n=3, cutoff=0.8)
    near += [str(other) for other in refs if other.name == ref.name and str(other) not in near][:3]
    if near:
        return f"network {ref}: not found; did you mean {' or '.join(near)}?"
    return f"network {ref}: not found; `nadroute status` lists all {len(refs)} there are"
