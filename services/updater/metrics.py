"""The updater's counters and histograms, and what it read last, for the gauges."""

import threading
from collections.abc import Iterable, Mapping
from types import NoneType
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram

from services.cluster.errors import ClusterError, Conflict, Denied, NotFound, Throttled
from services.contract.conclusions import ConclusionRecord
from services.contract.messages import Repeats, Segment, Verdict
from services.contract.outcomes import Fault
from services.contract.verdicts import Confirmed, SegmentVerdicts

REDUCE_BUCKETS_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
WRITE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
REPORTS = ("taken", "refused", "lost")
VERDICTS = ("new", "old", "stopped", "repeated", "unknown")
WRITES = ("written", "denied", "gone", "throttled", "failed")
_RESULTS: Mapping[type, str] = {
    NoneType: "written",
    Denied: "denied",
    NotFound: "gone",
    Throttled: "throttled",
}


class ReadAt(NamedTuple):
    """The verdicts of a segment as read at a moment (monotonic seconds)."""

    at: float
    verdicts: SegmentVerdicts


class UpdaterMetrics:
    """Metrics in the registry that is passed in. Thread-safe. Times are monotonic seconds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reports = Counter(
            "nadroute_reports",
            "Reports from probers: taken, refused as malformed, or lost because Redis was away.",
            ["result"],
            registry=registry,
        )
        self._verdicts = Counter(
            "nadroute_verdicts",
            "Verdicts in those reports: new, not newer than the stored one, of a stopped probe, repeated, or "
            "repeating what is unknown.",
            ["result"],
            registry=registry,
        )
        self._writes = Counter(
            "nadroute_writes",
            "Patches of networks by result. Conflicts are counted separately.",
            ["result"],
            registry=registry,
        )
        for counter, results in (
            (self._reports, REPORTS),
            (self._verdicts, VERDICTS),
            (self._writes, WRITES),
        ):
            for result in results:
                counter.labels(result)
        self._conflicts = Counter(
            "nadroute_conflicts",
            "Patches refused because the network had changed; they are decided again.",
            registry=registry,
        )
        self._write_s = Histogram(
            "nadroute_write_seconds",
            "Duration of a patch, whatever its result.",
            buckets=WRITE_BUCKETS_S,
            registry=registry,
        )
        self._reduce_s = Histogram(
            "nadroute_reduce_seconds",
            "Duration of a review: reading verdicts and reducing them to states.",
            buckets=REDUCE_BUCKETS_S,
            registry=registry,
        )
        self._lock = threading.Lock()
        self._last_read: dict[Segment, ReadAt] = {}
        self._unwritten: dict[str, tuple[float, str]] = {}
        self._unwritten_read_at = float("-inf")

    def report(self, result: str) -> None:
        """Count a report; result: one of REPORTS."""
        self._reports.labels(result).inc()

    def verdicts(self, verdicts: Iterable[Verdict], changed: frozenset[Segment]) -> None:
        """Count reported verdicts; changed: the segments of which the store took any."""
        for verdict in verdicts:
            if verdict.fault is Fault.STOPPED:
                result = "stopped"
            else:
                result = "new" if verdict.segment in changed else "old"
            self._verdicts.labels(result).inc()

    def repeats(self, repeats: Repeats, confirmed: Confirmed) -> None:
        """Count repeated verdicts by what the store made of them."""
        repeated, unknown = len(confirmed.gaps_s), len(confirmed.unknown)
        self._verdicts.labels("repeated").inc(repeated)
        self._verdicts.labels("unknown").inc(unknown)
        self._verdicts.labels("old").inc(max(0, len(repeats.verdicts) - repeated - unknown))

    def wrote(self, error: ClusterError | None, seconds: float) -> None:
        """Count a patch and its duration; error: None where it was written."""
        self._write_s.observe(seconds)
        if isinstance(error, Conflict):
            self._conflicts.inc()
        else:
            self._writes.labels(_RESULTS.get(type(error), "failed")).inc()

    def reduced(self, seconds: float) -> None:
        """Observe the duration of a review."""
        self._reduce_s.observe(seconds)

    def verdicts_read(self, found: Mapping[Segment, SegmentVerdicts], now: float) -> None:
        """Keep what was read of these segments, for the gauges."""
        with self._lock:
            self._last_read |= {segment: ReadAt(now, verdicts) for segment, verdicts in found.items()}

    def last_read(self, *, since: float) -> dict[Segment, ReadAt]:
        """Return what was read since then; forget the rest."""
        with self._lock:
            self._last_read = {s: known for s, known in self._last_read.items() if known.at >= since}
            return dict(self._last_read)

    def records_read(self, records: Iterable[ConclusionRecord], now: float) -> None:
        """Keep the states that are not written to their networks, for the gauges; called in every review."""
        with self._lock:
            self._unwritten_read_at = now
            for record in records:
                if record.unwritten is None:
                    self._unwritten.pop(record.uid, None)
                else:
                    self._unwritten[record.uid] = (now, str(record.status.get("state", "")))

    def unwritten_states(self, *, within_s: float) -> dict[str, str]:
        """Return those states, by uid of the network.

        A state is forgotten once reviews have gone on for within_s without it.
        """
        with self._lock:
            since = self._unwritten_read_at - within_s
            self._unwritten = {uid: known for uid, known in self._unwritten.items() if known[0] >= since}
            return {uid: state for uid, (_, state) in self._unwritten.items()}
