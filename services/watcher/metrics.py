"""What the watcher tells of itself: what it knows, what it sends, and whether it keeps up."""

import threading
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.contract.messages import ProbeRequest

OTHER = "other"


class BoundedLabel:
    """A label with a bounded number of values: further ones become "other". Thread-safe."""

    def __init__(self, limit: int = 1_000) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        """Return the label of a value."""
        with self._lock:
            if value in self._known:
                return value
            if len(self._known) >= self._limit:
                return OTHER
            self._known.add(value)
            return value


class WatcherMetrics:
    """Gauges and counters in the registry that is passed in."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Without a registry they are told to nobody."""
        registry = registry or CollectorRegistry()
        self._size = {
            name: Gauge(f"nadroute_{name}", text, registry=registry)
            for name, text in (
                ("networks", "Networks that are probed."),
                ("segments", "Segments that those networks are on."),
                ("hosts", "Hosts that are announced."),
            )
        }
        self._due_lag = Gauge(
            "nadroute_due_lag_seconds",
            "For how long the probe that is due the longest has been due.",
            registry=registry,
        )
        self._leader = Gauge(
            "nadroute_leader", "1 on the watcher that sends, 0 on one that stands by.", registry=registry
        )
        self._paused = Gauge(
            "nadroute_paused", "1 while an operator has paused all probing.", registry=registry
        )
        self._requests = Counter(
            "nadroute_requests_sent", "Requests put on a host's queue.", ["host"], registry=registry
        )
        self._segments = Counter(
            "nadroute_segments_sent", "Segments in those requests.", ["host", "dhcp"], registry=registry
        )
        self._covered = Counter(
            "nadroute_probes_covered",
            "Probes that were due and not sent, since one like it was on its way.",
            registry=registry,
        )
        self._failures = Counter(
            "nadroute_send_failures", "Times that Redis took no requests.", registry=registry
        )
        self._host = BoundedLabel()

    def looked(self, size: Mapping[str, int], *, lag_s: float, leads: bool, paused: bool = False) -> None:
        """One turn of the loop. size: as Schedule.size; lag_s: see nadroute_due_lag_seconds."""
        for name, gauge in self._size.items():
            gauge.set(size[name])
        self._due_lag.set(max(0.0, lag_s))
        self._leader.set(leads)
        self._paused.set(paused)

    def sent(self, requests: Iterable[ProbeRequest], *, covered: int) -> None:
        """These are on their hosts' queues; of so many more one is on its way already."""
        for request in requests:
            host = self._host(request.host)
            asking = sum(probe.ask_dhcp for probe in request.segments)
            self._requests.labels(host).inc()
            self._segments.labels(host, "asked").inc(asking)
            self._segments.labels(host, "not_asked").inc(len(request.segments) - asking)
        self._covered.inc(covered)

    def not_sent(self) -> None:
        """Redis took nothing."""
        self._failures.inc()
