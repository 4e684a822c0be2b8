"""From verdicts to a word: what many hosts found on a segment, reduced to the state of one network.

A pure function of what is known now. Rules stand in the order of the table in docs/states.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from services.contract.messages import Reach, TargetVerdict, Verdict
from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome, Reason, State
from services.contract.verdicts import AgedVerdict
from services.network.judge.leases import Lease, read_lease
from services.network.parse.intent import Intent
from services.network.parse.status import ServerSeen
from services.network.policy import DEFAULT_POLICY, ActiveWhen, Policy

__all__ = ["DOWN_AFTER", "ActiveWhen", "Finding", "reduce"]

DOWN_AFTER = 3
"""Unanswered probes before a gateway is called silent; one answer is enough to call it up."""
CONFIRMATIONS = 2
"""Other hosts that hear no offer either, where there are so many, before that is told."""
ASKED_FRESH = 2
"""So many times longer than others does a verdict on DHCP count: of all hosts one asks in an interval."""


@dataclass(frozen=True)
class Finding:
    """What is true of a network, as far as its hosts could tell."""

    state: State
    reason: Reason
    connectivity: str | None = None
    """What the route annotation is to say; None leaves it as it is."""
    cidr: IPv4Network | None = None
    gateway: IPv4Address | None = None
    """What DHCP names, in auto mode."""
    hosts: Mapping[str, str] | None = None
    """Hosts that differ or could not say, and why."""
    servers: tuple[ServerSeen, ...] = ()
    dhcp_out: bool = False
    """DHCP names no usable gateway, though one is known from before."""
    detail: str = ""
    """The reason's values."""
    findings: Mapping[str, str] = field(default_factory=dict)
    """What else is to be told, by its code in outcomes.Reason, and its values."""


def reduce(
    intent: Intent,
    latest: Sequence[AgedVerdict],
    asked_dhcp: Sequence[AgedVerdict],
    *,
    hosts: frozenset[str],
    fresh_s: float,
    policy: Policy = DEFAULT_POLICY,
    dhcp_confirmations: int = CONFIRMATIONS,
) -> Finding:
    """Reduce what was found on the intent's segment.

    latest: the newest verdict of each host. asked_dhcp: of each host the newest that asked DHCP. hosts: the
    announced ones that carry the cluster network. What is older than fresh_s, of a host that is gone or of
    another intent does not count. dhcp_confirmations: other hosts that have to hear nothing too before it is
    told that nobody offers anything.
    """
    digest = intent.digest
    of_intent = [seen for seen in latest if _counts(seen.verdict, digest)]
    fresh = [seen for seen in of_intent if seen.age_s < fresh_s and seen.verdict.host in hosts]
    if not fresh:
        if not hosts:
            return Finding(State.UNKNOWN if of_intent else State.PENDING, Reason.NO_HOST)
        return (
            Finding(State.UNKNOWN, Reason.NO_FRESH_VERDICT)
            if of_intent
            else Finding(State.PENDING, Reason.NOT_PROBED_YET)
        )
    verdicts = [seen.verdict for seen in fresh]
    faults = {v.host: v.fault.value for v in verdicts if v.fault is not None}
    if len(faults) == len(verdicts):
        return Finding(State.UNKNOWN, Reason.CANNOT_PROBE, hosts=faults)
    asked = [s for s in asked_dhcp if s.age_s < ASKED_FRESH * fresh_s and s.verdict.host in hosts]
    others = len(hosts) - len(faults) - 1
    confirmations = max(0, min(dhcp_confirmations, others))
    lease = read_lease(intent, asked, confirmations=confirmations, policy=policy)
    gateway = intent.gateway if lease is None else lease.gateway
    if gateway is None:
        return _without_gateway(lease, verdicts, faults)
    rule: _Rule = "isolated" if intent.isolated else policy.active_when
    finding = _reduce_reach({v.host: _target(v, digest, gateway) for v in verdicts}, faults, rule=rule)
    return finding if lease is None else _with_lease(finding, lease)


def _without_gateway(lease: Lease | None, verdicts: Sequence[Verdict], faults: Mapping[str, str]) -> Finding:
    if lease is None:
        # Nobody could tell what DHCP says: never a failure of DHCP, and never a guess.
        return Finding(State.PENDING, _why_unknown(verdicts), hosts=faults)
    if lease.reason is Reason.CONFIRMING_NO_OFFER:
        return Finding(State.PENDING, lease.reason, hosts=_with_unoffered(faults, lease))
    return Finding(
        State.DHCP_FAILED,
        lease.reason,
        "DHCP failed",
        hosts=faults,
        servers=lease.servers,
        detail=lease.detail,
        findings=lease.findings,
    )


