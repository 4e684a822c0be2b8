"""One network explained: what is asked and where that comes from, what the state means, what to do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from services.contract.causes import CauseRecord
from services.contract.macs import macs_in, with_mac
from services.contract.outcomes import BridgeFault, Fault, ReachOutcome, Reason, State
from services.network.causes.texts import describe
from services.network.parse import nad
from services.network.parse.intent import Intent
from services.network.parse.nad import Network, NetworkRef
from services.network.policy import Policy
from services.network.reasons.catalog import REASONS
from services.network.reasons.states import BRIDGE_FAULTS, DHCP_OUT, FAULTS, STATES
from services.network.reasons.switch_ports import Announced, name_ports
from services.network.reasons.texts import Facts
from services.view.comparing import compare_answers, compare_echoes, list_names, name_own_addresses
from services.view.doubts import DoubtRow, doubts_of
from services.view.host_checks import HostCheck, RedisView
from services.view.probe_macs import name_probe_macs
from services.view.rows import NetworkRow, Source, checks_of, told_intent
from services.view.switch_ports import advertised, half_trunks
from services.view.unwritten import describe_unwritten


@dataclass(frozen=True)
class AskedValue:
    """One value of the intent, and its source."""

    what: str
    value: str
    source: str


@dataclass(frozen=True)
class ExplainedNetwork:
    """One network, explained."""

    row: NetworkRow
    asked: tuple[AskedValue, ...]
    checks: tuple[HostCheck, ...] | None
    """None if Redis could not be read."""
    meaning: tuple[str, ...]
    steps: tuple[str, ...]
    facts: Facts
    doubts: tuple[DoubtRow, ...] = ()
    cause: CauseRecord | None = None
    """The site's cause that explains it."""
    announced: Announced = field(default_factory=dict)
    """The announced hosts, whose switch ports the cause's steps name."""


def explain_network(
    network: Network,
    row: NetworkRow,
    others: Iterable[Network],
    policy: Policy,
    view: RedisView,
    cause: CauseRecord | None = None,
) -> ExplainedNetwork:
    """Explain a network from the cluster's objects and from Redis.

    row: the network's own. others: all networks, to find those that share the segment. cause: what explains
    it, among the causes of the whole site.
    """
    checks = checks_of(row, view)
    facts = _facts(network, row, checks or (), view)
    sharing = _sharing(row, others, policy, view)
    asked = [*_asked(network, row), *_shared(sharing)]
    meaning, steps = _meaning(row, facts)
    if found := _untagged(row, facts):
        meaning.append(found[0])
        steps = [*found[1], *(step for step in steps if step not in found[1])]
    steps = [*_repairs(row, checks or (), facts, view), *steps]
    meaning += [
        *compare_answers(row, checks or ()),
        *compare_echoes(row, checks or ()),
        *name_own_addresses(checks or ()),
        *_common(cause),
    ]
    if row.intent is not None:
        meaning += advertised(row.intent.segment, checks or (), view)
    meaning += half_trunks(row.cluster_network or "", checks or (), view.hosts)
    meaning += [f"{view.conflicts[check.host]}." for check in checks or () if check.host in view.conflicts]
    doubts = doubts_of(row, view)
    meaning += [f"{doubt.describe()}." for doubt in doubts]
    if row.unwritten is not None:
        meaning.append(f"{describe_unwritten(row.unwritten)}.")
    if row.source is Source.ANNOTATION and view.trouble is None:
        meaning.append("This is from the annotation, as Redis has no conclusion about the network.")
    if view.paused is not None:
        meaning.append(f"nadroute is {view.paused}.")
    meaning += [
        f"{window.describe()}."
        for window in view.windows
        if window.cluster_network in ("", row.cluster_network)
    ]
    return ExplainedNetwork(
        row, tuple(asked), checks, tuple(meaning), tuple(steps), facts, doubts, cause, view.hosts
    )


def _meaning(row: NetworkRow, facts: Facts) -> tuple[list[str], list[str]]:
    """Return sentences on the state, the reason and the findings, and the steps of all of them, each once."""
    meaning = [STATES[State(row.state)].meaning] if row.state in set(State) else []
    steps: list[str] = []
    # A step may use the address in a command.
    servers = {server.server: server.mac for server in row.servers}
    in_words = replace(
        facts,
        gateway=with_mac(facts.gateway, row.gateway_mac),
        server=with_mac(facts.server, servers.get(facts.server)),
    )
    codes = [row.reason, *(code for code in sorted(row.findings) if code != row.reason)]
    for code in codes:
        if code not in set(Reason):
            # A newer updater may know reasons that this version does not.
            meaning.append(f"{code}: see docs/states.md of the nadroute that wrote this.")
            continue
        text = REASONS[Reason(code)]
        detail = row.detail if code == row.reason else row.findings.get(code, "")
        head = "" if code == row.reason else f"Besides ({code}): "
        meaning.append(f"{head}{in_words.fill(text.meaning)}{f' ({detail})' if detail else ''}")
        steps += [step for s in text.steps if (step := facts.fill(s)) not in steps]
    if row.dhcp_out:
        meaning.append(DHCP_OUT)
    return meaning, steps


def _untagged(row: NetworkRow, facts: Facts) -> tuple[str, list[str]] | None:
    """Return meaning and steps for the hosts that get the VLAN without its tag, where others do not."""
    hosts = sorted(host for host, why in row.hosts.items() if why == Reason.NATIVE_VLAN)
    if not hosts or row.reason == Reason.NATIVE_VLAN:
        return None
    facts = replace(facts, hosts=list_names(hosts), host=hosts[0])
    text = REASONS[Reason.NATIVE_VLAN]
    return facts.fill(text.meaning), [facts.fill(step) for step in text.steps]


