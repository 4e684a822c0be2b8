"""Verdicts as they are stored: the newest of each host on a segment, with their ages."""

from dataclasses import dataclass

from services.contract.messages import Verdict


@dataclass(frozen=True)
class AgedVerdict:
    """A verdict and its age in seconds."""

    verdict: Verdict
    age_s: float


@dataclass(frozen=True)
class SegmentVerdicts:
    """The stored verdicts of one segment, at most one per host in each tuple."""

    latest: tuple[AgedVerdict, ...] = ()
    """The newest verdict of each host."""
    asked_dhcp: tuple[AgedVerdict, ...] = ()
    """The newest verdict of each host that asked DHCP."""
    now_ms: int = 0
    """Observed time when they were read, in milliseconds; see runtime.verdict_store."""
    resumed_ms: int = 0
    """When it went on after it had last stood still. What arrived before may be long outdated."""
    time_runs: bool = True
    """Whether it does not stand still now."""

    def arrived_ms(self, seen: AgedVerdict) -> int:
        """Return when one of these verdicts arrived, in milliseconds of observed time."""
        return self.now_ms - round(seen.age_s * 1000)
