"""What a scan found: one result for each VLAN, in a stable form."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from services.contract.messages import NOT_TRIED, DHCPFinding, Offer, Reach
from services.contract.outcomes import Fault, ReachOutcome
from services.prober.engine.results import SegmentResult, dhcp_message, reach_message


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """What was found on one VLAN."""

    vlan: int
    dhcp: DHCPFinding
    gateway: Reach
    """By ARP on the VLAN; NOT_TRIED where no offer names a gateway."""
    fault: Fault | None
    """Why the VLAN could not be probed to the end: a fact about this host."""
    dropped_frames: int
    """Frames that the kernel dropped on the interface while this VLAN was probed (PACKET_STATISTICS)."""
    echo: Reach = NOT_TRIED
    """By ICMP echo on the VLAN, where there was an address to ask from."""

    def to_json(self) -> dict[str, object]:
        """The stable form: {vlan, dhcp: {outcome, servers}, gateway: {outcome, rtt_ms}}.

        cidr, gateway and rtt_ms are null where there is none. There only where they say something: fault,
        echo, dhcp.lease, and of a server relay, rogue and unasked_ack.
        """
        dhcp: dict[str, object] = {
            "outcome": self.dhcp.outcome.value,
            "servers": [_server(offer) for offer in self.dhcp.servers],
        }
        if self.dhcp.lease is not None:
            lease = self.dhcp.lease
            dhcp["lease"] = {"outcome": lease.outcome.value, "address": str(lease.address)}
        found: dict[str, object] = {"vlan": self.vlan, "dhcp": dhcp, "gateway": _reach(self.gateway)}
        if self.echo.outcome is not ReachOutcome.NOT_TRIED:
            found["echo"] = _reach(self.echo)
        if self.fault is not None:
            found["fault"] = self.fault.value
        return found


def _reach(reach: Reach) -> dict[str, object]:
    return {"outcome": reach.outcome.value, "rtt_ms": reach.rtt_ms}


def _server(offer: Offer) -> dict[str, object]:
    told: dict[str, object] = {
        "server": str(offer.server),
        "cidr": None if offer.cidr is None else str(offer.cidr),
        "gateway": None if offer.gateway is None else str(offer.gateway),
    }
    if offer.relay is not None:
        told["relay"] = str(offer.relay)
    if offer.rogue:
        told["rogue"] = True
    if offer.unasked_ack:
        told["unasked_ack"] = True
    return told


class ScanResults(Sequence[ScanResult]):
    """The results in the order of their VLANs. They are made of findings when somebody looks."""

    def __init__(self, findings: Sequence[SegmentResult]) -> None:
        self._findings = findings
        self._made: list[ScanResult] | None = None

    def __len__(self) -> int:
        return len(self._findings)

    @overload
    def __getitem__(self, index: int) -> ScanResult: ...

    @overload
    def __getitem__(self, index: slice) -> list[ScanResult]: ...

    def __getitem__(self, index: int | slice) -> ScanResult | list[ScanResult]:
        if self._made is None:
            self._made = [_result(finding) for finding in self._findings]
        return self._made[index]


def _result(finding: SegmentResult) -> ScanResult:
    (target,) = finding.targets
    return ScanResult(
        vlan=finding.vlan,
        dhcp=dhcp_message(finding),
        gateway=reach_message(target.vlan),
        fault=finding.fault,
        dropped_frames=finding.dropped_frames,
        echo=reach_message(target.echo),
    )
