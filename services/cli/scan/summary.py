"""What a scan found in numbers: how many VLANs of each kind, and how long answers took."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.contract.outcomes import DHCPOutcome, ReachOutcome

if TYPE_CHECKING:
    from services.prober.scan.scanning import ScanResult


@dataclass(frozen=True)
class Distribution:
    """Of n times, in milliseconds, those that 50% and 95% did not exceed, and the longest; None of none.

    Each is one that was measured: no mean, and nothing in between.
    """

    n: int
    p50: float | None
    p95: float | None
    max: float | None

    @classmethod
    def of(cls, times: Iterable[float]) -> "Distribution":
        """By nearest rank."""
        ordered = sorted(times)
        if not ordered:
            return cls(0, None, None, None)
        p50, p95 = (ordered[math.ceil(len(ordered) * share / 100) - 1] for share in (50, 95))
        return cls(len(ordered), p50, p95, ordered[-1])

    def to_json(self) -> dict[str, object]:
        return {"n": self.n, "p50": self.p50, "p95": self.p95, "max": self.max}

    def __str__(self) -> str:
        if not self.n:
            return "n 0"
        return f"n {self.n}, p50 {self.p50:.1f} ms, p95 {self.p95:.1f} ms, max {self.max:.1f} ms"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Counts by outcome; offer_ms: from the last DISCOVER to each OFFER; the others: round trips to gateways.

    dropped_frames: by the kernel, at least: the most of them while one VLAN was probed.
    """

    vlans: int
    dhcp: dict[str, int]
    gateways: dict[str, int]
    faults: dict[str, int]
    offer_ms: Distribution
    arp_ms: Distribution
    echo_ms: Distribution
    rogue_servers: int
    dropped_frames: int

    def to_json(self) -> dict[str, object]:
        """The stable form."""
        return {
            "vlans": self.vlans,
            "dhcp": self.dhcp,
            "gateways": self.gateways,
            "faults": self.faults,
            "offer_ms": self.offer_ms.to_json(),
            "arp_ms": self.arp_ms.to_json(),
            "echo_ms": self.echo_ms.to_json(),
            "rogue_servers": self.rogue_servers,
            "dropped_frames": self.dropped_frames,
        }

    def lines(self) -> list[str]:
        """For eyes; what did not happen is left out."""
        told = [f"{self.vlans} VLANs: DHCP {_counts(self.dhcp)}; gateways {_counts(self.gateways)}"]
        if any(self.faults.values()):
            told[0] += f"; faults {_counts(self.faults)}"
        if self.rogue_servers:
            told[0] += f"; {self.rogue_servers} DHCP servers that should not be there"
        if self.offer_ms.n:
            told.append(f"OFFER after DISCOVER: {self.offer_ms}")
        if self.arp_ms.n:
            told.append(f"ARP round trip:       {self.arp_ms}")
        if self.echo_ms.n:
            told.append(f"ICMP round trip:      {self.echo_ms}")
        return told


def summarize(results: "Sequence[ScanResult]") -> Summary:
    """The numbers of a scan."""
    dhcp = Counter(result.dhcp.outcome for result in results)
    gateways = Counter(result.gateway.outcome for result in results)
    faults = Counter(result.fault for result in results if result.fault is not None)
    return Summary(
        vlans=len(results),
        dhcp={outcome.value: dhcp[outcome] for outcome in DHCPOutcome},
        gateways={outcome.value: gateways[outcome] for outcome in ReachOutcome},
        faults={fault.value: count for fault, count in sorted(faults.items())},
        offer_ms=Distribution.of(offer.after_ms for result in results for offer in result.dhcp.servers),
        arp_ms=Distribution.of(
            result.gateway.rtt_ms for result in results if result.gateway.rtt_ms is not None
        ),
        echo_ms=Distribution.of(result.echo.rtt_ms for result in results if result.echo.rtt_ms is not None),
        rogue_servers=sum(offer.rogue for result in results for offer in result.dhcp.servers),
        # A frame that was lost counts for every VLAN that was being probed.
        dropped_frames=max((result.dropped_frames for result in results), default=0),
    )


def _counts(counts: dict[str, int]) -> str:
    present = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    return ", ".join(present) or "none"
