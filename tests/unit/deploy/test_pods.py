"""Privileges, limits and placement of each pod."""

from pathlib import Path

import pytest

from services.cli.options.services_table import PROBER
from tests.unit.deploy.reading import (
    Manifest,
    container_of,
    environment_of,
    of_kind,
    pod_of,
    secret_files,
    with_secrets,
    workloads,
)

DISPATCH_S = 15
"""The time from SIGTERM until a worker takes no more, and from its last verdict until that is sent."""


def part_of(workload: Manifest) -> str:
    return str(workload["metadata"]["labels"]["app.kubernetes.io/component"])


every_workload = pytest.mark.parametrize("workload", workloads().values(), ids=workloads().keys())


def test_the_parts_of_the_loop_are_all_there() -> None:
    """The cluster runs Redis, the watcher, the updater, Flower, a pod for commands, a prober on each host."""
    assert set(of_kind("Deployment")) == {"redis", "watcher", "updater", "flower", "cli"}
    assert set(of_kind("DaemonSet")) == {"prober"}
    assert set(workloads()) == {"redis", "watcher", "updater", "flower", "cli", "prober"}


def test_only_the_prober_is_on_the_hosts_network() -> None:
    """Only the prober shares the host's network, and no pod shares its processes or its IPC."""
    shared = {
        (name, field)
        for name, workload in workloads().items()
        for field in ("hostNetwork", "hostPID", "hostIPC")
        if pod_of(workload).get(field)
    }
    assert shared == {("prober", "hostNetwork")}


def test_no_second_prober_is_started_on_a_host_before_the_first_ends() -> None:
    """It would wait for the first, not ready, and the update would wait for it."""
    update = of_kind("DaemonSet")["prober"]["spec"]["updateStrategy"]
    assert update == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}


@every_workload
def test_no_capability_but_the_probers_net_raw(workload: Manifest) -> None:
    """Every container drops all capabilities; only the prober adds one back, NET_RAW."""
    capabilities = container_of(workload)["securityContext"]["capabilities"]
    assert capabilities["drop"] == ["ALL"]
    assert capabilities.get("add", []) == (["NET_RAW"] if part_of(workload) == "prober" else [])


@every_workload
def test_no_privilege_can_be_gained(workload: Manifest) -> None:
    """No container is privileged, can gain privileges, writes to its root, or runs without seccomp."""
    context = container_of(workload)["securityContext"]
    assert not context.get("privileged")
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert pod_of(workload)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


@every_workload
def test_only_the_prober_is_root(workload: Manifest) -> None:
    """Only the prober is user 0, where NET_RAW works without a file capability; no other pod runs as root."""
    pod, context = pod_of(workload)["securityContext"], container_of(workload)["securityContext"]
    if part_of(workload) == "prober":
        assert (context["runAsUser"], context["runAsGroup"]) == (0, 0)
    else:
        assert pod["runAsNonRoot"] is True
        assert pod["runAsUser"] > 0
        assert "runAsUser" not in context


