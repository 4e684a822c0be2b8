"""docs/metrics.md, the alerts and the dashboard match the exported metrics."""

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from services.contract.envelopes import Refusal
from services.contract.outcomes import State
from services.prober.frames.ignore_reasons import IgnoreReason
from tests.unit.runtime.registries import registries

DOCS = Path(__file__).parents[3] / "docs"
ROW = re.compile(r"^\| `(?P<name>nadroute_\w+)` \| (?P<type>\w+) \| (?P<labels>[^|]+) \| (?P<text>.+) \|$")
SECTIONS = {
    "All services": {"watcher", "prober", "updater"},
    "watcher and updater": {"watcher", "updater"},
    "prober and updater": {"prober", "updater"},
    "watcher": {"watcher"},
    "prober": {"prober"},
    "updater": {"updater"},
}
HISTOGRAM_PARTS = ("_bucket", "_count", "_sum")

Metrics = dict[str, tuple[str, frozenset[str]]]
"""Metric name to type and labels."""


def page() -> dict[str, Metrics]:
    """Return the metrics of each service on the page."""
    found: dict[str, Metrics] = {"watcher": {}, "prober": {}, "updater": {}}
    section = ""
    for line in (DOCS / "metrics.md").read_text().splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        row = ROW.match(line)
        if row is not None:
            labels = frozenset(re.findall(r"\w+", row["labels"]))
            for service in SECTIONS[section]:
                assert row["name"] not in found[service], f"{row['name']} is listed twice"
                found[service][row["name"]] = (row["type"], labels)
    return found


def exposed() -> dict[str, Metrics]:
    """Return the metrics of each service, parsed from the exposition format."""
    found: dict[str, Metrics] = {}
    for service, registry in registries().items():
        metrics: Metrics = {}
        for family in text_string_to_metric_families(generate_latest(registry).decode()):
            samples = [s for s in family.samples if not s.name.endswith("_created")]
            labels = {label for sample in samples for label in sample.labels} - {"le"}
            if not family.name.startswith(("process_", "nadroute_")):
                assert family.name.endswith("_created"), family.name
            elif family.name.startswith("nadroute_") and samples:
                name = f"{family.name}_total" if family.type == "counter" else family.name
                metrics[name] = (family.type, frozenset(labels))
        found[service] = metrics
    return found


@pytest.mark.parametrize("service", ["watcher", "prober", "updater"])
def test_the_page_lists_every_metric_and_no_other(service: str) -> None:
    """Name, type and labels match docs/metrics.md."""
    assert page()[service] == exposed()[service]


def test_names_carry_units() -> None:
    """Counters end in _total, times in _seconds, and every name begins with nadroute_."""
    for metrics in exposed().values():
        for name, (kind, _) in metrics.items():
            assert name.startswith("nadroute_")
            assert (kind == "counter") is name.endswith("_total")
            if kind == "histogram" or name.endswith(("_lag", "_age")):
                assert name.endswith("_seconds"), name


def test_labels_are_bounded() -> None:
    """No label has free text; names of networks and causes label only metrics whose series are limited."""
    allowed = {
        *("host", "cluster_network", "vlan", "path", "outcome", "reason", "result", "state", "kind"),
        *("event", "dhcp", "service", "version", "metric", "lease", "work"),
    }
    limited = {
        "nadroute_network_state": {"namespace", "name"},
        "nadroute_network_explained": {"namespace", "name"},
        "nadroute_cause_networks": {"cause", "subject"},
    }
    for metrics in exposed().values():
        for name, (_, labels) in metrics.items():
            assert labels <= allowed | limited.get(name, set()), name


def expressions() -> list[tuple[str, str]]:
    """Return (place, expression) of every alert rule and dashboard panel."""
    groups = yaml.safe_load((DOCS / "alerts.yaml").read_text())["groups"]
    found = [(rule["alert"], rule["expr"]) for group in groups for rule in group["rules"]]
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text())
    return found + [
        (panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]
    ]


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_alerts_and_dashboard_use_existing_metrics(where: str, expression: str) -> None:
    """Each metric of an expression exists, with the labels that select it."""
    every = {name: metric for service in exposed().values() for name, metric in service.items()}
    named = re.findall(r"(nadroute_\w+)(?:\{([^}]*)\})?", expression)
    assert named
    for name, selector in named:
        plain = next(
            (name.removesuffix(part) for part in HISTOGRAM_PARTS if name.removesuffix(part) in every), name
        )
        assert plain in every, f"{where}: {name}"
        assert set(re.findall(r"(\w+)\s*(?:=|!=|=~|!~)\s*\"", selector)) <= every[plain][1], where


def test_states_in_expressions_exist() -> None:
    """Each state in a rule or panel is a value of State."""
    for where, expression in expressions():
        for states in re.findall(r'state(?:=|!=|=~|!~)"([^"]*)"', expression):
            assert set(states.split("|")) <= set(State), where


def test_the_example_on_the_page_is_the_rule() -> None:
    """The rule in docs/metrics.md equals the one in docs/alerts.yaml."""
    text = (DOCS / "metrics.md").read_text().split("## An alert")[1]
    (shown,) = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    (group,) = yaml.safe_load((DOCS / "alerts.yaml").read_text())["groups"]
    rule = next(rule for rule in group["rules"] if rule["alert"] == shown["alert"])
    assert {**rule, "labels": None} == {**shown, "labels": None}


def test_each_reason_of_an_ignored_frame_is_documented() -> None:
    """The page has a row for each value of the label `reason`, and no other."""
    section = (DOCS / "metrics.md").read_text().partition("Reasons of `nadroute_frames_ignored_total`")[2]
    table = section.partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert rows == [reason.value for reason in IgnoreReason]


def test_each_reason_of_a_refused_message_is_documented() -> None:
    """Every value of the label `reason` is named, and no other."""
    row = next(
        m
        for m in map(ROW.match, (DOCS / "metrics.md").read_text().splitlines())
        if m and m["name"] == "nadroute_messages_refused_total"
    )
    assert re.findall(r"`(\w+)`", row["text"]) == [refusal.value for refusal in Refusal]
