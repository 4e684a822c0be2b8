"""Verdicts as they are stored: the newest of each host on a segment, with their ages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from services.contract.messages import Segment, Verdict


class ObservedTime(NamedTuple):
    """The time that somebody probed; see runtime.verdict_store."""

    now_ms: int
    resumed_ms: int = 0
    """When it went on after it had last stood still."""
    runs: bool = True
    """Whether it does not stand still now."""
    is_lost: bool = False
    """Of a tick: whether Redis has not, or not any more, what the last one left there."""


@dataclass(frozen=True)
class AgedVerdict:
    """A verdict and its ages in seconds."""

    verdict: Verdict
    """As it came in full. If it was repeated since, its durations, attempts and ids are of that time."""
    age_s: float
    """Since it came, or was repeated last."""
    full_age_s: float = 0.0
    """Since it came in full: the age of its durations and attempts."""


@dataclass(frozen=True)
class SegmentVerdicts:
    """The stored verdicts of one segment, at most one per host in each tuple."""

    latest: tuple[AgedVerdict, ...] = ()
    """The newest verdict of each host."""
    asked_dhcp: tuple[AgedVerdict, ...] = ()
    """The newest verdict of each host with a conclusive DHCP result."""
    now_ms: int = 0
    """Observed time when they were read, in milliseconds; see runtime.verdict_store."""
    resumed_ms: int = 0
    """When it went on after it had last stood still. What arrived before may be long outdated."""
    time_runs: bool = True
    """Whether it does not stand still now."""

    def arrived_ms(self, seen: AgedVerdict) -> int:
        """Return when one of these verdicts arrived, in milliseconds of observed time."""
        return self.now_ms - round(seen.age_s * 1000)


@dataclass(frozen=True)
class Confirmed:
    """What became of the repeats in a report."""

    gaps_s: Mapping[Segment, float] = field(default_factory=dict)
    """The segments whose stored verdict was repeated, and how old it was until then, in seconds of observed
    time; infinite where time stood still meanwhile."""
    unknown: tuple[Segment, ...] = ()
    """The segments of which no verdict with this fingerprint is stored. Nothing has changed there."""
    now_ms: int = 0
    """Observed time when they were taken."""
    partly: frozenset[Segment] = frozenset()
    """Of the repeated segments, those on which an answer to DHCP came late: of the host's newest answer and
    its newest verdict only one gave way to it."""
