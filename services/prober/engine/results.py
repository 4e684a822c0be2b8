"""Results of probes in plain tuples, and their conversion to the contract's messages.

Here an IPv4 address is an integer and a duration is in seconds. 4094 segments may finish within a second, and
building validated models for them is left to the edge.
"""

from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from services.contract.messages import (
    MAX_SERVERS,
    DHCPVerdict,
    LeaseVerdict,
    Offer,
    ReachVerdict,
    Segment,
    SegmentProbe,
    TargetVerdict,
    Verdict,
)
from services.contract.outcomes import DHCPOutcome, Fault, LeaseOutcome, ReachOutcome
from services.prober.frames.ethernet import mac_text

_MAX_ATTEMPTS = 100


class DHCPOffer(NamedTuple):
    """One server's offer."""

    server: int
    address: int
    prefix: int | None
    """The length of the subnet mask; None without a valid one."""
    gateway: int | None
    routers: tuple[int, ...]
    relay: int
    """giaddr; 0 if the offer came without a relay."""
    lease_s: int | None
    after_s: float
    """From the DHCPDISCOVER that it answers to the offer."""
    unasked_ack: bool = False
    """A DHCPACK that nobody had requested (rapid commit)."""
    usable_gateway: int | None = None
    """The gateway, if a host can be asked to check it."""
    xid: bytes = b""
    secs: int = 0
    """Fields of the DHCPDISCOVER, which the DHCPREQUEST repeats (RFC 2131 section 3.1)."""
    server_mac: bytes = b""
    """The source of the offer's frame: the server or a relay."""


class DiscoveryResult(NamedTuple):
    """The result of a DHCP discovery; offers are in the order of offers.in_order."""

    outcome: DHCPOutcome
    offers: tuple[DHCPOffer, ...]
    attempts: int
    elapsed_s: float
    """From the first DHCPDISCOVER to the first offer, or to the end."""
    omitted: int = 0
    """Further offers, beyond those that are kept."""


class LeaseResult(NamedTuple):
    """The result of requesting an offered address."""

    outcome: LeaseOutcome
    server: int
    address: int
    attempts: int
    elapsed_s: float
    owner: bytes | None = None
    """The MAC address of the station that has the address already."""


class ReachResult(NamedTuple):
    """The result of checking a gateway by one protocol."""

    outcome: ReachOutcome
    rtt_s: float | None = None
    attempts: int = 0
    mac: bytes | None = None
    """The sender of the ARP reply."""


NOT_TRIED = ReachResult(ReachOutcome.NOT_TRIED)
DISCOVERY_NOT_TRIED = DiscoveryResult(DHCPOutcome.NOT_TRIED, (), 0, 0.0)


class TargetResult(NamedTuple):
    """The result for one gateway of a target; see segment.SegmentJob."""

    digest: str
    offer: DHCPOffer | None
    """The offer that counts for the target."""
    gateway: int | None
    vlan: ReachResult
    routed: ReachResult
    echo: ReachResult = NOT_TRIED


class SegmentResult(NamedTuple):
    """The result of probing one segment."""

    cluster_network: str
    vlan: int
    dhcp: DiscoveryResult | None
    targets: tuple[TargetResult, ...]
    fault: Fault | None
    dropped_frames: int
    lease: LeaseResult | None = None
    rogues: frozenset[int] = frozenset()
    """Addresses of rogue servers among those that offered."""


def verdict(result: SegmentResult, *, host: str, request_id: str, incarnation: int, counter: int) -> Verdict:
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
    """Return the subnet of the offered address; None without a valid mask."""
    if offer.prefix is None:
        return None
    host_bits = 32 - offer.prefix
    return IPv4Network((offer.address >> host_bits << host_bits, offer.prefix))


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
                gateway=_address(offer.gateway),
                routers=tuple(map(IPv4Address, offer.routers[:MAX_SERVERS])),
                relay=_address(offer.relay or None),
                lease_s=offer.lease_s,
                after_ms=milliseconds(offer.after_s),
                rogue=offer.server in result.rogues,
                unasked_ack=offer.unasked_ack,
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
    )


def reach_message(result: ReachResult) -> ReachVerdict:
    """Return the result of a gateway check as a message."""
    return ReachVerdict(
        outcome=result.outcome,
        rtt_ms=None if result.rtt_s is None else milliseconds(result.rtt_s),
        attempts=min(result.attempts, _MAX_ATTEMPTS),
        mac=None if result.mac is None else mac_text(result.mac),
    )


def _address(value: int | None) -> IPv4Address | None:
    return None if value is None else IPv4Address(value)


def milliseconds(seconds: float) -> float:
    """Return milliseconds, rounded to the microsecond: further digits are noise."""
    return round(seconds * 1000, 3)


def untried(cluster_network: str, probe: SegmentProbe, fault: Fault) -> SegmentResult:
    """Return the result of a probe that was not started."""
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
