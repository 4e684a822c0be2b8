"""Metrics of a watch on networks, and of Events."""

from prometheus_client import CollectorRegistry, Counter, Gauge

EVENTS = ("posted", "failed", "limited", "dropped")


class WatchMetrics:
    """Counters of one watch, in the registry that is passed in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            "nadroute_watch_events",
            "Networks reported by the watch: upserted or deleted.",
            ["event"],
            registry=registry,
        )
        for event in ("upserted", "deleted"):
            self._events.labels(event)
        self._failures = Counter(
            "nadroute_watch_failures",
            "Failed lists and watches by kind of error.",
            ["kind"],
            registry=registry,
        )
        self._synced = Gauge("nadroute_watch_synced", "1 once all networks are listed.", registry=registry)

    def upserted(self) -> None:
        """Count a new network or version."""
        self._events.labels("upserted").inc()

    def deleted(self) -> None:
        """Count a network that is gone."""
        self._events.labels("deleted").inc()

    def failed(self, error: Exception) -> None:
        """Count a failed list or watch."""
        self._failures.labels(type(error).__name__).inc()

    def synced(self) -> None:
        """Record that the listener knows all networks."""
        self._synced.set(1)


class EventMetrics:
    """Counters of Events, in the registry that is passed in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            "nadroute_events",
            "Kubernetes Events: posted, failed after all tries, beyond one network's limit, or dropped.",
            ["result"],
            registry=registry,
        )
        for result in EVENTS:
            self._events.labels(result)

    def handled(self, result: str) -> None:
        """Count an Event; result: one of EVENTS."""
        self._events.labels(result).inc()
