"""What the hosts' checks of a gateway prove."""

from collections.abc import Collection, Iterable
from ipaddress import IPv4Address

from services.contract.macs import router_of
from services.contract.messages import ReachVerdict, Verdict
from services.contract.outcomes import BridgeFault, DHCPOutcome, ReachOutcome

DOWN_AFTER = 3
"""Unanswered probes before a gateway counts as silent. One answer is enough to count as reachable."""


def conclude(reach: ReachVerdict) -> ReachOutcome:
    """Return the outcome; silence is inconclusive after fewer than DOWN_AFTER probes."""
    if reach.outcome is ReachOutcome.SILENT and reach.attempts < DOWN_AFTER:
        return ReachOutcome.INCONCLUSIVE
    return reach.outcome


def is_unclear(verdict: Verdict, digest: str) -> bool:
    """Whether the host could not tell if the gateway answers its VMs, without a fault of its own."""
    if verdict.fault is not None:
        return False
    return verdict.bridge is BridgeFault.UNSETTLED or any(
        ReachOutcome.INCONCLUSIVE in (conclude(target.vlan), conclude(target.routed))
        for target in verdict.targets
        if target.digest == digest
    )


def cut_off_by(verdict: Verdict) -> BridgeFault | None:
    """Return why the VLAN does not reach this host's VMs; None where no bridge keeps it from them."""
    unsettled = verdict.bridge is BridgeFault.UNSETTLED
    return None if unsettled or verdict.fault is not None else verdict.bridge


def found_by(verdict: Verdict) -> tuple[object, ...]:
    """Return all that a judgement takes from a host's newest verdict, besides its age."""
    dhcp = None if verdict.dhcp is None else verdict.dhcp.outcome
    checks = [
        (
            t.digest,
            t.gateway,
            conclude(t.vlan),
            conclude(t.routed),
            t.vlan.mac and router_of(t.vlan.mac),
            t.vlan.macs,
            t.vlan.from_address,
            t.vlan.unproven,
        )
        for t in verdict.targets
    ]
    is_lost = dhcp is DHCPOutcome.INCONCLUSIVE
    others = verdict.bridge, verdict.members, verdict.untagged, verdict.source_conflict
    return verdict.fault, *others, is_lost, *checks


def silent_on_vlan(
    gateways: Collection[IPv4Address], digest: str, oldest_first: Iterable[Verdict]
) -> frozenset[IPv4Address]:
    """Return those of the gateways that some host found silent on the VLAN, and none reachable.

    The newest verdict of a host that checked a gateway counts. One with a fault proves nothing.
    """
    found = {
        (verdict.host, target.gateway): conclude(target.vlan)
        for verdict in oldest_first
        if verdict.fault is None
        for target in verdict.targets
        if target.digest == digest and target.gateway in gateways
    }
    silent = {gateway for (_, gateway), outcome in found.items() if outcome is ReachOutcome.SILENT}
    reachable = {gateway for (_, gateway), outcome in found.items() if outcome is ReachOutcome.REACHABLE}
    return frozenset(gateway for gateway in silent - reachable if gateway is not None)
