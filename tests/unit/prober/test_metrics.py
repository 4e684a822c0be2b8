"""The prober's metrics."""

import pytest
from prometheus_client import CollectorRegistry

from services.contract.outcomes import DHCPOutcome, Fault
from services.prober.engine.results import DISCOVERY_NOT_TRIED, DiscoveryResult
from services.prober.frames.ignore_reasons import IgnoreReason
from services.prober.metrics import ProberMetrics, UplinkCollector
from tests.unit.runtime.registries import segment_result


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_a_result_is_counted_by_its_outcomes() -> None:
    """Probe, DHCP exchange and gateway checks are counted, and times are observed."""
    registry = CollectorRegistry()
    metrics = ProberMetrics(registry)
    metrics.segment_done(segment_result())
    metrics.segment_done(segment_result(dhcp=DiscoveryResult(DHCPOutcome.NO_OFFER, (), 3, 12.0), targets=()))
    extra = {"cluster_network": "extra"}
    assert value(registry, "nadroute_probes_total", outcome="done", **extra) == 2
    assert value(registry, "nadroute_dhcp_asks_total", outcome="offered", **extra) == 1
    assert value(registry, "nadroute_dhcp_asks_total", outcome="no_offer", **extra) == 1
    assert value(registry, "nadroute_dhcp_offer_seconds_count", **extra) == 1, "no offer has no time"
    assert value(registry, "nadroute_dhcp_offer_seconds_sum", **extra) == pytest.approx(0.2)
    for path, outcome in (("vlan", "reachable"), ("routed", "silent")):
        assert value(registry, "nadroute_gateway_checks_total", path=path, outcome=outcome, **extra) == 1
    assert value(registry, "nadroute_gateway_rtt_seconds_sum", path="vlan") == pytest.approx(0.001)
    assert value(registry, "nadroute_gateway_rtt_seconds_count", path="routed") is None


def test_a_segment_with_a_fault_counts_under_the_fault() -> None:
    """The outcome of a segment that could not be probed is its fault."""
    registry = CollectorRegistry()
    ProberMetrics(registry).segment_done(
        segment_result(fault=Fault.UPLINK_DOWN, dhcp=DISCOVERY_NOT_TRIED, targets=())
    )
    assert value(registry, "nadroute_probes_total", cluster_network="extra", outcome="UplinkDown") == 1


def test_uplinks_are_read_at_each_scrape() -> None:
    """1 or 0; no series where the state is unknown. Frame counters are exported as they are."""

    def is_up(interface: str) -> bool:
        if interface == "odd":
            raise OSError("netlink")
        return interface == "good"

    registry = CollectorRegistry()
    registry.register(
        UplinkCollector(
            lambda: {"a": "good", "b": "bad", "c": "odd"},
            is_up=is_up,
            dropped_frames=lambda: {"a": 7},
            ignored_frames=lambda: {IgnoreReason.ETHERTYPE: 3},
            paused=lambda: frozenset({"b", "elsewhere"}),
        )
    )
    maintained = {name: value(registry, "nadroute_maintenance", cluster_network=name) for name in "abc"}
    assert maintained == {"a": 0, "b": 1, "c": 0}
    assert value(registry, "nadroute_uplink_up", cluster_network="a") == 1
    assert value(registry, "nadroute_uplink_up", cluster_network="b") == 0
    assert value(registry, "nadroute_uplink_up", cluster_network="c") is None
    assert value(registry, "nadroute_frames_dropped_total", cluster_network="a") == 7
    assert value(registry, "nadroute_frames_ignored_total", reason="ethertype") == 3
