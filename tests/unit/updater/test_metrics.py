"""The updater's counters and gauges."""

import weakref
from collections.abc import Iterator
from dataclasses import replace

from prometheus_client import CollectorRegistry

from services.contract.causes import CausesRecord
from services.contract.conclusions import ConclusionRecord, Hindrance, Unwritten
from services.contract.messages import Segment
from services.contract.names import maintenance_key
from services.contract.outcomes import Fault, ReachOutcome
from services.contract.verdicts import AgedVerdict, SegmentVerdicts
from services.network.parse.status import Status
from services.updater.gauges import NetworkGauges
from services.updater.metrics import UpdaterMetrics
from services.updater.open_windows import Windows
from tests.support.manual_clock import ManualClock
from tests.unit.network.builders import SEGMENT, verdict
from tests.unit.runtime.registries import CAUSES, gauges, reported

DIGEST = "0" * 16
AGE, MAINTENANCE = "nadroute_verdict_age_seconds", "nadroute_host_maintenance"


def values(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    """Return a metric's samples by label values, in the order of the labels' names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def test_verdicts_are_new_old_or_stopped() -> None:
    """They are new if the store took any verdict of their segment."""
    registry = CollectorRegistry()
    new, old = verdict(DIGEST), verdict(DIGEST, segment=Segment(cluster_network="extra", vlan=9))
    UpdaterMetrics(registry).verdicts(
        [new, old, verdict(DIGEST, fault=Fault.STOPPED)], frozenset({new.segment})
    )
    counted = {result: n for (result,), n in values(registry, "nadroute_verdicts_total").items() if n}
    assert counted == {"new": 1, "old": 1, "stopped": 1}


def test_each_network_is_in_one_state_and_every_state_is_exported() -> None:
    """A state without networks is 0; a network without a state has no series of its own."""
    registry = CollectorRegistry()
    networks = [reported("a", "Active"), reported("b", "Partial"), reported("c", None)]
    registry.register(gauges(ManualClock(), networks, []))
    assert values(registry, "nadroute_network_state") == {
        ("a", "default", "Active"): 1,
        ("b", "default", "Partial"): 1,
    }
    by_state = values(registry, "nadroute_networks_in_state")
    assert {labels[0] for labels, count in by_state.items() if count} == {"Active", "Partial", "NotTold"}
    assert by_state["Unreachable",] == 0


def test_a_state_that_is_not_written_counts_until_it_is() -> None:
    """It takes precedence over the annotation; of a network that is gone it is forgotten."""
    metrics, network = UpdaterMetrics(CollectorRegistry()), reported("a", "Active")
    found = NetworkGauges(
        lambda: [network], list, metrics, windows=Windows, fresh_s=lambda _: 600.0, max_series=1
    )
    status = Status("Invalid", "BadRoute").to_fields()
    written = ConclusionRecord(namespace="default", name="a", uid=network.uid, status=status)
    refused = written.model_copy(update={"unwritten": Unwritten(why=Hindrance.UNREADABLE)})
    metrics.records_read([refused])
    metrics.records_read([])
    assert found.states() == {network.ref: "Invalid"}
    metrics.records_read([written])
    assert found.states() == {network.ref: "Active"}
    metrics.records_read([refused])
    metrics.forget(network.uid)
    assert found.states() == {network.ref: "Active"}


def test_a_gateway_is_reported_as_each_host_sees_it() -> None:
    """It is 1 where it answered and 0 where it was silent, without a series where the probe was inconclusive.
    One silent gateway of two makes it 0."""
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


def test_old_verdicts_are_not_exported() -> None:
    """A verdict that is not fresh makes no gauge, except for its age."""
    clock, registry = ManualClock(), CollectorRegistry()
    registry.register(gauges(clock, [], [verdict(DIGEST)], fresh_s=20))
    clock.seconds += 18
    assert values(registry, "nadroute_gateway_reachable")
    clock.seconds += 12
    assert values(registry, "nadroute_gateway_reachable") == {}
    assert values(registry, "nadroute_verdict_age_seconds") == {("node1",): 31}


def test_a_host_is_not_silent_where_it_is_in_maintenance() -> None:
    """Its age is that of where it is asked, and there is none while it is asked nowhere."""
    there = Segment(cluster_network="other", vlan=9)
    verdicts = [verdict(DIGEST), verdict(DIGEST, segment=there), verdict(DIGEST, host="b")]

    def ages(*windows: tuple[str, str]) -> tuple[set[str], set[str]]:
        registry, keys = CollectorRegistry(), frozenset(maintenance_key(*names) for names in windows)
        registry.register(gauges(ManualClock(), [], verdicts, windows=Windows(keys)))
        found = (values(registry, name) for name in (AGE, MAINTENANCE))
        old, whole = ({host for (host,) in each} for each in found)
        return old, whole

    assert ages() == ({"node1", "b"}, set())
    assert ages(("node1", "")) == ({"b"}, {"node1"})
    assert ages(("node1", SEGMENT.cluster_network)) == ({"node1", "b"}, set())
    assert ages(("node1", SEGMENT.cluster_network), ("", "other")) == ({"b"}, set())
    assert ages(("", SEGMENT.cluster_network)) == ({"node1"}, set())


def test_series_beyond_the_limit_are_counted_as_omitted() -> None:
    """The limit applies to each metric; series with a problem come first."""
    registry = CollectorRegistry()
    networks = [reported(f"n{n}", "Active") for n in range(5)] + [reported("z", "Unreachable")]
    verdicts = [
        verdict(DIGEST, segment=Segment(cluster_network="extra", vlan=vlan), vlan=outcome)
        for vlan, outcome in ((1, ReachOutcome.REACHABLE), (2, ReachOutcome.SILENT))
    ]
    many = CAUSES.causes[0].model_copy(update={"networks": ("default/a", "default/b", "default/c")})
    causes = CausesRecord(causes=(many,))
    registry.register(gauges(ManualClock(), networks, verdicts, max_series=2, causes=causes))
    assert values(registry, "nadroute_network_state") == {
        ("n0", "default", "Active"): 1,
        ("z", "default", "Unreachable"): 1,
    }
    assert ("extra", "node1", "vlan", "2") in values(registry, "nadroute_gateway_reachable")
    assert values(registry, "nadroute_series_omitted") == {
        ("nadroute_network_state",): 4,
        ("nadroute_gateway_reachable",): 2,
        ("nadroute_network_explained",): 1,
    }
    assert values(registry, "nadroute_cause_networks") == {("c1", "HostUplink", "node2: extra"): 3}
    assert values(registry, "nadroute_network_explained") == {("a", "default"): 1, ("b", "default"): 1}
    assert values(registry, "nadroute_networks_in_state")["Active",] == 5


def test_a_scrape_holds_the_verdicts_of_one_segment_at_a_time() -> None:
    """Of tens of hosts on thousands of segments, all of them take as much memory as an updater has else."""
    present, most = weakref.WeakSet[SegmentVerdicts](), 0

    def known() -> Iterator[tuple[Segment, SegmentVerdicts]]:
        nonlocal most
        for vlan in range(1, 20):
            segment = Segment(cluster_network="extra", vlan=vlan)
            seen = SegmentVerdicts((AgedVerdict(verdict(DIGEST, segment=segment), 1.0),))
            present.add(seen)
            most = max(most, len(present))
            yield segment, seen

    registry = CollectorRegistry()
    found = gauges(ManualClock(), [], [], max_series=0)
    found._verdicts = known
    registry.register(found)
    assert values(registry, "nadroute_series_omitted")["nadroute_gateway_reachable",] == 38
    assert most <= 2


def test_a_tenants_status_is_read_without_harm() -> None:
    """The annotation is a tenant's text: a state that is not ours counts as none."""
    junk = replace(reported("a", None), annotations={"nadroute.io/status": '{"state":"\\n x{} 1"}'})
    assert list(gauges(ManualClock(), [junk], []).states().values()) == [""]
