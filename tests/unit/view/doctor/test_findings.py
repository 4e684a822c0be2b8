"""What the doctor finds: each fact alone changes one check, and says what to do."""

from dataclasses import replace
from typing import Any

import pytest

from services.cluster.rights import Right
from services.cluster.surroundings import Node
from services.contract.host_claims import HostClaim
from services.contract.outcomes import Fault
from services.network.policy import DEFAULT_POLICY
from services.runtime.stored.dead_letters import DeadLetter
from services.view.doctor.diagnosis import diagnose
from services.view.doctor.facts import ClusterFacts, QueueFact, RedisClocks, RedisFacts
from services.view.doctor.findings import Level, Unknown, has_failed
from services.view.host_checks import RedisView
from services.view.maintenance import Window
from services.view.pause_state import Pause
from tests.support.seen_networks import found, view
from tests.unit.network.builders import SEGMENT
from tests.unit.view.doctor.healthy import CLUSTER, HEALTHY, NOW_MS, REDIS, findings, host, parts, troubles

OK, WARNING, FAILED, CANNOT_TELL = Level
WAITS = HostClaim(host="node1", process="b", machine="spare", pid=7, since_ms=NOW_MS - 5_000)
LETTER = DeadLetter(at_ms=NOW_MS - 1_000, where="report", reason="not JSON", body="{")


def test_a_healthy_site_has_nothing_but_ok() -> None:
    """Each check once, none with something to do."""
    all_of_them = diagnose(HEALTHY, DEFAULT_POLICY)
    assert not troubles(all_of_them)
    assert not [each for each in all_of_them if each.todo]
    assert len({each.check for each in all_of_them}) == len(all_of_them)
    assert not has_failed(all_of_them)


@pytest.mark.parametrize(
    ("facts", "check", "level", "words"),
    [
        ({"write_error": "OOM: out of memory"}, "Redis", FAILED, "takes no writes: OOM"),
        ({"refused": ("read hosts",)}, "Redis: user", FAILED, "cli, who may not read hosts"),
        ({"excess": ("see Redis' users",)}, "Redis: user", WARNING, "may also see Redis' users"),
        ({"excess": ("x",), "user": ""}, "Redis: user", WARNING, "whoever reaches it can do anything"),
        ({"expires_in_days": 3.0}, "Redis: TLS", WARNING, "expires in 3d"),
        ({"is_encrypted": False}, "Redis: TLS", WARNING, "in the clear"),
        ({"clocks": RedisClocks(NOW_MS, NOW_MS - 90_000)}, "Redis: clock", WARNING, "1m 30s ahead of"),
        ({"clocks": RedisClocks(NOW_MS, NOW_MS, NOW_MS + 7_200_000)}, "Redis: clock", FAILED, "set back"),
        ({"paused": "paused for 2h by ada@desk"}, "pause", WARNING, "by ada@desk"),
        (
            {
                "windows": (Window("node2", "", Pause(by="ada"), 60_000),),
                "hosts": (host("node1"), host("node2", uplinks=())),
            },
            "pause",
            WARNING,
            "node2 is in maintenance for another 1m by ada",
        ),
        (
            {
                "windows": (Window("", SEGMENT.cluster_network, Pause(), 60_000),),
                "hosts": (host("node1", uplinks=("mgmt",)), host("node2", uplinks=("mgmt",))),
            },
            "pause",
            WARNING,
            "cluster network extra is in maintenance",
        ),
        ({"sends": False}, "watcher", FAILED, "none sends"),
        ({"sends": Unknown("NOPERM")}, "watcher", CANNOT_TELL, "NOPERM"),
        ({"counted_ago_s": 90.0}, "updater", FAILED, "none for 1m 30s"),
        ({"counted_ago_s": None}, "updater", FAILED, "none has ever run"),
        ({"queues": (QueueFact("report", 7, 5.0),)}, "queues", WARNING, "within 5 s from: report (7)"),
        ({"queues": Unknown("NOPERM")}, "queues", CANNOT_TELL, "NOPERM"),
        ({"letters": (LETTER,)}, "refused messages", WARNING, "in report: not JSON"),
        (
            {"hosts": (replace(host("node1"), expires_in_ms=2_000), host("node2"))},
            "hosts",
            WARNING,
            "late with it: node1",
        ),
        (
            {"hosts": (replace(host("node1"), waiting=WAITS), host("node2"))},
            "host names",
            FAILED,
            "another prober waits for this name, process 7 on spare",
        ),
        (
            {"hosts": (host("node1", version="0.0.9"), host("node2"))},
            "versions",
            WARNING,
            "0.0.9: prober on node1",
        ),
        ({"running": parts(watcher="0.0.9")}, "versions", WARNING, "0.0.9: watcher on watcher-0"),
        ({"running": parts(updater="0.0.9")}, "versions", WARNING, "0.0.9: updater on updater-0"),
        ({"running": parts(flower="0.0.9")}, "versions", WARNING, "0.0.9: flower on flower-0"),
        ({"running": parts()[:1]}, "versions", CANNOT_TELL, "not heard of: updater"),
        ({"running": Unknown("NOPERM")}, "versions", CANNOT_TELL, "watcher and updater: NOPERM"),
        ({"hosts": (host("node1"), host("node2", uplinks=()))}, "uplinks", WARNING, "any uplink: node2"),
        (
            {"hosts": (host("node1", uplinks=("mgmt",)), host("node2", uplinks=("mgmt",)))},
            "uplinks",
            FAILED,
            "no host has an uplink of",
        ),
        ({"hosts": (host("node1"),)}, "nodes", FAILED, "1 of 2 have no prober: node2"),
        ({"hosts": (host("node1"), host("node2"), host("vm"))}, "nodes", WARNING, "no node's name: vm"),
    ],
)
def test_a_fact_of_redis_changes_one_check(
    facts: dict[str, object], check: str, level: Level, words: str
) -> None:
    """The others stay ok; the text names the thing, and what is not well says what to do."""
    got = findings(redis=facts)
    assert troubles(got) == {check: level}
    (finding,) = (each for each in got if each.check == check)
    assert words in finding.text
    assert bool(finding.todo) is (level is not CANNOT_TELL)
    assert has_failed(got) is (level is FAILED)


