"""A scan in numbers: VLANs by outcome, and how long answers took."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.contract.outcomes import DHCPOutcome, ReachOutcome

if TYPE_CHECKING:
    from services.prober.scan.results import ScanResult


@dataclass(frozen=True)
class Distribution:
    """Percentiles and maximum of n times in milliseconds; None where n is 0.

    Each is a measured time: nothing is interpolated.
    """

    n: int
    p50_ms: float | None
    p95_ms: float | None
    max_ms: float | None

    @classmethod
    def of(cls, times: Iterable[float]) -> "Distribution":
        """Percentiles by nearest rank."""
        ordered = sorted(times)
        if not ordered:
            return cls(0, None, None, None)
        p50, p95 = (ordered[math.ceil(len(ordered) * share / 100) - 1] for share in (50, 95))
        return cls(len(ordered), p50, p95, ordered[-1])

    def document(self) -> dict[str, object]:
        return {"n": self.n, "p50_ms": self.p50_ms, "p95_ms": self.p95_ms, "max_ms": self.max_ms}

    def __str__(self) -> str:
        if not self.n:
            return "n 0"
        return f"n {self.n}, p50 {self.p50_ms:.1f} ms, p95 {self.p95_ms:.1f} ms, max {self.max_ms:.1f} ms"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Counts by outcome, and times: offer from the last DISCOVER to each OFFER, arp and echo round trips.

    dropped_frames: the most that the kernel dropped while one VLAN was probed, so at least so many in all.
    """

    vlans: int
    dhcp: dict[str, int]
    gateways: dict[str, int]
    faults: dict[str, int]
    offer: Distribution
    arp: Distribution
    echo: Distribution
    rogue_servers: int
    dropped_frames: int

    def document(self) -> dict[str, object]:
        """The JSON that docs/cli.md documents."""
        return {
            "vlans": self.vlans,
            "dhcp": self.dhcp,
            "gateways": self.gateways,
            "faults": self.faults,
            "offer": self.offer.document(),
            "arp": self.arp.document(),
            "echo": self.echo.document(),
            "rogue_servers": self.rogue_servers,
            "dropped_frames": self.dropped_frames,
        }

    def lines(self) -> list[str]:
        """Return the lines of the summary; counts of 0 are omitted."""
        counts = {
            count(self.vlans, "VLAN"): _counts(self.dhcp),
            "gateways": _counts(self.gateways),
            "faults": _counts(self.faults) if any(self.faults.values()) else "",
            "rogue DHCP servers": str(self.rogue_servers or ""),
        }
        times = {"OFFER after DISCOVER": self.offer, "ARP round trip": self.arp, "ICMP round trip": self.echo}
        texts = counts | {name: str(spread) for name, spread in times.items() if spread.n}
        return [f"{name + ':':<21} {text}" for name, text in texts.items() if text]


def summarize(results: "Sequence[ScanResult]") -> Summary:
    """Compute the summary of a scan."""
    dhcp = Counter(result.dhcp.outcome for result in results)
    gateways = Counter(result.gateway.outcome for result in results)
    faults = Counter(result.fault for result in results if result.fault is not None)
    return Summary(
        vlans=len(results),
        dhcp={outcome.value: dhcp[outcome] for outcome in DHCPOutcome},
        gateways={outcome.value: gateways[outcome] for outcome in ReachOutcome},
        faults={fault.value: count for fault, count in sorted(faults.items())},
        offer=Distribution.of(offer.after_ms for result in results for offer in result.dhcp.servers),
        arp=Distribution.of(result.gateway.rtt_ms for result in results if result.gateway.rtt_ms is not None),
        echo=Distribution.of(result.echo.rtt_ms for result in results if result.echo.rtt_ms is not None),
        rogue_servers=sum(offer.rogue for result in results for offer in result.dhcp.servers),
        # A lost frame counts for every VLAN that was being probed.
        dropped_frames=max((result.dropped_frames for result in results), default=0),
    )


def count(number: int, noun: str) -> str:
    """Return a count with its noun: 1 VLAN, 2 VLANs."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _counts(counts: dict[str, int]) -> str:
    present = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    return ", ".join(present) or "none"