@every_workload
def test_every_pod_but_the_prober_is_restricted(workload: Manifest) -> None:
    """Each passes the level `restricted`; the prober fails by what it needs alone: network, NET_RAW, root."""
    pod, container = pod_of(workload), container_of(workload)
    context = pod["securityContext"] | container["securityContext"]
    kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
    failed = {
        "host namespaces": any(pod.get(field) for field in ("hostNetwork", "hostPID", "hostIPC")),
        "host ports": any("hostPort" in port for port in container.get("ports", [])),
        "volumes": not kinds <= {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"},
        "escalation": context["allowPrivilegeEscalation"] is not False or bool(context.get("privileged")),
        "root": context.get("runAsNonRoot") is not True or context["runAsUser"] == 0,
        "seccomp": context["seccompProfile"]["type"] not in ("RuntimeDefault", "Localhost"),
        "capabilities": context["capabilities"]["drop"] != ["ALL"]
        or not set(context["capabilities"].get("add", [])) <= {"NET_BIND_SERVICE"},
        "others": bool({"seLinuxOptions", "windowsOptions", "sysctls", "procMount"} & context.keys()),
    }
    needs = {"host namespaces", "root", "capabilities"} if part_of(workload) == "prober" else set()
    assert {rule for rule, fails in failed.items() if fails} == needs


@every_workload
def test_a_read_only_root_needs_no_volume_to_write_to(workload: Manifest) -> None:
    """Libraries write to /dev/shm, which is bounded: only Redis' file is in an emptyDir."""
    volumes = {volume["name"]: volume for volume in pod_of(workload)["volumes"]}
    assert not [name for name, volume in volumes.items() if "hostPath" in volume]
    empty = {name: volume["emptyDir"] for name, volume in volumes.items() if "emptyDir" in volume}
    if part_of(workload) == "redis":
        assert set(empty) == {"data"}
        assert "sizeLimit" in empty["data"]
    else:
        assert empty == {}
        environment = environment_of(workload)
        assert {environment["TMPDIR"], environment["HOME"]} == {"/dev/shm"}


@every_workload
def test_a_token_only_where_kubernetes_is_asked(workload: Manifest) -> None:
    """Only the watcher, the updater and the pod of the commands have a token."""
    asks = part_of(workload) in ("watcher", "updater", "cli")
    assert pod_of(workload)["automountServiceAccountToken"] is asks
    assert all(
        account["automountServiceAccountToken"] is False for account in of_kind("ServiceAccount").values()
    )


@every_workload
def test_no_variables_for_services(workload: Manifest) -> None:
    """Kubernetes adds no variables named after Services, which a service would read as settings."""
    assert pod_of(workload)["enableServiceLinks"] is False


@every_workload
def test_memory_is_bounded(workload: Manifest) -> None:
    """Every container has a memory request and limit; none has a CPU limit."""
    resources = container_of(workload)["resources"]
    assert set(resources["requests"]) == {"cpu", "memory"}
    assert set(resources["limits"]) == {"memory"}


def test_the_prober_is_on_every_host_that_can_carry_a_network() -> None:
    """Neither a taint nor a cordon keeps a prober away; only a witness, which runs no VMs, has none."""
    pod = pod_of(workloads()["prober"])
    (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert {"key": "node-role.harvesterhci.io/witness", "operator": "DoesNotExist"} in term[
        "matchExpressions"
    ]
    assert pod["tolerations"] == [{"operator": "Exists"}]


def test_a_prober_finds_redis_and_says_its_nodes_name() -> None:
    """On the host's network the prober uses the cluster's DNS, and it has its node's name."""
    prober = workloads()["prober"]
    assert pod_of(prober)["dnsPolicy"] == "ClusterFirstWithHostNet"
    (host,) = [v for v in container_of(prober)["env"] if v["name"] == "NADROUTE_HOST"]
    assert host["valueFrom"]["fieldRef"]["fieldPath"] == "spec.nodeName"


def test_each_prober_finds_the_bonds_of_its_own_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each prober finds the cluster networks of its host by itself, so no manifest lists them."""
    prober = workloads()["prober"]
    for name, value in with_secrets(environment_of(prober), secret_files(prober), tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NADROUTE_HOST", "node1")
    assert dict(PROBER.settings_class().load())["uplinks"] == "auto"


def test_a_prober_may_finish_its_batch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The grace period is longer than DHCP's deadline, the gateway checks and the report together."""
    prober = workloads()["prober"]
    for name, value in with_secrets(environment_of(prober), secret_files(prober), tmp_path).items():
        monkeypatch.setenv(name, value)
    deadlines = [value for name, value in PROBER.settings_class().load() if name.endswith("_deadline_s")]
    assert deadlines
    assert pod_of(workloads()["prober"])["terminationGracePeriodSeconds"] >= sum(deadlines) + DISPATCH_S


def test_a_prober_takes_no_vms_place() -> None:
    """The prober's priority protects it from eviction but never evicts a pod, which could be a VM."""
    priority = of_kind("PriorityClass")["prober"]
    assert pod_of(workloads()["prober"])["priorityClassName"] == priority["metadata"]["name"]
    assert priority["value"] > 0
    assert priority["preemptionPolicy"] == "Never"
    assert not priority.get("globalDefault")


@pytest.mark.parametrize("name", ["watcher", "updater"])
def test_one_leads_and_another_stands_by(name: str) -> None:
    """On another node where possible, also during an update: pods of the former version do not count."""
    workload = workloads()[name]
    assert workload["spec"]["replicas"] == 2
    pod = pod_of(workload)
    (preferred,) = pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    term = preferred["podAffinityTerm"]
    assert term["labelSelector"] == workload["spec"]["selector"]
    assert term["matchLabelKeys"] == ["pod-template-hash"]
    (identity,) = [e for e in pod["containers"][0]["env"] if e["name"] == "NADROUTE_LEASE_IDENTITY"]
    assert identity["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


@pytest.mark.parametrize("name", ["watcher", "updater"])
def test_a_version_that_does_not_start_replaces_nothing(name: str) -> None:
    """A new pod has to be ready before an old one ends."""
    update = workloads()[name]["spec"]["strategy"]
    assert update == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


@pytest.mark.parametrize("name", ["watcher", "updater", "flower", "cli", "redis"])
def test_a_lost_node_is_left_after_30_s(name: str) -> None:
    """Kubernetes' own tolerations of 300 s would leave everything unwritten for 6 minutes."""
    tolerations = {
        toleration["key"]: toleration["tolerationSeconds"]
        for toleration in pod_of(workloads()[name])["tolerations"]
        if toleration["effect"] == "NoExecute"
    }
    assert tolerations == {"node.kubernetes.io/not-ready": 30, "node.kubernetes.io/unreachable": 30}
