"""The results of a scan, one per VLAN.

Named as in the contract's verdicts, but without their validation: nothing here leaves the process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple, overload

from services.contract.outcomes import DHCPOutcome, Fault, LeaseOutcome, ReachOutcome, Untagged
from services.prober.engine.results import (
    DISCOVERY_NOT_TRIED,
    DHCPOffer,
    ReachResult,
    SegmentResult,
    address,
    cidr,
    milliseconds,
)
from services.prober.frames.ethernet import mac_text


class ScannedOffer(NamedTuple):
    """The offer of one DHCP server; see services.contract.messages.Offer."""

    server: IPv4Address
    address: IPv4Address
    mac: str | None = None
    cidr: IPv4Network | None = None
    gateway: IPv4Address | None = None
    relay: IPv4Address | None = None
    after_ms: float = 0.0
    rogue: bool = False
    unasked_ack: bool = False


class ScannedLease(NamedTuple):
    """The result of requesting an offered address."""

    outcome: LeaseOutcome
    address: IPv4Address


class ScannedDHCP(NamedTuple):
    """The result of asking DHCP; see services.contract.messages.DHCPVerdict."""

    outcome: DHCPOutcome
    servers: tuple[ScannedOffer, ...] = ()
    omitted: int = 0
    lease: ScannedLease | None = None


class ScannedReach(NamedTuple):
    """Whether a gateway answered on one path."""

    outcome: ReachOutcome
    rtt_ms: float | None = None
    mac: str | None = None
    macs: tuple[str, ...] = ()


NOT_TRIED = ScannedReach(ReachOutcome.NOT_TRIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """The result for one VLAN."""

    vlan: int
    dhcp: ScannedDHCP
    gateway: ScannedReach
    """By ARP on the VLAN; NOT_TRIED when no offer has a gateway."""
    fault: Fault | None
    """Why the VLAN could not be probed: a fault of this host."""
    dropped_frames: int
    """Frames that the kernel dropped on the interface during the probe (PACKET_STATISTICS)."""
    echo: ScannedReach = NOT_TRIED
    """By ICMP echo on the VLAN, if there was a source address."""
    untagged: Untagged | None = None
    """What answered without the VLAN's tag, where nothing answered with it."""


class ScanResults(Sequence[ScanResult]):
    """The results, sorted by VLAN. Converted from the engine's on first access."""

    def __init__(self, results: Sequence[SegmentResult]) -> None:
        self._results = results
        self._converted: list[ScanResult] | None = None

    def __len__(self) -> int:
        return len(self._results)

    @overload
    def __getitem__(self, index: int) -> ScanResult: ...

    @overload
    def __getitem__(self, index: slice) -> list[ScanResult]: ...

    def __getitem__(self, index: int | slice) -> ScanResult | list[ScanResult]:
        if self._converted is None:
            self._converted = [_scan_result(result) for result in self._results]
        return self._converted[index]


def _scan_result(result: SegmentResult) -> ScanResult:
    (target,) = result.targets
    return ScanResult(
        vlan=result.vlan,
        dhcp=_dhcp(result),
        gateway=_reach(target.vlan),
        fault=result.fault,
        dropped_frames=result.dropped_frames,
        echo=_reach(target.echo),
        untagged=result.untagged,
    )


def _dhcp(result: SegmentResult) -> ScannedDHCP:
    discovery, lease = result.dhcp or DISCOVERY_NOT_TRIED, result.lease
    return ScannedDHCP(
        outcome=discovery.outcome,
        servers=tuple(_offer(offer, rogue=offer.server in result.rogues) for offer in discovery.offers),
        omitted=discovery.omitted,
        lease=None if lease is None else ScannedLease(lease.outcome, IPv4Address(lease.address)),
    )


def _offer(offer: DHCPOffer, *, rogue: bool) -> ScannedOffer:
    return ScannedOffer(
        server=IPv4Address(offer.server),
        address=IPv4Address(offer.address),
        mac=mac_text(offer.server_mac) if offer.server_mac else None,
        cidr=cidr(offer),
        gateway=address(offer.gateway),
        relay=address(offer.relay or None),
        after_ms=milliseconds(offer.after_s),
        rogue=rogue,
        unasked_ack=offer.unasked_ack,
    )


def _reach(result: ReachResult) -> ScannedReach:
    return ScannedReach(
        result.outcome,
        None if result.rtt_s is None else milliseconds(result.rtt_s),
        None if result.mac is None else mac_text(result.mac),
        tuple(map(mac_text, result.macs)),
    )
