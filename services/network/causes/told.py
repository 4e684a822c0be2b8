"""What is told of a network, and what its hosts found, as evidence."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

from services.contract.messages import DHCPVerdict, TargetVerdict
from services.contract.outcomes import BridgeFault, DHCPOutcome, Fault, ReachOutcome, Reason, State
from services.contract.verdicts import SegmentVerdicts
from services.network.causes.evidence import Evidence, Half, Server
from services.network.judge.half_trunks import half_trunks_in
from services.network.judge.reach import conclude
from services.network.judge.reduction import DHCP_FRESHNESS
from services.network.judge.untagged import heard_untagged
from services.network.parse.intent import Intent
from services.network.parse.status import Status
from services.network.parse.tolerance import read_gateway

_Member = TypeVar("_Member")
_EVERYWHERE = (State.OFF_VLAN, State.UNREACHABLE)
"""States in which the gateway answers no host on the VLAN, so that none is named."""
_UNROUTED = (State.ISOLATED, State.UNREACHABLE)
_FAULTS = frozenset(Fault)
_SHARED = 4_096
_BRIDGES = frozenset(BridgeFault)


def evidence_of(
    name: str,
    intent: Intent,
    status: Status,
    verdicts: SegmentVerdicts,
    *,
    hosts: frozenset[str],
    fresh_s: float,
) -> Evidence:
    """Return the evidence of one network.

    name: namespace/name. status: what is told; a silence that is still in doubt is not in it. hosts: those
    that carry the cluster network. fresh_s: age from which a verdict does not count.
    """
    checks = {
        seen.verdict.host: target
        for seen in verdicts.latest
        if seen.age_s < fresh_s and seen.verdict.host in hosts
        for target in seen.verdict.targets
        if target.digest == intent.digest and str(target.gateway) == status.gateway
    }
    answers = {
        seen.verdict.host: seen.verdict.dhcp
        for seen in verdicts.asked_dhcp
        if seen.verdict.host in hosts
        and seen.verdict.dhcp is not None
        and seen.age_s < DHCP_FRESHNESS * fresh_s
    }
    answering = frozenset(h for h, t in checks.items() if t.vlan.outcome is ReachOutcome.REACHABLE)
    silent = _silent(status, checks) & hosts
    native = _native(status, verdicts, fresh_s) & hosts
    silent -= native
    is_unoffered = Reason.NO_DHCP_OFFER in {status.reason, *status.findings}
    is_unrouted = status.state in _UNROUTED and not intent.isolated
    offers = [answer for answer in answers.values() if answer.outcome is DHCPOutcome.OFFERED]
    faults = {h: Fault(why) for h, why in status.hosts.items() if h in hosts and why in _FAULTS}
    offered = frozenset(host for host, answer in answers.items() if answer.outcome is DHCPOutcome.OFFERED)
    # An offer from before its trouble does not speak for a host.
    offered -= (silent | native | faults.keys()) - _asked_last(verdicts)
    return Evidence(
        networks=(name,),
        cluster_network=intent.segment.cluster_network,
        vlan=intent.segment.vlan,
        answering=_same(answering - silent),
        silent=_same(silent),
        faults=faults,
        offered=_same(frozenset() if is_unoffered else offered),
        is_unoffered=is_unoffered,
        is_unrouted=is_unrouted,
        is_routed=status.state not in _UNROUTED
        and any(target.routed.outcome is ReachOutcome.REACHABLE for target in checks.values()),
        gateway=read_gateway(status.gateway),
        gateway_mac=_gateway_mac(status, checks, offers),
        servers=_same(_servers(status, offers)),
        strangers=frozenset(
            Server(str(offer.server), offer.mac or "")
            for answer in offers
            for offer in answer.servers
            if offer.rogue
        ),
        native=native,
        behind=frozenset(h for h, why in status.hosts.items() if h in hosts and why in _BRIDGES),
        halves=frozenset(
            Half(host, nic)
            for host, nics in half_trunks_in(status.findings).items()
            if host in hosts
            for nic in nics
        ),
    )


@lru_cache(_SHARED)
def _same(given: frozenset[_Member]) -> frozenset[_Member]:
    """Return the same object for equal sets: most networks have all hosts in common."""
    return given


def _silent(status: Status, checks: Mapping[str, TargetVerdict]) -> frozenset[str]:
    """Return the hosts that the gateway is told not to answer on the VLAN."""
    named = frozenset(host for host, why in status.hosts.items() if why == Reason.GATEWAY_SILENT_ON_VLAN)
    found = frozenset(host for host, target in checks.items() if conclude(target.vlan) is ReachOutcome.SILENT)
    if status.state in _EVERYWHERE:
        return named | (found - status.hosts.keys())
    # A status names some of the hosts that differ, if there are many.
    return named | found if status.hosts_omitted else named


def _asked_last(verdicts: SegmentVerdicts) -> frozenset[str]:
    """Return the hosts whose newest verdict asked DHCP."""
    newest = {seen.verdict.host: seen.verdict for seen in verdicts.latest}
    return frozenset(
        verdict.host
        for seen in verdicts.asked_dhcp
        if (verdict := seen.verdict).host in newest
        and (verdict.incarnation, verdict.counter)
        == (newest[verdict.host].incarnation, newest[verdict.host].counter)
    )


def _native(status: Status, verdicts: SegmentVerdicts, fresh_s: float) -> frozenset[str]:
    """Return the hosts that are told to hear the VLAN without its tag; a status names none if all do."""
    named = frozenset(host for host, why in status.hosts.items() if why == Reason.NATIVE_VLAN)
    if status.reason != Reason.NATIVE_VLAN:
        return named
    fresh = (seen.verdict for seen in verdicts.latest if seen.age_s < fresh_s)
    return named | frozenset(heard_untagged(fresh))


def _gateway_mac(status: Status, checks: Mapping[str, TargetVerdict], offers: Sequence[DHCPVerdict]) -> str:
    """Return by which MAC address the gateway answers, or made or relayed offers; empty if unknown."""
    answered = sorted(target.vlan.mac for target in checks.values() if target.vlan.mac is not None)
    if answered or status.gateway_mac:
        # While it is silent, as it answered last.
        return answered[0] if answered else status.gateway_mac
    offering = {
        str(address): offer.mac
        for answer in offers
        for offer in answer.servers
        for address in (offer.server, offer.relay)
        if offer.mac is not None and address is not None
    }
    named = {server.address: server.mac for server in status.named_by}
    return offering.get(status.gateway) or named.get(status.gateway, "")


def _servers(status: Status, offers: Sequence[DHCPVerdict]) -> frozenset[Server]:
    """Return the DHCP servers that have served the network, without strangers."""
    offering = {
        Server(str(offer.server), offer.mac or "")
        for answer in offers
        for offer in answer.servers
        if not offer.rogue
    }
    return frozenset(offering or {Server(server.address, server.mac) for server in status.named_by})
