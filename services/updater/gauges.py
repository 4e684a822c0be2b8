"""What is true of the networks just now, as metrics: each network's state, each host's view of a gateway.

Made when they are asked for, so that no series outlives what it is about. Their number is bounded: there may
be thousands of networks, and tens of hosts look at each.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.contract.messages import Segment
from services.contract.outcomes import ReachOutcome, State
from services.network.parse.nad import NetworkRef
from services.runtime.clock import Clock
from services.updater.observing import ObservedStore, ReadAt, ToldStates

NOT_TOLD = "NotTold"
"""The state of a network of which nothing is told: it is not ours, or nothing is known yet."""
SLACK_S = 30.0
CALM = frozenset({State.ACTIVE.value, State.IGNORED.value, State.DISABLED.value, ""})


class NetworkGauges(Collector):
    """A collector over what the updater last saw."""

    def __init__(
        self,
        states: ToldStates,
        store: ObservedStore,
        clock: Clock,
        *,
        look_interval_s: float,
        fresh_s: float,
        max_series: int,
    ) -> None:
        """look_interval_s: between two looks at all networks. max_series: for each metric that can grow."""
        self._states = states
        self._store = store
        self._clock = clock
        self._within_s = 3 * look_interval_s + SLACK_S
        self._fresh_s = fresh_s
        self._max_series = max_series

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        states = self._states.states(within_s=self._within_s)
        known = self._store.last_read(within_s=self._within_s)
        shown_states, states_left = self._network_states(states)
        shown_gateways, gateways_left = self._gateways(known)
        omitted = GaugeMetricFamily(
            "nadroute_series_omitted",
            "Series of a metric that are not told, since there would be too many.",
            labels=["metric"],
        )
        omitted.add_metric([shown_states.name], states_left)
        omitted.add_metric([shown_gateways.name], gateways_left)
        return [_by_state(states), shown_states, shown_gateways, self._ages(known), omitted]

    def _network_states(self, states: Mapping[NetworkRef, str]) -> tuple[Metric, int]:
        family = GaugeMetricFamily(
            "nadroute_network_state",
            "1 for the state that is told of the network.",
            labels=["namespace", "name", "state"],
        )
        # Where not all find room, those do of which something is the matter.
        ordered = sorted(states.items(), key=lambda item: (item[1] in CALM, item[0]))
        told = [(ref, state) for ref, state in ordered if state]
        for ref, state in told[: self._max_series]:
            family.add_metric([ref.namespace, ref.name, state], 1)
        return family, max(0, len(told) - self._max_series)

    def _gateways(self, known: Mapping[Segment, ReadAt]) -> tuple[Metric, int]:
        family = GaugeMetricFamily(
            "nadroute_gateway_reachable",
            "1 where the gateway answered this host last time, 0 where it was silent.",
            labels=["host", "cluster_network", "vlan", "path"],
        )
        found: dict[tuple[str, str, str, str], bool] = {}
        now = self._clock.monotonic()
        for segment, (at, verdicts) in known.items():
            for seen in verdicts.latest:
                if seen.age_s + now - at >= self._fresh_s:
                    continue
                for target in seen.verdict.targets:
                    for path, reach in (("vlan", target.vlan), ("routed", target.routed)):
                        if reach.outcome in (ReachOutcome.REACHABLE, ReachOutcome.SILENT):
                            key = (seen.verdict.host, segment.cluster_network, str(segment.vlan), path)
                            # Of several gateways on one segment, one that is silent shows.
                            answers = reach.outcome is ReachOutcome.REACHABLE
                            found[key] = found.get(key, True) and answers
        ordered = sorted(found.items(), key=lambda item: (item[1], item[0]))
        for key, reachable in islice(ordered, self._max_series):
            family.add_metric(key, float(reachable))
        return family, max(0, len(found) - self._max_series)

    def _ages(self, known: Mapping[Segment, ReadAt]) -> Metric:
        family = GaugeMetricFamily(
            "nadroute_verdict_age_seconds",
            "Since this host's newest verdict, on any segment.",
            labels=["host"],
        )
        now = self._clock.monotonic()
        newest: dict[str, float] = {}
        for at, verdicts in known.values():
            for seen in verdicts.latest:
                age_s = seen.age_s + now - at
                newest[seen.verdict.host] = min(age_s, newest.get(seen.verdict.host, age_s))
        for host, age_s in islice(sorted(newest.items()), self._max_series):
            family.add_metric([host], age_s)
        return family


def _by_state(states: Mapping[NetworkRef, str]) -> Metric:
    family = GaugeMetricFamily(
        "nadroute_networks_in_state", "Networks by the state that is told of them.", labels=["state"]
    )
    told: Sequence[str] = [state or NOT_TOLD for state in states.values()]
    for state in (*(state.value for state in State), NOT_TOLD):
        family.add_metric([state], told.count(state))
    return family