@pytest.mark.parametrize(
    ("facts", "check", "level", "words"),
    [
        (
            {"missing": {**CLUSTER.missing, "watcher": (Right("list", "k8s.cni.cncf.io", "networks"),)}},
            "rights: watcher",
            FAILED,
            "system:serviceaccount:nadroute:watcher may not: list networks",
        ),
        (
            {"missing": {**CLUSTER.missing, "cli": (Right("list", "x", "networks", "here"),)}},
            "rights: commands",
            WARNING,
            "the user of this kubeconfig may not: list networks in here",
        ),
        (
            {"missing": {**CLUSTER.missing, "updater": Unknown("this user may not ask")}},
            "rights: updater",
            CANNOT_TELL,
            "may not ask",
        ),
        ({"nodes": Unknown("forbidden")}, "nodes", CANNOT_TELL, "forbidden"),
        ({"networks": Unknown("HTTP 503: etcd")}, "networks", FAILED, "HTTP 503: etcd"),
        ({"networks": Unknown("HTTP 404: no such kind")}, "networks", FAILED, "no such kind"),
        (
            {"nodes": (Node("node1"), Node("node2"), Node("node3", is_ready=False))},
            "nodes",
            WARNING,
            "not Ready, and without a prober: node3",
        ),
        ({"scrapes": ()}, "scrape", WARNING, "no PodMonitor"),
        ({"rules": Unknown("no operator")}, "alert rules", CANNOT_TELL, "no operator"),
    ],
)
def test_a_fact_of_kubernetes_changes_one_check(
    facts: dict[str, object], check: str, level: Level, words: str
) -> None:
    """A right that a ServiceAccount lacks is a failure; one that we lack ourselves is a warning."""
    got = findings(cluster=facts)
    levels = troubles(got)
    if check == "networks":
        # What hosts found on them cannot be told either.
        assert levels.pop("probing") is CANNOT_TELL
    assert levels == {check: level}
    (finding,) = (each for each in got if each.check == check)
    assert words in finding.text
    assert bool(finding.todo) is (level is not CANNOT_TELL)


def test_who_may_look_and_change_nothing_is_well() -> None:
    """So is the chart's own pod of the commands: the rights that it lacks are named, with what needs them."""
    lacking = tuple(
        Right(verb, "k8s.cni.cncf.io", "network-attachment-definitions") for verb in ("get", "patch")
    )
    got = findings(cluster={"missing": {**CLUSTER.missing, "cli": lacking}})
    assert not troubles(got)
    (finding,) = (each for each in got if each.check == "rights: commands")
    assert "may look; `pause NAMESPACE/NAME` and `uninstall` need get network-" in finding.text


