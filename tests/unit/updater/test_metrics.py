"""What the updater counts, and what it says is so just now."""

from dataclasses import replace

from prometheus_client import CollectorRegistry

from services.contract.messages import Segment
from services.contract.outcomes import Fault, ReachOutcome
from services.network.parse.status import Status
from services.updater.gauges import NetworkGauges
from services.updater.metrics import UpdaterMetrics
from tests.support.manual_clock import ManualClock
from tests.unit.network.builders import verdict
from tests.unit.runtime.registries import gauges, told

DIGEST = "0" * 16


def values(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    """A metric's samples, by their labels' values in the labels' order."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def test_verdicts_are_new_old_or_stopped() -> None:
    """By the segments of which the store said that something was new."""
    registry = CollectorRegistry()
    new, old = verdict(DIGEST), verdict(DIGEST, segment=Segment(cluster_network="extra", vlan=9))
    UpdaterMetrics(registry).verdicts(
        [new, old, verdict(DIGEST, fault=Fault.STOPPED)], frozenset({new.segment})
    )
    assert values(registry, "nadroute_verdicts_total") == {("new",): 1, ("old",): 1, ("stopped",): 1}


def test_each_network_is_in_one_state_and_every_state_is_told() -> None:
    """A state that no network is in counts 0; a network of which nothing is told has no series of its own."""
    registry = CollectorRegistry()
    networks = [told("a", "Active"), told("b", "Partial"), told("c", None)]
    registry.register(gauges(ManualClock(), networks, []))
    assert values(registry, "nadroute_network_state") == {
        ("a", "default", "Active"): 1,
        ("b", "default", "Partial"): 1,
    }
    by_state = values(registry, "nadroute_networks_in_state")
    assert {labels[0] for labels, count in by_state.items() if count} == {"Active", "Partial", "NotTold"}
    assert by_state["Unreachable",] == 0


def test_a_status_posted_by_an_event_counts_while_reviews_read_it() -> None:
    """It takes precedence over the annotation, and is forgotten when later reviews do not read it again."""
    clock, metrics, network = ManualClock(), UpdaterMetrics(), told("a", "Active")
    found = NetworkGauges(
        lambda: [network], metrics, clock, review_interval_s=5.0, fresh_s=600.0, max_series=1
    )
    metrics.statuses_read({network.uid: Status("Invalid", "BadRoute")}, clock.monotonic())
    clock.seconds += 100
    assert found.states() == {network.ref: "Invalid"}, "no review has run since"
    metrics.statuses_read({}, clock.monotonic())
    assert found.states() == {network.ref: "Active"}


def test_a_gateway_as_each_host_sees_it() -> None:
    """1 where it answered, 0 where it was silent, nothing where nobody can say; one silent of two shows."""
    registry = CollectorRegistry()
    silent, inconclusive = ReachOutcome.SILENT, ReachOutcome.INCONCLUSIVE
    down, up = verdict(DIGEST, host="node3", vlan=silent), verdict(DIGEST, host="node4")
    both = [
        one.model_copy(update={"targets": one.targets + other.targets})
        for one, other in ((down, up), (up, down))
    ]
    registry.register(
        gauges(
            ManualClock(),
            [],
            [verdict(DIGEST, vlan=silent), verdict(DIGEST, host="node2", routed=inconclusive), *both],
        )
    )
    assert values(registry, "nadroute_gateway_reachable") == {
        ("extra", "node1", "vlan", "100"): 0,
        ("extra", "node1", "routed", "100"): 1,
        ("extra", "node2", "vlan", "100"): 1,
        ("extra", "node3", "vlan", "100"): 0,
        ("extra", "node3", "routed", "100"): 1,
        ("extra", "node4", "vlan", "100"): 0,
        ("extra", "node4", "routed", "100"): 1,
    }


def test_what_is_too_old_is_not_told() -> None:
    """A verdict that no longer counts makes no gauge; what was not read again is forgotten."""
    clock, registry = ManualClock(), CollectorRegistry()
    registry.register(gauges(clock, [], [verdict(DIGEST)], fresh_s=20))
    clock.seconds += 18
    assert values(registry, "nadroute_gateway_reachable")
    clock.seconds += 12
    assert values(registry, "nadroute_gateway_reachable") == {}
    assert values(registry, "nadroute_verdict_age_seconds") == {("node1",): 31}
    clock.seconds += 16
    assert values(registry, "nadroute_verdict_age_seconds") == {}


def test_too_many_series_are_not_told_and_that_is() -> None:
    """The limit holds for each metric; those of which something is the matter come first."""
    registry = CollectorRegistry()
    networks = [told(f"n{n}", "Active") for n in range(5)] + [told("z", "Unreachable")]
    verdicts = [
        verdict(DIGEST, segment=Segment(cluster_network="extra", vlan=vlan), vlan=outcome)
        for vlan, outcome in ((1, ReachOutcome.REACHABLE), (2, ReachOutcome.SILENT))
    ]
    registry.register(gauges(ManualClock(), networks, verdicts, max_series=2))
    assert values(registry, "nadroute_network_state") == {
        ("n0", "default", "Active"): 1,
        ("z", "default", "Unreachable"): 1,
    }
    assert ("extra", "node1", "vlan", "2") in values(registry, "nadroute_gateway_reachable")
    assert values(registry, "nadroute_series_omitted") == {
        ("nadroute_network_state",): 4,
        ("nadroute_gateway_reachable",): 2,
    }
    assert values(registry, "nadroute_networks_in_state")["Active",] == 5


def test_anybodys_status_is_read_without_harm() -> None:
    """What stands in the annotation is text of tenants: what is no state of ours is none."""
    junk = replace(told("a", None), annotations={"nadroute.io/status": '{"state":"\\n x{} 1"}'})
    assert list(gauges(ManualClock(), [junk], []).states().values()) == [""]
