"""The watcher's metrics: what it knows, what it sends, and whether it keeps up."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.contract.messages import ProbeRequest

OTHER = "other"


class BoundedLabel:
    """A label with a bounded number of values: further ones become "other". Not thread-safe."""

    def __init__(self, limit: int = 1_000) -> None:
        self._limit = limit
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        """Return the label of a value."""
        if value not in self._known and len(self._known) >= self._limit:
            return OTHER
        self._known.add(value)
        return value


class WatcherMetrics:
    """Gauges and counters in the registry that is passed in, for the one thread that decides."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._size = {
            name: Gauge(f"nadroute_{name}", text, registry=registry)
            for name, text in (
                ("networks", "Probed networks."),
                ("segments", "Segments of the probed networks."),
                ("hosts", "Announced hosts."),
            )
        }
        self._due_lag = Gauge(
            "nadroute_due_lag_seconds",
            "How long the most overdue probe has been due.",
            registry=registry,
        )
        self._paused = Gauge(
            "nadroute_paused", "1 while probing is paused by an operator.", registry=registry
        )
        self._requests = Counter(
            "nadroute_requests_sent", "Requests sent to a host's queue.", ["host"], registry=registry
        )
        self._segments = Counter(
            "nadroute_segments_sent", "Segments in those requests.", ["host", "dhcp"], registry=registry
        )
        self._covered = Counter(
            "nadroute_probes_covered",
            "Due probes not sent because an outstanding request includes them.",
            registry=registry,
        )
        self._postponed = Counter(
            "nadroute_probes_postponed",
            "Probes sent later than due because of the limit of frames on their cluster network (`pace`).",
            registry=registry,
        )
        self._postponed_until_now = 0
        self._failures = Counter(
            "nadroute_send_failures", "Failed attempts to send requests.", registry=registry
        )
        self._host = BoundedLabel()

    def iterated(self, size: Mapping[str, int], *, postponed: int, lag_s: float, paused: bool) -> None:
        """Record one iteration of the loop. size, postponed: as Schedule has them; lag_s: see
        nadroute_due_lag_seconds."""
        for name, gauge in self._size.items():
            gauge.set(size[name])
        self._due_lag.set(max(0.0, lag_s))
        self._paused.set(paused)
        self._postponed.inc(postponed - self._postponed_until_now)
        self._postponed_until_now = postponed

    def sent(self, requests: Iterable[ProbeRequest], *, covered: int) -> None:
        """Count sent requests, and due probes covered by outstanding ones."""
        for request in requests:
            host = self._host(request.host)
            asking = sum(probe.ask_dhcp for probe in request.segments)
            self._requests.labels(host).inc()
            self._segments.labels(host, "asked").inc(asking)
            self._segments.labels(host, "not_asked").inc(len(request.segments) - asking)
        self._covered.inc(covered)

    def not_sent(self) -> None:
        """Count a failed attempt to send."""
        self._failures.inc()
