"""Gauges about the networks: each one's state, and each host's view of a gateway.

Computed at scrape time, so that no series outlives its network. Their number is bounded: there may be
thousands of networks, each seen by tens of hosts.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from heapq import nsmallest
from itertools import islice

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.contract.causes import CausesRecord
from services.contract.messages import Segment
from services.contract.outcomes import CALM_STATES, ReachOutcome, State
from services.contract.verdicts import SegmentVerdicts
from services.network.parse.nad import Network, NetworkRef
from services.updater.cause_gauges import cause_networks, explained_networks
from services.updater.metrics import UpdaterMetrics
from services.updater.open_windows import Windows

NO_STATE = "NotTold"
"""The state of a network without one: it is not ours, or nothing is known yet."""


class NetworkGauges(Collector):
    """A collector over the networks and the verdicts that the updater knows."""

    def __init__(
        self,
        networks: Callable[[], Collection[Network]],
        verdicts: Callable[[], Iterable[tuple[Segment, SegmentVerdicts]]],
        metrics: UpdaterMetrics,
        *,
        windows: Callable[[], Windows],
        causes: Callable[[], CausesRecord] = CausesRecord,
        fresh_s: Callable[[str], float],
        max_series: int,
    ) -> None:
        """windows: returns the maintenance windows that are open. causes: returns what is known of them.
        fresh_s: returns the age from which a verdict on a cluster network does not count.
        max_series: limit per unbounded metric."""
        self._networks = networks
        self._verdicts = verdicts
        self._metrics = metrics
        self._windows = windows
        self._causes = causes
        self._fresh_s = fresh_s
        self._max_series = max_series

    def collect(self) -> Iterable[Metric]:
        """Compute all gauges; see Collector."""
        states = self.states()
        shown_states, states_left = self._network_states(states)
        shown_gateways, ages, gateways_left = self._gateways()
        explained, explained_left = explained_networks(self._causes(), self._max_series)
        omitted = GaugeMetricFamily(
            "nadroute_series_omitted",
            "Series of a metric that are not exported because they exceed the limit.",
            labels=["metric"],
        )
        omitted.add_metric([shown_states.name], states_left)
        omitted.add_metric([shown_gateways.name], gateways_left)
        omitted.add_metric([explained.name], explained_left)
        return [
            _by_state(states),
            shown_states,
            shown_gateways,
            ages,
            self._in_maintenance(),
            cause_networks(self._causes()),
            explained,
            omitted,
        ]

    def states(self) -> dict[NetworkRef, str]:
        """Return each network's state, written or not; empty where it has none."""
        unwritten = self._metrics.unwritten_states()
        found = {}
        for network in self._networks():
            if network.uid in unwritten:
                found[network.ref] = unwritten[network.uid]
            else:
                found[network.ref] = "" if network.status is None else network.status.state
        return found

    def _network_states(self, states: Mapping[NetworkRef, str]) -> tuple[Metric, int]:
        family = GaugeMetricFamily(
            "nadroute_network_state",
            "1 for the network's reported state.",
            labels=["namespace", "name", "state"],
        )
        # Networks with a problem come first, in case not all fit.
        ordered = sorted(states.items(), key=lambda item: (not item[1] or item[1] in CALM_STATES, item[0]))
        reported = [(ref, state) for ref, state in ordered if state]
        for ref, state in reported[: self._max_series]:
            family.add_metric([ref.namespace, ref.name, state], 1)
        return family, max(0, len(reported) - self._max_series)

    def _gateways(self) -> tuple[Metric, Metric, int]:
        """Return what each host sees of the gateways, the ages, and how many of the former are left out."""
        family = GaugeMetricFamily(
            "nadroute_gateway_reachable",
            "1 where the gateway answered this host's last probe, 0 where it was silent.",
            labels=["host", "cluster_network", "vlan", "path"],
        )
        newest: dict[str, float] = {}
        count = 0

        def counted() -> Iterator[tuple[bool, tuple[str, str, str, str]]]:
            nonlocal count
            for each in self._answers(newest):
                count += 1
                yield each

        found = counted()
        for reachable, key in nsmallest(self._max_series, found):
            family.add_metric(key, float(reachable))
        # With a limit of 0 nothing was asked for.
        deque(found, maxlen=0)
        return family, self._ages(newest), max(0, count - self._max_series)

    def _answers(self, newest: dict[str, float]) -> Iterator[tuple[bool, tuple[str, str, str, str]]]:
        """Yield whether a gateway answered, by host, cluster network, VLAN and path. Fills in newest.

        Segment by segment: tens of hosts see thousands.
        """
        windows = self._windows()
        for segment, verdicts in self._verdicts():
            limit_s, vlan = self._fresh_s(segment.cluster_network), str(segment.vlan)
            found: dict[tuple[str, str], bool] = {}
            for seen in verdicts.latest:
                host = seen.verdict.host
                # In maintenance it is not asked there, so that its silence says nothing.
                if not windows.is_open(host, segment.cluster_network):
                    newest[host] = min(seen.age_s, newest.get(host, seen.age_s))
                if seen.age_s >= limit_s:
                    continue
                for target in seen.verdict.targets:
                    for path, reach in (("vlan", target.vlan), ("routed", target.routed)):
                        if reach.outcome in (ReachOutcome.REACHABLE, ReachOutcome.SILENT):
                            # Of several gateways on a segment, one silent gateway makes it 0.
                            answers = reach.outcome is ReachOutcome.REACHABLE
                            found[host, path] = found.get((host, path), True) and answers
            for (host, path), answers in found.items():
                yield answers, (host, segment.cluster_network, vlan, path)

    def _ages(self, newest: Mapping[str, float]) -> Metric:
        family = GaugeMetricFamily(
            "nadroute_verdict_age_seconds",
            "Age of this host's newest verdict on any segment that is not in maintenance there.",
            labels=["host"],
        )
        for host, age_s in islice(sorted(newest.items()), self._max_series):
            family.add_metric([host], age_s)
        return family

    def _in_maintenance(self) -> Metric:
        family = GaugeMetricFamily(
            "nadroute_host_maintenance", "1 while this host is in maintenance as a whole.", labels=["host"]
        )
        for host in islice(self._windows().hosts(), self._max_series):
            family.add_metric([host], 1)
        return family


def _by_state(states: Mapping[NetworkRef, str]) -> Metric:
    family = GaugeMetricFamily("nadroute_networks_in_state", "Networks by reported state.", labels=["state"])
    reported: Sequence[str] = [state or NO_STATE for state in states.values()]
    for state in (*(state.value for state in State), NO_STATE):
        family.add_metric([state], reported.count(state))
    return family
