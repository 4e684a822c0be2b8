"""Reduce what all hosts found on a segment to the state of one network.

A pure function of the verdicts and their ages. docs/states.md describes the states.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from services.contract.messages import ReachVerdict, TargetVerdict, Verdict
from services.contract.outcomes import BridgeFault, DHCPOutcome, Fault, ReachOutcome, Reason, State, Untagged
from services.contract.verdicts import AgedVerdict
from services.network.judge.dhcp import DHCPSummary, summarize_dhcp
from services.network.judge.expiry import why_forgotten
from services.network.judge.reach import conclude, cut_off_by
from services.network.judge.senders import cannot_tell
from services.network.judge.untagged import describe_untagged, heard_untagged
from services.network.parse.intent import Intent
from services.network.parse.status import ServerIdentity, ServerOffer
from services.network.policy import DEFAULT_POLICY, Policy

CONFIRMATIONS = 2
"""Further hosts, if there are so many, that must receive no offer before DHCP is reported as out."""
DHCP_FRESHNESS = 2
"""DHCP verdicts stay fresh this many times longer, because one host asks per interval."""


@dataclass(frozen=True)
class Conclusion:
    """The state of a network, and the results that it rests on."""

    state: State
    reason: Reason
    connectivity: str | None = None
    """What the route annotation should say; None leaves it unchanged."""
    cidr: IPv4Network | None = None
    gateway: IPv4Address | None = None
    """What DHCP names, in auto mode."""
    hosts: Mapping[str, str] | None = None
    """Hosts that differ or could not tell, with the reason or fault."""
    servers: tuple[ServerOffer, ...] = ()
    dhcp_out: bool = False
    """DHCP names no usable gateway, but one is known from before."""
    named_by: frozenset[ServerIdentity] | None = None
    """DHCP servers that have named the gateway; None: those that are remembered."""
    detail: str = ""
    """The values behind the reason."""
    findings: Mapping[str, str] = field(default_factory=dict)
    """Findings beside the state, by reason code, with their values."""
    answering: tuple[str, ...] = ()
    """Hosts on which the gateway answers on the VLAN."""
    silent: tuple[str, ...] = ()
    """Hosts on which it does not."""
    unoffered: tuple[str, ...] = ()
    """Hosts that asked DHCP and received no offer since the newest one."""
    forgotten: str = ""
    """Why the gateway that was known counts as unknown from now on; empty if there is none."""
    gateway_mac: str = ""
    """The MAC address that answers for the gateway on the VLAN; empty if none is known."""
    has_dhcp_news: bool = True
    """Whether a DHCP answer counts, or none is needed. Without one, what was reported of DHCP stands."""

    @property
    def is_confirming(self) -> bool:
        """Whether hosts without an offer are still too few to report DHCP as out."""
        if not self.unoffered:
            return False
        return self.reason is not Reason.NO_DHCP_OFFER and Reason.NO_DHCP_OFFER not in self.findings


def reduce(
    intent: Intent,
    latest: Sequence[AgedVerdict],
    asked_dhcp: Sequence[AgedVerdict],
    *,
    hosts: frozenset[str],
    fresh_s: float,
    policy: Policy = DEFAULT_POLICY,
    dhcp_confirmations: int = CONFIRMATIONS,
    unconfirmed_s: float = 0.0,
) -> Conclusion:
    """Reduce the verdicts on the intent's segment.

    latest: the newest verdict of each host. asked_dhcp: the newest verdict of each host that asked DHCP.
    hosts: announced hosts with an uplink of the cluster network. fresh_s: age from which a verdict does not
    count. Verdicts of hosts that are gone, or on another intent, do not count either. dhcp_confirmations:
    further hosts that must receive no offer before DHCP is reported as out. unconfirmed_s: for how long
    neither DHCP has named the known gateway nor any host reached it on the VLAN.
    """
    digest = intent.digest
    of_intent = [seen for seen in latest if is_on(seen.verdict, digest)]
    fresh = [seen for seen in of_intent if seen.age_s < fresh_s and seen.verdict.host in hosts]
    if not fresh:
        state = State.UNKNOWN if of_intent else State.PENDING
        if not hosts:
            return Conclusion(state, Reason.NO_HOST)
        return Conclusion(state, Reason.NO_FRESH_VERDICT if of_intent else Reason.NOT_PROBED_YET)
    verdicts = [seen.verdict for seen in fresh]
    faults = {v.host: v.fault.value for v in verdicts if v.fault is not None}
    if len(faults) == len(verdicts):
        return Conclusion(State.UNKNOWN, Reason.CANNOT_PROBE, hosts=faults)
    asked = [s for s in asked_dhcp if s.age_s < DHCP_FRESHNESS * fresh_s and s.verdict.host in hosts]
    others = len(hosts) - len(faults) - 1
    confirmations = max(0, min(dhcp_confirmations, others))
    dhcp = summarize_dhcp(intent, asked, confirmations=confirmations, policy=policy, latest=verdicts)
    gateway = intent.gateway if dhcp is None else dhcp.gateway
    if gateway is None:
        contradicted = dhcp is not None and intent.known_gateway is not None
        why = "the offer that names it rules it out" if contradicted else ""
        return _without_gateway(dhcp, verdicts, faults, forgotten=why)
    rule: _Rule = "isolated" if intent.isolated else policy.active_when
    conclusion = _reduce_reach(
        {v.host: check_of(v, digest, gateway) for v in verdicts},
        faults,
        {v.host: cut_off for v in verdicts if (cut_off := cut_off_by(v)) is not None},
        heard_untagged(verdicts),
        rule=rule,
    )
    if dhcp is None:
        return conclusion
    if not dhcp.answered and (
        why := why_forgotten(
            gateway, conclusion.state, unconfirmed_s=unconfirmed_s, fresh_s=fresh_s, policy=policy
        )
    ):
        return _without_gateway(dhcp, verdicts, faults, forgotten=why)
    return _with_dhcp(conclusion, dhcp)


def _without_gateway(
    dhcp: DHCPSummary | None, verdicts: Sequence[Verdict], faults: Mapping[str, str], *, forgotten: str
) -> Conclusion:
    if dhcp is None:
        # No host could tell what DHCP says: neither a failure of DHCP nor a guess.
        return Conclusion(State.PENDING, _why_unknown(verdicts), hosts=faults)
    if dhcp.reason is Reason.CONFIRMING_NO_OFFER:
        return Conclusion(State.PENDING, dhcp.reason, hosts=faults, unoffered=dhcp.unoffered)
    reason, detail, findings = dhcp.reason, dhcp.detail, dhcp.findings
    if heard := dhcp.untagged:
        faults = {**dict.fromkeys(heard, Reason.NATIVE_VLAN.value), **faults}
        if heard.keys() >= set(dhcp.unoffered):
            reason, detail, findings = (
                Reason.NATIVE_VLAN,
                describe_untagged(heard),
                {**findings, reason: detail},
            )
    return Conclusion(
        State.DHCP_FAILED,
        reason,
        "DHCP failed",
        hosts=faults,
        servers=dhcp.servers,
        detail=detail,
        findings=findings,
        unoffered=dhcp.unoffered,
        forgotten=forgotten,
    )


def _with_dhcp(conclusion: Conclusion, dhcp: DHCPSummary) -> Conclusion:
    out = {} if dhcp.answered else {dhcp.reason.value: dhcp.detail}
    return replace(
        conclusion,
        cidr=dhcp.cidr if dhcp.answered else None,
        gateway=dhcp.gateway if dhcp.answered else None,
        servers=dhcp.servers,
        dhcp_out=not dhcp.answered,
        named_by=dhcp.named_by,
        findings={**dhcp.findings, **out},
        unoffered=dhcp.unoffered,
        has_dhcp_news=dhcp.is_news,
    )


def is_on(verdict: Verdict, digest: str) -> bool:
    """Whether the verdict is on this intent. A fault is on every intent."""
    return verdict.fault is not None or any(target.digest == digest for target in verdict.targets)


def _why_unknown(verdicts: Sequence[Verdict]) -> Reason:
    if any(v.dhcp is not None and v.dhcp.outcome is DHCPOutcome.INCONCLUSIVE for v in verdicts):
        return Reason.INCONCLUSIVE
    return Reason.NOT_PROBED_YET


def check_of(verdict: Verdict, digest: str, gateway: IPv4Address | None) -> TargetVerdict | None:
    """Return what the host found on this gateway; None if it checked another one."""
    return next(
        (t for t in verdict.targets if t.digest == digest and t.gateway is not None and t.gateway == gateway),
        None,
    )


_PASSING = (Reason.NOT_PROBED_YET, Reason.ARP_NEEDS_ADDRESS)
_Rule = Literal["routed", "vlan", "isolated"]
"""When connectivity is "true". With isolated, routing does not count for the state either."""


def _reduce_reach(
    found: Mapping[str, TargetVerdict | None],
    faults: Mapping[str, str],
    bridges: Mapping[str, BridgeFault],
    untagged: Mapping[str, Untagged],
    *,
    rule: _Rule,
) -> Conclusion:
    """Reduce each host's check of the gateway to the state.

    bridges: why the VLAN does not reach the VMs of a host, where that is known. untagged: see heard_untagged.
    """
    differing: dict[str, str] = dict(faults)
    answering: list[str] = []
    silent: list[str] = []
    cut_off = 0
    for host, target in sorted(found.items()):
        outcome = ReachOutcome.NOT_TRIED if target is None else conclude(target.vlan)
        if host in faults:
            # The fault explains the silence; a prober that was stopped says nothing about the gateway.
            cut_off += faults[host] != Fault.STOPPED
        elif outcome is ReachOutcome.NOT_TRIED:
            differing[host] = Reason.NOT_PROBED_YET
        elif outcome is ReachOutcome.INCONCLUSIVE:
            is_mute = target is not None and cannot_tell(target.vlan)
            differing[host] = Reason.ARP_NEEDS_ADDRESS if is_mute else Reason.INCONCLUSIVE
        elif outcome is ReachOutcome.REACHABLE:
            answering.append(host)
            if host in bridges:
                differing[host] = bridges[host]
        else:
            silent.append(host)
            differing[host] = Reason.NATIVE_VLAN if host in untagged else Reason.GATEWAY_SILENT_ON_VLAN
    behind = {bridges[host] for host in answering if host in bridges}
    on_vlan = bool(answering) and not silent and not cut_off and not behind
    routed = [target.routed for target in found.values() if target is not None]
    is_routed = on_vlan if rule == "isolated" else _any_reachable(routed)
    if not is_routed and rule != "isolated":
        unclear = [h for h, t in found.items() if t and conclude(t.routed) is ReachOutcome.INCONCLUSIVE]
        differing = {**dict.fromkeys(unclear, Reason.INCONCLUSIVE.value), **differing}
    if not (answering or silent) or is_routed is None:
        known = (Reason.INCONCLUSIVE, Reason.ARP_NEEDS_ADDRESS)
        reason = next((why for why in known if why in differing.values()), Reason.NOT_PROBED_YET)
        return Conclusion(State.PENDING, reason, hosts=differing)
    # Hosts join one after another: naming those that are about to report would be a write for each of them.
    # So would be those that had an address until a while ago; a finding says why they cannot tell.
    differing = {host: why for host, why in differing.items() if why not in _PASSING}
    state, reason = _state(bool(answering), on_vlan=on_vlan, is_routed=is_routed, rule=rule)
    if behind and not silent and not cut_off:
        # Every host reaches the gateway; on some the VMs do not.
        reason = Reason(min(behind))
    detail = ""
    if not answering:
        # All hosts agree, so naming each adds nothing; those that could not probe still differ.
        reason, detail, differing = _agreed(reason, silent, untagged, differing)
    return Conclusion(
        state,
        reason,
        "true" if (is_routed if rule == "routed" else on_vlan) else "false",
        hosts=differing,
        answering=tuple(answering),
        silent=tuple(silent),
        detail=detail,
    )


def _agreed(
    reason: Reason, silent: Sequence[str], untagged: Mapping[str, Untagged], differing: Mapping[str, str]
) -> tuple[Reason, str, dict[str, str]]:
    """Return reason, detail and the hosts that differ, where the gateway answers none on the VLAN."""
    common, detail = Reason.GATEWAY_SILENT_ON_VLAN, ""
    if untagged.keys() >= set(silent):
        reason = common = Reason.NATIVE_VLAN
        detail = describe_untagged({host: untagged[host] for host in silent})
    return reason, detail, {host: why for host, why in differing.items() if why != common}


def _state(any_answers: bool, *, on_vlan: bool, is_routed: bool, rule: _Rule) -> tuple[State, Reason]:
    if on_vlan:
        if is_routed:
            return State.ACTIVE, Reason.GATEWAY_ANSWERS
        return State.ISOLATED, Reason.GATEWAY_NOT_ROUTED
    if any_answers:
        return State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS
    if is_routed:
        return State.OFF_VLAN, Reason.GATEWAY_SILENT_ON_VLAN
    return State.UNREACHABLE, Reason.GATEWAY_SILENT_ON_VLAN if rule == "isolated" else Reason.GATEWAY_SILENT


def _any_reachable(checks: Sequence[ReachVerdict]) -> bool | None:
    """Whether it answered on any host; None if no host could tell."""
    outcomes = {conclude(check) for check in checks}
    if ReachOutcome.REACHABLE in outcomes:
        return True
    return False if ReachOutcome.SILENT in outcomes else None
