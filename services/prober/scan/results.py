"""The results of a scan, one per VLAN."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from services.contract.messages import NOT_TRIED, DHCPVerdict, ReachVerdict
from services.contract.outcomes import Fault
from services.prober.engine.results import SegmentResult, dhcp_message, reach_message


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """The result for one VLAN."""

    vlan: int
    dhcp: DHCPVerdict
    gateway: ReachVerdict
    """By ARP on the VLAN; NOT_TRIED when no offer has a gateway."""
    fault: Fault | None
    """Why the VLAN could not be probed: a fault of this host."""
    dropped_frames: int
    """Frames that the kernel dropped on the interface during the probe (PACKET_STATISTICS)."""
    echo: ReachVerdict = NOT_TRIED
    """By ICMP echo on the VLAN, if there was a source address."""


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
        dhcp=dhcp_message(result),
        gateway=reach_message(target.vlan),
        fault=result.fault,
        dropped_frames=result.dropped_frames,
        echo=reach_message(target.echo),
    )
