"""What the engine found, in light types; and the contract's messages made of it.

Addresses are integers and times are seconds in here: 4094 segments finish within a second or so, and building
validated models for them is left to the edge.
"""

from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from services.contract.messages import (
    MAX_SERVERS,
    DHCPFinding,
    Lease,
    Offer,
    Reach,
    Segment,
    SegmentProbe,
    TargetVerdict,
    Verdict,
)
from services.contract.outcomes import DHCPOutcome, Fault, LeaseOutcome, ReachOutcome
from services.prober.frames.ethernet import mac_text

_MAX_ATTEMPTS = 100


class DHCPOffer(NamedTuple):
    """One server's offer; prefix is the length of its subnet mask."""

    server: int
    address: int
    prefix: int | None
    gateway: int | None
    routers: tuple[int, ...]
    relay: int
    lease_s: int | None
    after_s: float
    unasked_ack: bool = False
    usable_gateway: int | None = None
    """The gateway, where it is one that a host can be asked to check; see gateways."""
    xid: bytes = b""
    seconds: int = 0
    """Of the DHCPDISCOVER that it answers: a DHCPREQUEST repeats them (RFC 2131 section 3.1)."""
    server_mac: bytes = b""
    """Who sent its frame: the server, or a relay."""


class DiscoveryResult(NamedTuple):
    """What DHCP said: offers in the order of their servers' addresses."""

    outcome: DHCPOutcome
    offers: tuple[DHCPOffer, ...]
    attempts: int
    elapsed_s: float
    """From the first DHCPDISCOVER to the first offer, or to the end."""


class LeaseResult(NamedTuple):
    """What became of asking for an offered address."""

    outcome: LeaseOutcome
    server: int
    address: int
    attempts: int
    elapsed_s: float
    owner: bytes | None = None


class ReachResult(NamedTuple):
    """What one gateway said on one path."""

    outcome: ReachOutcome
    rtt_s: float | None = None
    attempts: int = 0
    mac: bytes | None = None


NOT_TRIED = ReachResult(ReachOutcome.NOT_TRIED)
DISCOVERY_NOT_TRIED = DiscoveryResult(DHCPOutcome.NOT_TRIED, (), 0, 0.0)


class TargetResult(NamedTuple):
    """What was found for one target: offer is the one that counts for it."""

    digest: str
    offer: DHCPOffer | None
    gateway: int | None
    vlan: ReachResult
    routed: ReachResult
    echo: ReachResult = NOT_TRIED


class SegmentResult(NamedTuple):
    """All that was found on one segment."""

    cluster_network: str
    vlan: int
    dhcp: DiscoveryResult | None
    targets: tuple[TargetResult, ...]
    fault: Fault | None
    dropped_frames: int
    lease: LeaseResult | None = None
    rogues: frozenset[int] = frozenset()
    """Servers among those that offered."""


def verdict(result: SegmentResult, *, host: str, request_id: str, incarnation: int, counter: int) -> Verdict:
    """The result as it goes to the updater."""
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
                gateway=_address(target.gateway),
                vlan=reach_message(target.vlan),
                routed=reach_message(target.routed),
                echo=reach_message(target.echo),
            )
            for target in result.targets
        ),
        fault=result.fault,
        dropped_frames=result.dropped_frames,
    )


def cidr(offer: DHCPOffer) -> IPv4Network | None:
    """The offered address masked; None without a usable mask."""
    if offer.prefix is None:
        return None
    host_bits = 32 - offer.prefix
    return IPv4Network((offer.address >> host_bits << host_bits, offer.prefix))


def dhcp_message(result: SegmentResult) -> DHCPFinding:
    """What DHCP said, as it goes to others."""
    asked = result.dhcp or DISCOVERY_NOT_TRIED
    return DHCPFinding(
        outcome=asked.outcome,
        servers=tuple(
            Offer(
                server=IPv4Address(offer.server),
                address=IPv4Address(offer.address),
                cidr=cidr(offer),
                gateway=_address(offer.gateway),
                routers=tuple(map(IPv4Address, offer.routers[:MAX_SERVERS])),
                relay=_address(offer.relay or None),
                lease_s=offer.lease_s,
                after_ms=milliseconds(offer.after_s),
                rogue=offer.server in result.rogues,
                unasked_ack=offer.unasked_ack,
            )
            for offer in asked.offers
        ),
        attempts=min(asked.attempts, _MAX_ATTEMPTS),
        elapsed_ms=milliseconds(asked.elapsed_s),
        lease=None if result.lease is None else _lease(result.lease),
    )


def _lease(leased: LeaseResult) -> Lease:
    return Lease(
        outcome=leased.outcome,
        server=IPv4Address(leased.server),
        address=IPv4Address(leased.address),
        attempts=min(leased.attempts, _MAX_ATTEMPTS),
        elapsed_ms=milliseconds(leased.elapsed_s),
        owner=None if leased.owner is None else mac_text(leased.owner),
    )


def reach_message(reached: ReachResult) -> Reach:
    """What one gateway said on one path, as it goes to others."""
    return Reach(
        outcome=reached.outcome,
        rtt_ms=None if reached.rtt_s is None else milliseconds(reached.rtt_s),
        attempts=min(reached.attempts, _MAX_ATTEMPTS),
        mac=None if reached.mac is None else mac_text(reached.mac),
    )


def _address(value: int | None) -> IPv4Address | None:
    return None if value is None else IPv4Address(value)


def milliseconds(seconds: float) -> float:
    """Milliseconds to the microsecond: more digits would only be noise."""
    return round(seconds * 1000, 3)


def untried(cluster_network: str, probe: SegmentProbe, fault: Fault) -> SegmentResult:
    """The result of a segment that was never begun."""
    return SegmentResult(
        cluster_network=cluster_network,
        vlan=probe.vlan,
        dhcp=DISCOVERY_NOT_TRIED if probe.ask_dhcp else None,
        targets=tuple(
            TargetResult(
                digest=target.digest,
                offer=None,
                gateway=None if target.gateway is None else int(target.gateway),
                vlan=NOT_TRIED,
                routed=NOT_TRIED,
            )
            for target in probe.targets
        ),
        fault=fault,
        dropped_frames=0,
    )
