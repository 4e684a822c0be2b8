"""What a watch on networks tells of itself."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.cluster.tracking import NetworkListener
from services.network.parse.nad import Network, NetworkRef


class WatchMetrics:
    """Counters of one watch, in the registry that is passed in."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Without a registry they are told to nobody."""
        registry = registry or CollectorRegistry()
        self._events = Counter(
            "nadroute_watch_events",
            "Networks that the watch told of: new, changed or gone.",
            ["event"],
            registry=registry,
        )
        self._failures = Counter(
            "nadroute_watch_failures",
            "Lists and watches that failed, by the kind of error.",
            ["kind"],
            registry=registry,
        )
        self._synced = Gauge("nadroute_watch_synced", "1 once all networks were listed.", registry=registry)

    def counting(self, listener: NetworkListener) -> NetworkListener:
        """The listener, with its calls counted."""
        return _Counting(listener, self._events)

    def failed(self, error: Exception) -> None:
        """A request ended with this."""
        self._failures.labels(type(error).__name__).inc()

    def synced(self) -> None:
        """The listener knows of all networks."""
        self._synced.set(1)


class _Counting:
    """A NetworkListener in front of another."""

    def __init__(self, inner: NetworkListener, events: Counter) -> None:
        self._inner = inner
        self._upserted = events.labels("upserted")
        self._deleted = events.labels("deleted")

    def upserted(self, network: Network) -> None:
        self._upserted.inc()
        self._inner.upserted(network)

    def deleted(self, ref: NetworkRef, uid: str) -> None:
        self._deleted.inc()
        self._inner.deleted(ref, uid)
