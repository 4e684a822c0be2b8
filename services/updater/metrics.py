"""The updater's counters and histograms, and which states are not written, for the gauges."""

import threading
from collections.abc import Iterable, Mapping
from types import NoneType

from prometheus_client import CollectorRegistry, Counter, Histogram

from services.cluster.errors import ClusterError, Conflict, Denied, NotFound, Throttled
from services.contract.conclusions import ConclusionRecord
from services.contract.messages import Segment, Verdict
from services.contract.outcomes import Fault
from services.contract.reports import Repeats
from services.contract.verdicts import Confirmed

REDUCE_BUCKETS_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
WRITE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
REPORTS = ("taken", "refused", "lost")
VERDICTS = ("new", "old", "stopped", "repeated", "unknown")
IGNORED = ("announcement", "report_time", "own_network")
WRITES = ("written", "denied", "gone", "throttled", "failed")
_RESULTS: Mapping[type, str] = {
    NoneType: "written",
    Denied: "denied",
    NotFound: "gone",
    Throttled: "throttled",
}


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
        self._ignored = Counter(
            "nadroute_announcements_ignored",
            "What hosts announce and is not believed, when that begins: an announcement, the time to report, "
            "a network as a host's own.",
            ["kind"],
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
            (self._ignored, IGNORED),
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
            "Duration of a review of the networks that something has touched.",
            buckets=REDUCE_BUCKETS_S,
            registry=registry,
        )
        self._differences = Counter(
            "nadroute_review_differences",
            "Networks of which the hourly review of all found something new that nothing had touched. "
            "Expected is 0: anything else is a bug.",
            registry=registry,
        )
        self._lock = threading.Lock()
        self._unwritten: dict[str, str] = {}

    def report(self, result: str) -> None:
        """Count a report; result: one of REPORTS."""
        self._reports.labels(result).inc()

    def ignored(self, kind: str) -> None:
        """Count what is not believed of an announcement; kind: one of IGNORED."""
        self._ignored.labels(kind).inc()

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

    def review_differed(self, count: int) -> None:
        """Count networks that only the review of all found changed."""
        self._differences.inc(count)

    def records_read(self, records: Iterable[ConclusionRecord]) -> None:
        """Keep the states that are not written to their networks, for the gauges; called in every review."""
        with self._lock:
            for record in records:
                if record.unwritten is None:
                    self._unwritten.pop(record.uid, None)
                else:
                    self._unwritten[record.uid] = str(record.status.get("state", ""))

    def forget(self, uid: str) -> None:
        """Forget a network that is gone."""
        with self._lock:
            self._unwritten.pop(uid, None)

    def unwritten_states(self) -> dict[str, str]:
        """Return those states, by uid of the network."""
        with self._lock:
            return dict(self._unwritten)