def _repairs(row: NetworkRow, checks: Sequence[HostCheck], facts: Facts, view: RedisView) -> list[str]:
    """Return what to do about the faults that accused hosts report of themselves: each fault once."""
    faulty: dict[Fault | BridgeFault, list[HostCheck]] = {}
    for check in checks:
        fault = check.fault or check.bridge
        if fault is not None and row.hosts.get(check.host) == fault != row.reason:
            faulty.setdefault(fault, []).append(check)
    return [
        f"On {list_names([check.host for check in found])} ({fault}): "
        + _repair(fault).format(
            interface=found[0].interface or facts.interface,
            ports=name_ports([check.host for check in found], row.cluster_network, view.hosts),
        )
        for fault, found in faulty.items()
    ]


def _repair(fault: Fault | BridgeFault) -> str:
    return FAULTS[fault] if isinstance(fault, Fault) else BRIDGE_FAULTS[fault]


def _common(cause: CauseRecord | None) -> list[str]:
    """Return the cause, if other networks have it too: else it says nothing that the reason does not."""
    others = 0 if cause is None else len(cause.networks) - 1
    if cause is None or not others:
        return []
    what = "another network" if others == 1 else f"{others} other networks"
    return [f"One cause explains it and {what}: {describe(cause).title} ({cause.kind})."]


def _asked(network: Network, row: NetworkRow) -> list[AskedValue]:
    annotation, intent = f"annotation {nad.ROUTE}", row.intent
    if intent is None:
        return [AskedValue("route", network.annotations.get(nad.ROUTE, "none"), annotation)]
    asked = [
        AskedValue("VLAN", str(intent.segment.vlan), "spec.config: vlan"),
        AskedValue("cluster network", intent.segment.cluster_network, intent.cluster_network_source),
        AskedValue("mode", intent.mode, intent.mode_source),
    ]
    if intent.mode == "manual":
        asked.append(AskedValue("gateway", str(intent.gateway), f"{annotation}: gateway"))
        asked.append(AskedValue("cidr", str(intent.cidr), f"{annotation}: cidr"))
    else:
        unwritten = row.unwritten.route if row.unwritten else {}
        for what, known in (("gateway", intent.known_gateway), ("cidr", intent.known_cidr)):
            if (named := unwritten.get(what)) and named != str(known):
                asked.append(AskedValue(what, named, "nadroute's result, which is not written"))
            elif known:
                asked.append(AskedValue(what, str(known), f"{annotation}, until DHCP names another"))
            else:
                asked.append(AskedValue(what, "unknown", "DHCP has not named it yet"))
        if intent.server:
            asked.append(AskedValue("DHCP server", str(intent.server), f"{annotation}: serverIPAddr"))
    if intent.isolated:
        asked.append(AskedValue("routing", "does not count", f"annotation {nad.ISOLATED}"))
    return asked


def _sharing(row: NetworkRow, others: Iterable[Network], policy: Policy, view: RedisView) -> list[NetworkRef]:
    if row.intent is None:
        return []
    found = []
    for other in others:
        if other.ref == row.ref:
            continue
        intent = told_intent(other, policy, view.conclusions.get(other.uid))
        if isinstance(intent, Intent) and intent.segment == row.intent.segment:
            found.append(other.ref)
    return sorted(found)


def _shared(refs: Sequence[NetworkRef]) -> list[AskedValue]:
    if not refs:
        return []
    return [AskedValue("shared with", list_names(refs), "same VLAN and cluster network: probed once for all")]


def _facts(network: Network, row: NetworkRow, checks: Sequence[HostCheck], view: RedisView) -> Facts:
    by_name = {check.host: check for check in checks}
    hosts = sorted(row.hosts) or sorted(by_name)
    first = by_name.get(hosts[0]) if hosts else None
    answering = [check.host for check in checks if check.vlan.outcome is ReachOutcome.REACHABLE]
    cluster_network = row.cluster_network or "its cluster network"
    mac = _mac_to_find(row, checks)
    cidr = row.cidr or (row.servers[0].cidr if row.servers else "")
    return Facts(
        namespace=network.ref.namespace,
        name=network.ref.name,
        vlan=str(row.vlan or "its VLAN"),
        cluster_network=cluster_network,
        gateway=row.checked_gateway or "its gateway",
        cidr=cidr or "its subnet",
        server=network.route.server or "the configured server",
        hosts=list_names(hosts) or "each host",
        ports=name_ports(hosts or ["each host"], row.cluster_network, view.hosts),
        answering=list_names(answering) or "the hosts that could ask",
        host=hosts[0] if hosts else "a host",
        interface=(first.interface if first else "") or f"{row.cluster_network or 'CLUSTERNETWORK'}-bo",
        route=nad.ROUTE,
        probe_macs=name_probe_macs(row, list(by_name), view.hosts),
        mac=mac or "MAC",
    )


def _mac_to_find(row: NetworkRow, checks: Sequence[HostCheck]) -> str:
    """Return the MAC address to look for first: a stranger's, else the gateway's; empty without any."""
    named_in = [mac for text in (row.detail, *row.findings.values()) for mac in macs_in(text)]
    rogues = [
        offer.mac or ""
        for check in checks
        if check.dhcp is not None
        for offer in check.dhcp.servers
        if offer.rogue
    ]
    trusted = {row.gateway_mac, *(server.mac for server in row.named_by)}
    gateway = [row.gateway_mac, *(check.vlan.mac or "" for check in checks)]
    strangers = [mac for mac in (*rogues, *named_in) if mac not in trusted]
    return next((mac for mac in (*strangers, *rogues, *named_in, *gateway) if mac), "")