def _with_lease(finding: Finding, lease: Lease) -> Finding:
    out = {} if lease.answered else {lease.reason.value: lease.detail}
    return Finding(
        finding.state,
        finding.reason,
        finding.connectivity,
        cidr=lease.cidr if lease.answered else None,
        gateway=lease.gateway if lease.answered else None,
        hosts=_with_unoffered(finding.hosts or {}, lease),
        servers=lease.servers,
        dhcp_out=not lease.answered,
        findings={**lease.findings, **out},
    )


def _with_unoffered(hosts: Mapping[str, str], lease: Lease) -> Mapping[str, str]:
    """Also those that DHCP did not answer: the watcher has another host ask as soon as it reads of them."""
    return {**dict.fromkeys(lease.unoffered, Reason.NO_DHCP_OFFER.value), **hosts}


def _counts(verdict: Verdict, digest: str) -> bool:
    """Whether it is of this intent; that a host cannot probe is true whatever was asked."""
    return verdict.fault is not None or any(target.digest == digest for target in verdict.targets)


def _why_unknown(verdicts: Sequence[Verdict]) -> Reason:
    if any(v.dhcp is not None and v.dhcp.outcome is DHCPOutcome.INCONCLUSIVE for v in verdicts):
        return Reason.INCONCLUSIVE
    return Reason.NOT_PROBED_YET


def _target(verdict: Verdict, digest: str, gateway: IPv4Address | None) -> TargetVerdict | None:
    """What the host found of this gateway; None where it checked another one."""
    return next(
        (t for t in verdict.targets if t.digest == digest and t.gateway is not None and t.gateway == gateway),
        None,
    )


_Rule = Literal["routed", "vlan", "isolated"]
"""What makes connectivity "true"; isolated: routing does not count for the state either."""


def _reduce_reach(
    found: Mapping[str, TargetVerdict | None], faults: Mapping[str, str], *, rule: _Rule
) -> Finding:
    """From each host's checks of the gateway to the state."""
    differing: dict[str, str] = dict(faults)
    answers = silent = 0
    for host, target in found.items():
        outcome = ReachOutcome.NOT_TRIED if target is None else _conclude(target.vlan)
        if host in faults:
            # It told us why it cannot see the gateway; that it was stopped says nothing of the gateway.
            silent += faults[host] != Fault.STOPPED
        elif outcome is ReachOutcome.NOT_TRIED:
            differing[host] = Reason.NOT_PROBED_YET
        elif outcome is ReachOutcome.INCONCLUSIVE:
            differing[host] = Reason.INCONCLUSIVE
        elif outcome is ReachOutcome.REACHABLE:
            answers += 1
        else:
            silent += 1
            differing[host] = Reason.GATEWAY_SILENT_ON_VLAN
    on_vlan = answers > 0 and silent == 0
    routed = [target.routed for target in found.values() if target is not None]
    is_routed = on_vlan if rule == "isolated" else _any_reachable(routed)
    heard = answers > 0 or Reason.GATEWAY_SILENT_ON_VLAN in differing.values()
    if not heard or is_routed is None:
        reason = Reason.INCONCLUSIVE if Reason.INCONCLUSIVE in differing.values() else Reason.NOT_PROBED_YET
        return Finding(State.PENDING, reason, hosts=differing)
    # Hosts join in one after another: naming those that are about to would be a write for each of them.
    differing = {host: why for host, why in differing.items() if why != Reason.NOT_PROBED_YET}
    connectivity = "true" if (is_routed if rule == "routed" else on_vlan) else "false"
    if answers and silent:
        return Finding(State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS, connectivity, hosts=differing)
    if on_vlan and is_routed:
        return Finding(State.ACTIVE, Reason.GATEWAY_ANSWERS, connectivity, hosts=differing)
    if on_vlan:
        return Finding(State.ISOLATED, Reason.GATEWAY_NOT_ROUTED, connectivity, hosts=differing)
    # All hosts agree, so naming each would say nothing more; those that could not probe still differ.
    differing = {host: why for host, why in differing.items() if why != Reason.GATEWAY_SILENT_ON_VLAN}
    if is_routed:
        return Finding(State.OFF_VLAN, Reason.GATEWAY_SILENT_ON_VLAN, connectivity, hosts=differing)
    reason = Reason.GATEWAY_SILENT_ON_VLAN if rule == "isolated" else Reason.GATEWAY_SILENT
    return Finding(State.UNREACHABLE, reason, connectivity, hosts=differing)


def _conclude(reach: Reach) -> ReachOutcome:
    """Its outcome; silence after fewer probes than it takes to say so is none yet."""
    if reach.outcome is ReachOutcome.SILENT and reach.attempts < DOWN_AFTER:
        return ReachOutcome.INCONCLUSIVE
    return reach.outcome


def _any_reachable(checks: Sequence[Reach]) -> bool | None:
    """Whether it answered on any host; None where no host could tell."""
    outcomes = {_conclude(check) for check in checks}
    if ReachOutcome.REACHABLE in outcomes:
        return True
    return False if ReachOutcome.SILENT in outcomes else None
