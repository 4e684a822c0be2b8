"""The conversion of the engine's results to the verdicts of the contract."""

from ipaddress import IPv4Address

from services.contract.limits import MAX_SERVERS
from services.contract.member_nics import MAX_MEMBERS
from services.contract.messages import (
    DHCPVerdict,
    LeaseVerdict,
    MemberCheck,
    Offer,
    ReachVerdict,
    Segment,
    TargetVerdict,
    Verdict,
)
from services.contract.vlan_addresses import SourceConflict
from services.prober.engine.results import (
    DISCOVERY_NOT_TRIED,
    LeaseResult,
    ReachResult,
    SegmentResult,
    address,
    cidr,
    milliseconds,
)
from services.prober.frames.ethernet import mac_text

_MAX_ATTEMPTS = 100


def verdict(
    result: SegmentResult,
    *,
    host: str,
    request_id: str,
    incarnation: int,
    counter: int,
    fingerprint: str | None = None,
) -> Verdict:
    """Return the result as the message to the updater."""
    return Verdict(
        segment=Segment(cluster_network=result.cluster_network, vlan=result.vlan),
        host=host,
        request_id=request_id,
        incarnation=incarnation,
        counter=counter,
        dhcp=None if result.dhcp is None else dhcp_message(result),
        targets=tuple(
            TargetVerdict(
                digest=target.digest,
                cidr=None if target.offer is None else cidr(target.offer),
                gateway=address(target.gateway),
                vlan=reach_message(target.vlan),
                routed=reach_message(target.routed),
                echo=reach_message(target.echo),
            )
            for target in result.targets
        ),
        fault=result.fault,
        bridge=result.bridge,
        members=tuple(
            MemberCheck(nic=nic, answered=answered) for nic, answered in result.members[:MAX_MEMBERS]
        ),
        members_untested=result.members_untested,
        dropped_frames=result.dropped_frames,
        source_conflict=_conflict_message(result),
        fingerprint=fingerprint,
        untagged=result.untagged,
    )


def dhcp_message(result: SegmentResult) -> DHCPVerdict:
    """Return the result of DHCP as a message."""
    discovery = result.dhcp or DISCOVERY_NOT_TRIED
    return DHCPVerdict(
        outcome=discovery.outcome,
        servers=tuple(
            Offer(
                server=IPv4Address(offer.server),
                mac=mac_text(offer.server_mac) if offer.server_mac else None,
                address=IPv4Address(offer.address),
                cidr=cidr(offer),
                gateway=address(offer.gateway),
                routers=tuple(map(IPv4Address, offer.routers[:MAX_SERVERS])),
                relay=address(offer.relay or None),
                lease_s=offer.lease_s,
                after_ms=milliseconds(offer.after_s),
                rogue=offer.server in result.rogues,
                unasked_ack=offer.unasked_ack,
                acknowledged=offer.acknowledged,
                on_link=offer.on_link,
            )
            for offer in discovery.offers
        ),
        attempts=min(discovery.attempts, _MAX_ATTEMPTS),
        elapsed_ms=milliseconds(discovery.elapsed_s),
        omitted=discovery.omitted,
        lease=None if result.lease is None else _lease_message(result.lease),
    )


def _lease_message(result: LeaseResult) -> LeaseVerdict:
    return LeaseVerdict(
        outcome=result.outcome,
        server=IPv4Address(result.server),
        address=IPv4Address(result.address),
        attempts=min(result.attempts, _MAX_ATTEMPTS),
        elapsed_ms=milliseconds(result.elapsed_s),
        owner=None if result.owner is None else mac_text(result.owner),
        others=tuple(map(IPv4Address, result.others)),
    )


def _conflict_message(result: SegmentResult) -> SourceConflict | None:
    if result.source_owner is None or result.source is None:
        return None
    return SourceConflict(address=result.source, owner=mac_text(result.source_owner))


def reach_message(result: ReachResult) -> ReachVerdict:
    """Return the result of a gateway check as a message."""
    return ReachVerdict(
        outcome=result.outcome,
        rtt_ms=None if result.rtt_s is None else milliseconds(result.rtt_s),
        attempts=min(result.attempts, _MAX_ATTEMPTS),
        mac=None if result.mac is None else mac_text(result.mac),
        macs=tuple(map(mac_text, result.macs)),
        from_address=result.from_address,
        unproven=result.unproven,
    )
