"""The prober's metrics: requests, results and their times, and the uplinks.

Label values are this host's cluster networks and values of closed sets, never data from the network.
"""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.prober.engine.results import SegmentResult
from services.prober.frames.ignore_reasons import IgnoreReason

OFFER_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 20.0)
"""From a server on the same segment to one that pings an address for seconds before it offers it."""
RTT_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0)
REFUSALS = ("malformed", "wrong_host", "name_not_held", "unknown_cluster_network", "too_old")


class ProberMetrics:
    """Counters and histograms of a prober. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """registry: the metrics are registered here."""
        self._probes = Counter(
            "nadroute_probes",
            "Probed segments, by outcome: done, or the fault that prevented a result.",
            ["cluster_network", "outcome"],
            registry=registry,
        )
        self._dhcp = Counter(
            "nadroute_dhcp_asks",
            "DHCP exchanges, by outcome.",
            ["cluster_network", "outcome"],
            registry=registry,
        )
        self._checks = Counter(
            "nadroute_gateway_checks",
            "Gateway checks, by path and outcome.",
            ["cluster_network", "path", "outcome"],
            registry=registry,
        )
        self._offer_s = Histogram(
            "nadroute_dhcp_offer_seconds",
            "Time from the first DHCPDISCOVER to the first DHCPOFFER.",
            ["cluster_network"],
            buckets=OFFER_BUCKETS_S,
            registry=registry,
        )
        self._rtt_s = Histogram(
            "nadroute_gateway_rtt_seconds",
            "Round-trip time to the gateway.",
            ["path"],
            buckets=RTT_BUCKETS_S,
            registry=registry,
        )
        self._name_conflict = Gauge(
            "nadroute_host_name_conflict",
            "1 while another prober claims the same host name: this one waits for it, or that one does.",
            registry=registry,
        )
        self._in_flight = Gauge("nadroute_segments_in_flight", "Segments being probed.", registry=registry)
        self._requests = Counter("nadroute_requests_taken", "Accepted requests.", registry=registry)
        self._refused = Counter(
            "nadroute_requests_refused",
            "Refused requests, by reason.",
            ["reason"],
            registry=registry,
        )
        for reason in REFUSALS:
            self._refused.labels(reason)
        self._reported = Counter(
            "nadroute_verdicts_reported", "Verdicts sent to the updater.", registry=registry
        )
        self._waiting = Gauge("nadroute_verdicts_waiting", "Verdicts waiting to be sent.", registry=registry)
        self._lost = Counter(
            "nadroute_verdicts_lost", "Verdicts discarded because too many were waiting.", registry=registry
        )

    def host_name_conflict(self, conflict: bool) -> None:
        """Record whether another prober claims this host's name."""
        self._name_conflict.set(conflict)

    def request_taken(self) -> None:
        """Count an accepted request."""
        self._requests.inc()

    def segment_opened(self) -> None:
        """Count a segment that is submitted to the engine."""
        self._in_flight.inc()

    def segment_closed(self) -> None:
        """Count a segment whose result has arrived."""
        self._in_flight.dec()

    def request_refused(self, reason: str) -> None:
        """Count a refused request; reason: one of REFUSALS."""
        self._refused.labels(reason).inc()

    def segment_done(self, result: SegmentResult) -> None:
        """Count a segment's result by its outcomes, and observe its times."""
        network = result.cluster_network
        self._probes.labels(network, "done" if result.fault is None else result.fault.value).inc()
        if result.dhcp is not None:
            self._dhcp.labels(network, result.dhcp.outcome.value).inc()
            if result.dhcp.offers:
                self._offer_s.labels(network).observe(result.dhcp.elapsed_s)
        for target in result.targets:
            for path, reached in (
                ("vlan", target.vlan),
                ("routed", target.routed),
                ("echo", target.echo),
            ):
                self._checks.labels(network, path, reached.outcome.value).inc()
                if reached.rtt_s is not None:
                    self._rtt_s.labels(path).observe(reached.rtt_s)

    def verdicts_sent(self, verdicts: int, *, waiting: int) -> None:
        """Count sent verdicts, and set the number of those waiting."""
        self._reported.inc(verdicts)
        self._waiting.set(waiting)

    def verdicts_discarded(self, verdicts: int) -> None:
        """Count discarded verdicts."""
        self._lost.inc(verdicts)


class UplinkCollector(Collector):
    """Reads the uplinks' state and the frame counters at each scrape."""

    def __init__(
        self,
        uplinks: Callable[[], Mapping[str, str]],
        *,
        is_up: Callable[[str], bool],
        dropped_frames: Callable[[], Mapping[str, int]],
        ignored_frames: Callable[[], Mapping[IgnoreReason, int]],
        paused: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        """uplinks: returns the current interface of each cluster network.

        is_up: whether an interface is up; raises OSError when that is unknown.

        dropped_frames: returns the frames dropped by the kernel since the start, by cluster network.

        ignored_frames: returns the frames ignored by the engine since the start, by reason.

        paused: returns the cluster networks that are in maintenance on this host.
        """
        self._uplinks = uplinks
        self._is_up = is_up
        self._dropped_frames = dropped_frames
        self._ignored_frames = ignored_frames
        self._paused = paused

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        up = GaugeMetricFamily(
            "nadroute_uplink_up",
            "1 while the uplink exists, is up and has carrier.",
            labels=["cluster_network"],
        )
        for network, interface in self._uplinks().items():
            try:
                up.add_metric([network], float(self._is_up(interface)))
            except OSError:
                # Unknown is not down.
                continue
        dropped = CounterMetricFamily(
            "nadroute_frames_dropped",
            "Frames dropped by the kernel because the prober did not read them in time.",
            labels=["cluster_network"],
        )
        for network, frames in self._dropped_frames().items():
            dropped.add_metric([network], frames)
        ignored = CounterMetricFamily(
            "nadroute_frames_ignored",
            "Received frames that the prober ignored, by reason.",
            labels=["reason"],
        )
        for reason, frames in self._ignored_frames().items():
            ignored.add_metric([reason.value], frames)
        maintenance = GaugeMetricFamily(
            "nadroute_maintenance",
            "1 while the cluster network is in maintenance on this host.",
            labels=["cluster_network"],
        )
        paused = self._paused()
        for network in self._uplinks():
            maintenance.add_metric([network], float(network in paused))
        return [up, dropped, ignored, maintenance]
