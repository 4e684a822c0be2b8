"""The site's causes: what is told of all networks, handed to the search for causes."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address

from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome, Reason, State
from services.network.causes.evidence import Evidence, Server
from services.network.causes.finding import Cause, explain_site
from services.network.causes.texts import describe
from services.network.judge.reach import conclude
from services.view.host_checks import HostCheck, RedisView
from services.view.rows import NetworkLine, NetworkRow

MAX_REMARKS = 3
"""Causes that are named above a table; further ones are counted."""
_EVERYWHERE = (State.OFF_VLAN, State.UNREACHABLE)
"""States in which the gateway answers no host on the VLAN, so that none is named."""
_FAULTS = frozenset(Fault)


def causes_of(lines: Iterable[NetworkLine], view: RedisView) -> tuple[Cause, ...]:
    """Return what explains the problems of these networks; hosts in maintenance accuse nobody."""
    found = [_evidence(line.row, line.checks, view) for line in lines if line.checks]
    return explain_site([evidence for evidence in found if evidence is not None])


def cause_of(row: NetworkRow, causes: Sequence[Cause]) -> Cause | None:
    """Return the cause that explains the most networks, this one among them; None without any."""
    return next((cause for cause in causes if str(row.ref) in cause.networks), None)


def count_networks(causes: Iterable[Cause]) -> int:
    """Return how many networks they explain together."""
    return len({network for cause in causes for network in cause.networks})


def left_alone(causes: Sequence[Cause], rows: Iterable[NetworkRow]) -> list[NetworkRow]:
    """Return the networks with a problem that no cause explains, by name."""
    named_by_causes = {network for cause in causes for network in cause.networks}
    alone = [row for row in rows if row.is_problem and str(row.ref) not in named_by_causes]
    return sorted(alone, key=lambda row: row.ref)


def causes_remarks(causes: Sequence[Cause]) -> list[str]:
    """Return how many networks have a common cause, and a line for each of the first causes."""
    if not causes:
        return []
    what = "1 cause" if len(causes) == 1 else f"{len(causes)} causes"
    count = count_networks(causes)
    networks = "1 network" if count == 1 else f"{count} networks"
    remarks = [f"{what}, {networks}; `nadroute explain` says more:"]
    remarks += [f"  {describe(cause).title} ({len(cause.networks)})" for cause in causes[:MAX_REMARKS]]
    return [*remarks, f"  and {len(causes) - MAX_REMARKS} more"] if len(causes) > MAX_REMARKS else remarks


def _evidence(row: NetworkRow, checks: Sequence[HostCheck], view: RedisView) -> Evidence | None:
    """Return what is told of a network, with what its hosts found; None if it is not probed."""
    if row.intent is None or row.state not in set(State):
        return None
    segment = row.intent.segment
    told = {host: why for host, why in row.hosts.items() if not _in_maintenance(view, host, row)}
    answering = frozenset(c.host for c in checks if c.vlan.outcome is ReachOutcome.REACHABLE)
    found_silent = frozenset(
        c.host
        for c in checks
        if conclude(c.vlan) is ReachOutcome.SILENT and not _in_maintenance(view, c.host, row)
    )
    silent = frozenset(host for host, why in told.items() if why == Reason.GATEWAY_SILENT_ON_VLAN)
    if row.state in _EVERYWHERE:
        silent |= found_silent - told.keys()
    elif row.hosts_omitted:
        # The status names some of the hosts that differ.
        silent |= found_silent
    codes = {row.reason, *row.findings}
    is_unoffered = Reason.NO_DHCP_OFFER in codes
    is_routed = any(c.routed.outcome is ReachOutcome.REACHABLE for c in checks)
    return Evidence(
        networks=(str(row.ref),),
        cluster_network=segment.cluster_network,
        vlan=segment.vlan,
        answering=answering - silent,
        silent=silent,
        faults={host: Fault(why) for host, why in told.items() if why in _FAULTS},
        offered=frozenset() if is_unoffered else frozenset(c.host for c in checks if _has_offer(c)),
        is_unoffered=is_unoffered,
        is_unrouted=row.state in (State.ISOLATED, State.UNREACHABLE) and not row.intent.isolated,
        is_routed=is_routed and row.state not in (State.ISOLATED, State.UNREACHABLE),
        gateway=IPv4Address(row.checked_gateway) if row.checked_gateway else None,
        gateway_mac=_gateway_mac(row, checks),
        servers=_servers(row, checks),
        strangers=frozenset(
            Server(str(offer.server), offer.mac or "")
            for check in checks
            if check.dhcp is not None
            for offer in check.dhcp.servers
            if offer.rogue
        ),
    )


def _in_maintenance(view: RedisView, host: str, row: NetworkRow) -> bool:
    return any(
        window.host in ("", host) and window.cluster_network in ("", row.cluster_network)
        for window in view.windows
    )


def _has_offer(check: HostCheck) -> bool:
    return check.dhcp is not None and check.dhcp.outcome is DHCPOutcome.OFFERED


def _gateway_mac(row: NetworkRow, checks: Sequence[HostCheck]) -> str:
    """Return by which MAC address the gateway answers, or offered addresses as a server or relay agent."""
    answered = sorted({check.vlan.mac for check in checks if check.vlan.mac is not None})
    if answered:
        return answered[0]
    offers: Mapping[str, str] = {
        str(address): offer.mac
        for check in checks
        if check.dhcp is not None
        for offer in check.dhcp.servers
        for address in (offer.server, offer.relay)
        if offer.mac is not None and address is not None
    }
    told = {server.server: server.mac for server in row.servers} | {s.relay: s.mac for s in row.servers}
    return offers.get(row.checked_gateway) or told.get(row.checked_gateway, "")


def _servers(row: NetworkRow, checks: Sequence[HostCheck]) -> frozenset[Server]:
    """Return the DHCP servers that have served the network, without strangers."""
    offered = {
        Server(str(offer.server), offer.mac or "")
        for check in checks
        if check.dhcp is not None
        for offer in check.dhcp.servers
        if not offer.rogue
    }
    named_before = {Server(server.address, server.mac) for server in row.named_by}
    return frozenset(offered or named_before or {Server(s.server, s.mac) for s in row.servers})
