"""What a prober tells of itself: what it was asked, what it found and how fast, and how its uplinks are.

Labels are this host's own: its cluster networks, and the outcomes of the contract. Nothing that came from the
network is a label.
"""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.prober.engine.results import SegmentResult

OFFER_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 20.0)
"""From a server beside us to one that pings an address for seconds before it offers it."""
RTT_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0)
REFUSALS = ("malformed", "wrong_host", "unknown_cluster_network", "too_old")


class ProberMetrics:
    """Counters and histograms in the registry that is passed in. Safe to share by threads."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Without a registry they are told to nobody."""
        registry = registry or CollectorRegistry()
        self._probes = Counter(
            "nadroute_probes",
            "Segments that were probed; outcome: done, or the fault for which nothing could be told.",
            ["cluster_network", "outcome"],
            registry=registry,
        )
        self._dhcp = Counter(
            "nadroute_dhcp_asks",
            "Segments on which DHCP was asked, by what came of it.",
            ["cluster_network", "outcome"],
            registry=registry,
        )
        self._checks = Counter(
            "nadroute_gateway_checks",
            "Gateways that were asked: by ARP on the VLAN, by ICMP echo through routing.",
            ["cluster_network", "path", "outcome"],
            registry=registry,
        )
        self._offer_s = Histogram(
            "nadroute_dhcp_offer_seconds",
            "From the first DHCPDISCOVER to the first DHCPOFFER.",
            ["cluster_network"],
            buckets=OFFER_BUCKETS_S,
            registry=registry,
        )
        self._rtt_s = Histogram(
            "nadroute_gateway_rtt_seconds",
            "From a question to the gateway's answer.",
            ["path"],
            buckets=RTT_BUCKETS_S,
            registry=registry,
        )
        self._in_flight = Gauge(
            "nadroute_segments_in_flight", "Segments that are being probed.", registry=registry
        )
        self._requests = Counter("nadroute_requests_taken", "Requests that were begun.", registry=registry)
        self._refused = Counter(
            "nadroute_requests_refused",
            "Requests that were not begun, by why.",
            ["reason"],
            registry=registry,
        )
        for reason in REFUSALS:
            self._refused.labels(reason)
        self._reported = Counter(
            "nadroute_verdicts_reported", "Verdicts that were sent to the updater.", registry=registry
        )
        self._waiting = Gauge(
            "nadroute_verdicts_waiting", "Verdicts that wait until Redis takes them.", registry=registry
        )
        self._lost = Counter(
            "nadroute_verdicts_lost", "Verdicts given up, since too many waited.", registry=registry
        )

    def taken(self) -> None:
        """A request is being begun."""
        self._requests.inc()

    def begun(self) -> None:
        """A segment is in hand."""
        self._in_flight.inc()

    def ended(self) -> None:
        """It is not any more."""
        self._in_flight.dec()

    def refused(self, reason: str) -> None:
        """A request is dropped; reason: one of REFUSALS."""
        self._refused.labels(reason).inc()

    def found(self, finding: SegmentResult) -> None:
        """This is what was found on a segment."""
        network = finding.cluster_network
        self._probes.labels(network, "done" if finding.fault is None else finding.fault.value).inc()
        if finding.dhcp is not None:
            self._dhcp.labels(network, finding.dhcp.outcome.value).inc()
            if finding.dhcp.offers:
                self._offer_s.labels(network).observe(finding.dhcp.elapsed_s)
        for target in finding.targets:
            for path, reached in (
                ("vlan", target.vlan),
                ("routed", target.routed),
                ("echo", target.echo),
            ):
                self._checks.labels(network, path, reached.outcome.value).inc()
                if reached.rtt_s is not None:
                    self._rtt_s.labels(path).observe(reached.rtt_s)

    def reported(self, verdicts: int, *, waiting: int) -> None:
        """So many were sent, and so many wait."""
        self._reported.inc(verdicts)
        self._waiting.set(waiting)

    def lost(self, verdicts: int) -> None:
        """So many were given up."""
        self._lost.inc(verdicts)


class UplinkCollector(Collector):
    """Asks the kernel when it is asked itself, so that what is told is never old."""

    def __init__(
        self,
        uplinks: Callable[[], Mapping[str, str]],
        *,
        is_up: Callable[[str], bool],
        dropped_frames: Callable[[], Mapping[str, int]],
    ) -> None:
        """uplinks: cluster network to interface, as it is now.

        is_up: of an interface; OSError where nobody can say.

        dropped_frames: cluster network to frames that the kernel dropped since the start.
        """
        self._uplinks = uplinks
        self._is_up = is_up
        self._dropped_frames = dropped_frames

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        up = GaugeMetricFamily(
            "nadroute_uplink_up",
            "1 while the uplink is there, set up and has a carrier.",
            labels=["cluster_network"],
        )
        for network, interface in self._uplinks().items():
            try:
                up.add_metric([network], float(self._is_up(interface)))
            except OSError:
                # No answer is no "down".
                continue
        dropped = CounterMetricFamily(
            "nadroute_frames_dropped",
            "Frames that the kernel dropped, since this process did not take them in time.",
            labels=["cluster_network"],
        )
        for network, frames in self._dropped_frames().items():
            dropped.add_metric([network], frames)
        return [up, dropped]
