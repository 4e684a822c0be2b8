"""What the updater counts: reports, verdicts, writes and Events."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

from services.cluster.errors import ClusterError, Conflict, Denied, NotFound, Throttled
from services.contract.messages import Segment, Verdict
from services.contract.outcomes import Fault

REDUCE_BUCKETS_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
WRITE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
REPORTS = ("taken", "refused", "lost")
VERDICTS = ("new", "old", "stopped")
WRITES = ("written", "denied", "gone", "throttled", "failed")


class UpdaterMetrics:
    """Counters in the registry that is passed in. Safe to share by threads."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Without a registry they are told to nobody."""
        registry = registry or CollectorRegistry()
        self._reports = Counter(
            "nadroute_reports",
            "Reports from probers: taken, refused as no report, or lost since Redis was away.",
            ["result"],
            registry=registry,
        )
        self._verdicts = Counter(
            "nadroute_verdicts",
            "Verdicts in those reports: new, no newer than what is known, or of a probe that was stopped.",
            ["result"],
            registry=registry,
        )
        self._writes = Counter(
            "nadroute_writes",
            "Patches of networks, by what became of them. A conflict is counted apart.",
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
            "Patches that somebody else's write came before, so that it was decided again.",
            registry=registry,
        )
        self._write_s = Histogram(
            "nadroute_write_seconds",
            "How long a patch took, whatever became of it.",
            buckets=WRITE_BUCKETS_S,
            registry=registry,
        )
        self._events = Counter(
            "nadroute_events",
            "Kubernetes Events, by whether they were posted.",
            ["result"],
            registry=registry,
        )
        self._reduce_s = Histogram(
            "nadroute_reduce_seconds",
            "How long one look took: reading verdicts and reducing them to states.",
            buckets=REDUCE_BUCKETS_S,
            registry=registry,
        )

    def report(self, result: str) -> None:
        """A report came; result: one of REPORTS."""
        self._reports.labels(result).inc()

    def verdicts(self, verdicts: Iterable[Verdict], changed: frozenset[Segment]) -> None:
        """These came; changed: the segments of which any was new."""
        for verdict in verdicts:
            if verdict.fault is Fault.STOPPED:
                result = "stopped"
            else:
                result = "new" if verdict.segment in changed else "old"
            self._verdicts.labels(result).inc()

    def wrote(self, error: ClusterError | None, seconds: float) -> None:
        """A patch ended so; error: None where it was written."""
        self._write_s.observe(seconds)
        if isinstance(error, Conflict):
            self._conflicts.inc()
        else:
            self._writes.labels(_result(error)).inc()

    def posted(self, error: ClusterError | None) -> None:
        """An Event was posted, or was not."""
        self._events.labels("posted" if error is None else "failed").inc()

    def reduced(self, seconds: float) -> None:
        """One look at networks took so long."""
        self._reduce_s.observe(seconds)


def _result(error: ClusterError | None) -> str:
    match error:
        case None:
            return "written"
        case Denied():
            return "denied"
        case NotFound():
            return "gone"
        case Throttled():
            return "throttled"
        case _:
            return "failed"
