"""The alert rules, evaluated by Prometheus' own promtool on series, and the page about each."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from services.contract.outcomes import CALM_STATES

DOCS = Path(__file__).parents[3] / "docs"
MINUTES = 60
AT = "45m"
STEADY = f"{{}}+0x{MINUTES}"
GROWS_AT_40 = "0+0x39 1+1x20"
WATCHER, UPDATER, PROBER = 'instance="watcher"', 'instance="updater"', 'instance="node1"'
SEGMENT = 'cluster_network="extra",vlan="7",path="vlan"'
WORKS = 'work="probes"'

HEALTHY = {
    **{f"up{{{each}}}": 1 for each in (WATCHER, UPDATER, PROBER)},
    **{f"nadroute_build_info{{{each}}}": 1 for each in (WATCHER, UPDATER, PROBER)},
    **{f"nadroute_redis_up{{{each}}}": 1 for each in (WATCHER, UPDATER, PROBER)},
    f"nadroute_networks{{{WATCHER}}}": 3,
    f"nadroute_hosts{{{WATCHER}}}": 1,
    f"nadroute_due_lag_seconds{{{WATCHER}}}": 0,
    f"nadroute_paused{{{WATCHER}}}": 0,
    f'nadroute_leader{{{WATCHER},lease="watcher"}}': 1,
    f'nadroute_leader{{{UPDATER},lease="updater"}}': 1,
    f'nadroute_networks_in_state{{{UPDATER},state="Active"}}': 3,
    f'nadroute_network_state{{{UPDATER},namespace="default",name="office",state="Active"}}': 1,
    f'nadroute_gateway_reachable{{{UPDATER},host="node1",{SEGMENT}}}': 1,
    f'nadroute_gateway_reachable{{{UPDATER},host="node2",{SEGMENT}}}': 1,
    f'nadroute_verdict_age_seconds{{{UPDATER},host="node1"}}': 5,
    f'nadroute_writes_total{{{UPDATER},result="denied"}}': 0,
    f'nadroute_messages_refused_total{{{UPDATER},reason="not_json"}}': 0,
    f"nadroute_keys_set_aside_total{{{UPDATER}}}": 0,
    f"nadroute_stalled_seconds{{{WATCHER},{WORKS}}}": 0,
    f"nadroute_segments_in_flight{{{PROBER}}}": 0,
    f"nadroute_host_name_conflict{{{PROBER}}}": 0,
    f'nadroute_uplink_up{{{PROBER},cluster_network="extra"}}': 1,
    f'nadroute_maintenance{{{PROBER},cluster_network="extra"}}': 0,
    f'nadroute_frames_dropped_total{{{PROBER},cluster_network="extra"}}': 0,
}
"""Series of a site in which all is well, with their steady values."""

FIRING: dict[str, dict[str, float | str | None]] = {
    "NadrouteWatcherNotScraped": {f"nadroute_networks{{{WATCHER}}}": None},
    "NadrouteUpdaterNotScraped": {f'nadroute_networks_in_state{{{UPDATER},state="Active"}}': None},
    "NadrouteProbersNotScraped": {f"nadroute_segments_in_flight{{{PROBER}}}": None},
    "NadrouteHostNotScraped": {f"nadroute_hosts{{{WATCHER}}}": 2},
    "NadrouteTargetDown": {
        f"up{{{PROBER}}}": "1+0x9 0+0x50",
        f"nadroute_build_info{{{PROBER}}}": "1+0x9",
    },
    "NadrouteCause": {
        f'nadroute_cause_networks{{{UPDATER},cause="c1",kind="HostUplink",subject="node2"}}': "40x9 _x50",
        f'nadroute_cause_networks{{{UPDATER},cause="c1",kind="RouterDown",subject="router"}}': "_x9 40x50",
        f'nadroute_network_state{{{UPDATER},namespace="default",name="attic",state="Unreachable"}}': 1,
        f'nadroute_network_explained{{{UPDATER},namespace="default",name="attic"}}': 1,
    },
    "NadrouteNetworkDown": {
        f'nadroute_network_state{{{UPDATER},namespace="default",name="attic",state="Unreachable"}}': 1
    },
    "NadrouteHostSilent": {f'nadroute_verdict_age_seconds{{{UPDATER},host="node1"}}': 1_000},
    "NadrouteUplinkDown": {f'nadroute_uplink_up{{{PROBER},cluster_network="extra"}}': 0},
    "NadrouteHostNameConflict": {f"nadroute_host_name_conflict{{{PROBER}}}": 1},
    "NadrouteNobodyLeads": {f'nadroute_leader{{{UPDATER},lease="updater"}}': 0},
    "NadrouteBehind": {f"nadroute_due_lag_seconds{{{WATCHER}}}": 40},
    "NadrouteRedisAway": {f"nadroute_redis_up{{{PROBER}}}": 0},
    "NadrouteMessagesRefused": {
        f'nadroute_messages_refused_total{{{UPDATER},reason="not_json"}}': GROWS_AT_40
    },
    "NadrouteStalled": {f"nadroute_stalled_seconds{{{WATCHER},{WORKS}}}": 90},
    "NadrouteKeysSetAside": {f"nadroute_keys_set_aside_total{{{UPDATER}}}": GROWS_AT_40},
    "NadrouteWritesDenied": {f'nadroute_writes_total{{{UPDATER},result="denied"}}': GROWS_AT_40},
    "NadrouteFramesDropped": {
        f'nadroute_frames_dropped_total{{{PROBER},cluster_network="extra"}}': f"0+600x{MINUTES}"
    },
    "NadroutePaused": {f"nadroute_paused{{{WATCHER}}}": f"0+0x4 1+0x{3 * MINUTES}"},
}
"""Alert to what differs from a healthy site: a steady value, values, or None for no such series."""
BESIDE_MAINTENANCE: tuple[dict[str, float | str | None], ...] = (
    {
        'up{instance="node2",node="node2"}': "1+0x9 0+0x50",
        'nadroute_build_info{instance="node2",node="node2"}': "1+0x9",
        f'nadroute_host_maintenance{{{UPDATER},node="node2",host="node1"}}': 1,
    },
    {
        f"up{{{PROBER}}}": "1+0x9 0+0x50",
        f"nadroute_build_info{{{PROBER}}}": "1+0x9",
        f'nadroute_host_maintenance{{{UPDATER},host="node1"}}': 1,
    },
)
"""Targets that are down: on another host than the one in maintenance, or without the label `node`."""
LATE = {"NadroutePaused": "70m"}
QUIET: dict[str, dict[str, float | str | None]] = {
    "a network that is left alone": {
        f'nadroute_network_state{{{UPDATER},namespace="default",name="trunk",state="Ignored"}}': 1,
        f'nadroute_network_state{{{UPDATER},namespace="default",name="off",state="Disabled"}}': 1,
    },
    "a gateway that no host reaches is no host's trouble": {
        f'nadroute_gateway_reachable{{{UPDATER},host="{host}",{SEGMENT}}}': 0 for host in ("node1", "node2")
    },
    "a standby": {
        'nadroute_leader{instance="watcher2",lease="watcher"}': 0,
        'nadroute_due_lag_seconds{instance="watcher2"}': 500,
    },
    "an uplink in maintenance": {
        f'nadroute_uplink_up{{{PROBER},cluster_network="extra"}}': 0,
        f'nadroute_maintenance{{{PROBER},cluster_network="extra"}}': 1,
    },
    "a host that is down in its maintenance": {
        'up{instance="node2",node="node2"}': "1+0x9 0+0x50",
        'nadroute_build_info{instance="node2",node="node2"}': "1+0x9",
        f'nadroute_host_maintenance{{{UPDATER},node="node1",host="node2"}}': 1,
    },
    "another program's target": {'up{instance="elsewhere"}': 0},
    "a counter that stands": {f'nadroute_writes_total{{{UPDATER},result="denied"}}': 7},
    "a minute of trouble": {f'nadroute_leader{{{WATCHER},lease="watcher"}}': "1+0x43 0+0x1 1+0x20"},
}
"""What is no reason for any alert."""


def rules() -> dict[str, dict[str, object]]:
    """Return the rules by alert."""
    (group,) = yaml.safe_load((DOCS / "alerts.yaml").read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def _case(changes: dict[str, float | str | None], *, at: str, firing: list[str]) -> dict[str, object]:
    series = {**HEALTHY, **changes}
    return {
        "interval": "1m",
        "input_series": [
            {"series": name, "values": value if isinstance(value, str) else STEADY.format(value)}
            for name, value in series.items()
            if value is not None
        ],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": at,
                "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in firing],
            }
        ],
    }


@pytest.mark.promtool
def test_each_alert_fires_on_its_own_trouble_alone(tmp_path: Path) -> None:
    """On a healthy site none does, nor on what is no trouble; and where nothing is scraped at all, those do
    that miss a part.
    """
    absent = [name for name in FIRING if name.endswith("NotScraped") and name != "NadrouteHostNotScraped"]
    nothing: dict[str, float | str | None] = dict.fromkeys(HEALTHY)
    cases = [
        _case({}, at=AT, firing=[]),
        _case({**nothing, 'up{instance="other"}': 1}, at=AT, firing=absent),
        *(_case(changes, at=LATE.get(name, AT), firing=[name]) for name, changes in FIRING.items()),
        *(_case(changes, at=AT, firing=["NadrouteTargetDown"]) for changes in BESIDE_MAINTENANCE),
        *(_case(changes, at=AT, firing=[]) for changes in QUIET.values()),
    ]
    file = tmp_path / "alerts.test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(DOCS / "alerts.yaml")], "tests": cases}))
    ran = subprocess.run(
        ["promtool", "test", "rules", str(file)], check=False, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_dashboard_lists_what_needs_attention() -> None:
    """Networks that are Ignored or Disabled are not Active, and nobody's trouble."""
    panels = json.loads((DOCS / "grafana-dashboard.json").read_text())["panels"]
    (panel,) = (each for each in panels if each["title"] == "Networks that are not Active")
    ((states,),) = (re.findall(r'state!~"([^"]*)"', target["expr"]) for target in panel["targets"])
    assert set(states.split("|")) == CALM_STATES


def test_every_alert_is_tried() -> None:
    """A new one needs series on which it fires."""
    assert set(FIRING) == set(rules())


def test_every_alert_has_its_page() -> None:
    """A section of docs/alerts.md, which the rule names, says what it means, what to look at and what to do;
    there is no section without an alert.
    """
    page = (DOCS / "alerts.md").read_text()
    sections = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    by_name = {section.splitlines()[0]: section for section in sections}
    assert set(by_name) == set(rules())
    for name, section in by_name.items():
        assert re.findall(r"^\*\*(\w+(?: \w+)*)\.\*\*", section, re.MULTILINE) == [
            "Means",
            "Look at",
            "Do",
        ], name
        annotations = rules()[name]["annotations"]
        assert isinstance(annotations, dict)
        assert annotations["page"] == f"docs/alerts.md#{name.lower()}"
