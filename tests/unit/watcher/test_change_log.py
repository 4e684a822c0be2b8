"""The watcher logs and counts what it sends in summaries, not line by line."""

import pytest
from prometheus_client import CollectorRegistry

from services.contract.doubts import DoubtKind
from services.network.parse.nad import NetworkRef
from services.watcher import change_log
from services.watcher.change_log import NAMED, SUMMARY_INTERVAL_S, SendSummary, log_doubts, log_due
from services.watcher.metrics import WatcherMetrics
from services.watcher.plan.triggers import Trigger
from tests.support.log_lines import log_lines
from tests.unit.runtime.registries import request
from tests.unit.watcher.builders import doubt


def test_sent_requests_are_summarized_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first after a quiet time is logged immediately; nothing is logged where nothing was sent."""
    summary = SendSummary()
    lines = log_lines(monkeypatch, change_log)
    summary.flush(0.0)
    for second in range(100):
        summary.add([request("node1", True, False), request("node2", False)])
        summary.flush(float(second))
    summary.flush(2 * SUMMARY_INTERVAL_S)
    summary.flush(9 * SUMMARY_INTERVAL_S)
    info = [line for line in lines if line["log_level"] == "info"]
    assert [(line["requests"], line["segments"], line["asking_dhcp"], line["hosts"]) for line in info] == [
        (2, 3, 1, 2),
        (120, 180, 60, 2),
        (78, 117, 39, 2),
    ]
    each = [line for line in lines if line["log_level"] == "debug"]
    assert len(each) == 200
    assert each[0] == {
        "event": "probe sent", "log_level": "debug", "request": "r", "host": "node1",
        "cluster_network": "extra", "segments": 2, "asking_dhcp": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("networks", "lines"), [(0, 0), (1, 1), (NAMED, NAMED), (NAMED + 1, 1), (4094, 1)])
def test_few_due_networks_are_named_and_many_are_counted(
    networks: int, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At start-up all networks become due at once."""
    due = [(NetworkRef("default", f"n{n}"), Trigger.EVERYTHING) for n in range(networks)]
    lines_seen = log_lines(monkeypatch, change_log)
    log_due(due)
    at_info = [line for line in lines_seen if line["log_level"] == "info"]
    assert len(at_info) == lines
    if networks > NAMED:
        assert (at_info[0]["networks"], at_info[0]["why"]) == (networks, {"everything": networks})


@pytest.mark.parametrize(("doubts", "lines"), [(0, 0), (1, 1), (NAMED, NAMED), (NAMED + 1, 1), (4094, 1)])
def test_few_doubts_are_named_and_many_are_counted(
    doubts: int, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A switch that fails puts everything in doubt at once."""
    seen = log_lines(monkeypatch, change_log)
    log_doubts([doubt(DoubtKind.SILENT, "n1", vlan=1 + n) for n in range(doubts)])
    at_info = [line for line in seen if line["log_level"] == "info"]
    assert len(at_info) == lines
    if doubts > NAMED:
        assert (at_info[0]["doubts"], at_info[0]["why"]) == (doubts, {"silent": doubts})


def test_the_number_of_host_labels_is_bounded() -> None:
    """After a thousand hosts, further ones share a label."""
    registry = CollectorRegistry()
    metrics = WatcherMetrics(registry)
    metrics.sent([request(f"h{n}") for n in range(1_005)], covered=0)
    family = next(f for f in registry.collect() if f.name == "nadroute_requests_sent")
    assert len({sample.labels["host"] for sample in family.samples}) == 1_001
    assert registry.get_sample_value("nadroute_requests_sent_total", {"host": "other"}) == 5