def test_rights_that_were_not_those_of_the_account_are_told_as_ours() -> None:
    """Whether they suffice or not, it says why it asked about us."""
    why = "there is no ServiceAccount nadroute-updater in kube"
    for missing, level in (((), OK), ((Right("patch", "x", "networks"),), WARNING)):
        cluster = {"missing": {**CLUSTER.missing, "updater": missing}, "unseen": {"updater": why}}
        got = findings(cluster=cluster)
        (finding,) = (each for each in got if each.check == "rights: updater")
        assert (finding.level, finding.text.endswith(f"; {why}")) == (level, True)


@pytest.mark.parametrize(
    ("trouble", "todo"),
    [
        ("invalid username-password pair or user is disabled", "NADROUTE_REDIS_PASSWORD_FILE"),
        ("Authentication required", "NADROUTE_REDIS_PASSWORD_FILE"),
        ("TLS to Redis at redis: its certificate is not trusted", "NADROUTE_REDIS_CA_FILE"),
        ("Error while reading from redis:6379 : (104, 'Connection reset by peer')", "use rediss://"),
    ],
)
def test_what_to_do_fits_why_redis_cannot_be_used(trouble: str, todo: str) -> None:
    """A password, a certificate and a way to it are three things to mend."""
    got = diagnose(replace(HEALTHY, redis=RedisFacts("redis://x:6379/0", trouble=trouble)), DEFAULT_POLICY)
    assert todo in got[0].todo


def test_a_node_without_virtual_machines_needs_no_prober() -> None:
    """Harvester's witness node."""
    nodes = (*CLUSTER.nodes, Node("witness", is_witness=True))  # type: ignore[misc]
    assert not troubles(findings(cluster={"nodes": nodes}))


def test_a_host_that_does_not_carry_a_cluster_network_is_no_fault() -> None:
    """It is enough that one host carries what networks use."""
    assert not troubles(findings(redis={"hosts": (host("node1"), host("node2", uplinks=("mgmt",)))}))


def test_a_host_that_cannot_probe_is_named() -> None:
    """With the capability that it lacks."""
    seen = view(found("node1"), found("node2", fault=Fault.NO_PERMISSION))
    got = diagnose(replace(HEALTHY, view=seen), DEFAULT_POLICY)
    (finding,) = (each for each in got if each.check == "probing")
    assert finding.level is FAILED
    assert "NoPermission on node2" in finding.text
    assert "NET_RAW" in finding.todo


def test_without_redis_the_rest_is_still_told() -> None:
    """One failure; what depends on Redis cannot be told, and Kubernetes is as it was."""
    away: Any = RedisFacts("redis://x:6379/0", trouble="refused")
    got = diagnose(replace(HEALTHY, redis=away, view=RedisView(trouble="refused")), DEFAULT_POLICY)
    levels = troubles(got)
    assert [check for check, level in levels.items() if level is FAILED] == ["Redis"]
    assert [each.check for each in got] == [each.check for each in diagnose(HEALTHY, DEFAULT_POLICY)]
    assert {"watcher", "updater", "queues", "hosts", "nodes", "versions"} <= {
        check for check, level in levels.items() if level is CANNOT_TELL
    }
    assert "Kubernetes" not in levels


def test_without_a_kubeconfig_nothing_has_failed() -> None:
    """It cannot be told, which is no failure; with credentials that lead nowhere it is one."""
    for is_configured, level in ((False, CANNOT_TELL), (True, FAILED)):
        cluster = ClusterFacts(trouble="no such file", todo="mend it", is_configured=is_configured)
        got = diagnose(replace(HEALTHY, cluster=cluster), DEFAULT_POLICY)
        assert troubles(got)["Kubernetes"] is level
        assert has_failed(got) is is_configured
        (nodes,) = (each for each in got if each.check == "nodes")
        assert (nodes.level, nodes.text) == (CANNOT_TELL, "Kubernetes could not be read")


def test_without_any_prober_it_says_so() -> None:
    """Nodes without one are counted, and nothing is told of hosts that are not there."""
    levels = troubles(findings(redis={"hosts": ()}))
    assert levels["hosts"] is FAILED
    assert levels["nodes"] is FAILED
    assert levels["host names"] is CANNOT_TELL
    assert "versions" not in levels
    assert troubles(findings(redis={"hosts": (), "running": parts(updater="0.0.9")}))["versions"] is WARNING


def test_a_pause_explains_that_nobody_sends() -> None:
    """It is a warning of its own, and no failure of the watcher or the updater."""
    got = findings(redis={"paused": "paused by ada", "sends": False, "counted_ago_s": 600.0})
    assert troubles(got) == {"pause": WARNING, "watcher": CANNOT_TELL, "updater": CANNOT_TELL}
    assert REDIS.paused is None
