"""Rights of each part in Kubernetes, and the network policies."""

import re

from services.cli.options.services_table import UPDATER, WATCHER
from tests.unit.deploy.reading import environment_of, of_kind, pod_of, rights_of, workloads

NETWORKS = ("k8s.cni.cncf.io", "network-attachment-definitions")


def test_the_watcher_reads_networks_and_holds_a_lease() -> None:
    """The watcher reads networks everywhere, writes none, and renews one Lease in its own namespace."""
    assert rights_of("watcher") == {
        *(("ClusterRole", *NETWORKS, verb) for verb in ("list", "watch")),
        *(("Role", "coordination.k8s.io", "leases", verb) for verb in ("create", "get", "update")),
    }


def test_the_updater_patches_networks_and_posts_events() -> None:
    """It reads and patches networks, creates Events and renews a Lease; it creates and deletes no network."""
    assert rights_of("updater") == {
        *(("ClusterRole", *NETWORKS, verb) for verb in ("get", "list", "watch", "patch")),
        ("ClusterRole", "", "events", "create"),
        *(("Role", "coordination.k8s.io", "leases", verb) for verb in ("create", "get", "update")),
    }


def test_the_commands_may_read() -> None:
    """Networks, and what the doctor asks for; what changes a network is for a person's own rights."""
    monitoring = ("podmonitors", "servicemonitors", "prometheusrules")
    assert rights_of("cli") == {
        *(("ClusterRole", *NETWORKS, verb) for verb in ("list", "watch")),
        ("ClusterRole", "", "nodes", "list"),
        ("ClusterRole", "authorization.k8s.io", "subjectaccessreviews", "create"),
        *(("ClusterRole", "monitoring.coreos.com", resource, "list") for resource in monitoring),
        ("Role", "", "serviceaccounts", "get"),
    }


def test_the_prober_has_no_rights() -> None:
    """No role is bound to the prober, and a pod without a ServiceAccount of its own has no token."""
    assert rights_of("prober") == set()
    assert rights_of("default") == set()


def test_no_right_is_a_wildcard() -> None:
    """No rule has a `*`, and every binding names a role and an account that exist here."""
    roles = {kind: of_kind(kind) for kind in ("Role", "ClusterRole")}
    for kind in roles.values():
        for role in kind.values():
            assert "*" not in re.sub(r"[\[\]' ]", "", str(role["rules"]))
    for binding in [*of_kind("RoleBinding").values(), *of_kind("ClusterRoleBinding").values()]:
        assert binding["roleRef"]["name"].removeprefix("nadroute-") in roles[binding["roleRef"]["kind"]]
        accounts = {account["metadata"]["name"] for account in of_kind("ServiceAccount").values()}
        assert {subject["name"] for subject in binding["subjects"]} <= accounts
        assert {subject["namespace"] for subject in binding["subjects"]} == {"nadroute"}


def test_an_existing_lease_is_named() -> None:
    """Reading and renewing is allowed only for the Lease that the service takes."""
    for service in (WATCHER, UPDATER):
        lease = environment_of(workloads()[service.name])["NADROUTE_LEASE_NAME"]
        rules = of_kind("Role")[service.name]["rules"]
        assert [rule.get("resourceNames") for rule in rules if rule["verbs"] != ["create"]] == [[lease]]


def test_nobody_comes_in_but_to_redis_and_for_metrics() -> None:
    """The release's pods admit connections only to Redis and the metrics ports; Redis opens none."""
    policies = of_kind("NetworkPolicy")
    assert set(policies) == {"nobody-comes-in", "redis", "metrics"}
    closed = policies["nobody-comes-in"]["spec"]
    assert closed == {"podSelector": closed["podSelector"], "policyTypes": ["Ingress"]}
    everyone = closed["podSelector"]["matchLabels"].items()
    assert all(everyone <= w["spec"]["template"]["metadata"]["labels"].items() for w in workloads().values())
    redis = policies["redis"]["spec"]
    assert redis["podSelector"] == workloads()["redis"]["spec"]["selector"]
    (rule,) = redis["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": "redis"}]
    assert "Egress" in redis["policyTypes"]
    # An empty list, which the API server drops, would say the same, and differ from what it keeps.
    assert "egress" not in redis


def test_nothing_is_reached_from_outside_the_cluster() -> None:
    """No Service opens a port on the nodes, and no pod maps a port of its host."""
    for service in of_kind("Service").values():
        assert service["spec"].get("type", "ClusterIP") == "ClusterIP"
    ports = [
        port
        for workload in workloads().values()
        for container in pod_of(workload)["containers"]
        for port in container.get("ports", [])
    ]
    assert ports
    assert not [port for port in ports if "hostPort" in port]
