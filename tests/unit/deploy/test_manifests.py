"""The manifests are valid for Kubernetes, and consistent."""

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from kubernetes.client import models

from services.version import __version__
from tests.support.programs import KUBECTL
from tests.unit.deploy.reading import (
    BASE,
    Manifest,
    all_images,
    container_of,
    kustomization,
    manifests,
    of_kind,
    pod_of,
    workloads,
)

PROBES = ("readinessProbe", "livenessProbe")


def _unknown_fields(value: Any, kind: str, path: str) -> Iterator[str]:
    """Yield the paths that a type of the official client does not have, or has with another type."""
    listed, mapped = re.fullmatch(r"List\[(.*)\]", kind), re.fullmatch(r"Dict\[str, ?(.*)\]", kind)
    if listed:
        if not isinstance(value, list):
            yield f"{path}: expected a list"
            return
        for index, item in enumerate(value):
            yield from _unknown_fields(item, listed[1], f"{path}[{index}]")
    elif mapped:
        if not isinstance(value, dict):
            yield f"{path}: expected a mapping"
            return
        for key, item in value.items():
            yield from _unknown_fields(item, mapped[1], f"{path}.{key}")
    elif kind in ("str", "int", "bool"):
        if type(value).__name__ != kind:
            yield f"{path}: expected {kind}, got {value!r}"
    elif kind != "object":
        yield from _unknown_model_fields(value, getattr(models, kind), path)


def _unknown_model_fields(value: Any, model: Any, path: str) -> Iterator[str]:
    names = {wire: name for name, wire in model.attribute_map.items()}
    if not isinstance(value, dict):
        yield f"{path}: expected a mapping"
        return
    for key, item in value.items():
        if key in names:
            yield from _unknown_fields(item, model.openapi_types[names[key]], f"{path}.{key}")
        else:
            yield f"{path}.{key}: no such field"


@pytest.mark.parametrize("manifest", manifests(), ids=lambda m: f"{m['kind']}-{m['metadata']['name']}")
def test_every_field_is_one_that_kubernetes_has(manifest: Manifest) -> None:
    """Every field is known: the API server would silently drop a misspelt or misplaced one."""
    kind = {"Event": "CoreV1Event"}.get(manifest["kind"], f"V1{manifest['kind']}")
    assert hasattr(models, kind)
    assert list(_unknown_fields(manifest, kind, manifest["kind"])) == []


def test_a_misspelt_field_is_found() -> None:
    """The check finds an unknown field and a wrong type deep inside a manifest."""
    wrong = {"spec": {"template": {"spec": {"hostNetwork": "yes", "containers": [{"nam": "x"}]}}}}
    assert list(_unknown_fields(wrong, "V1DaemonSet", "DaemonSet")) == [
        "DaemonSet.spec.template.spec.hostNetwork: expected bool, got 'yes'",
        "DaemonSet.spec.template.spec.containers[0].nam: no such field",
    ]


def test_every_file_is_part_of_the_deployment() -> None:
    """Every manifest in the folder is applied."""
    listed = {*kustomization()["resources"], "kustomization.yaml"}
    assert {path.name for path in BASE.glob("*.yaml")} == listed


@pytest.mark.kubectl
def test_kustomize_puts_everything_in_one_namespace() -> None:
    """`kubectl kustomize` renders each resource of the files, in the namespace, with its image's tag."""
    made = subprocess.run(
        [str(KUBECTL), "kustomize", str(BASE.parent)], capture_output=True, text=True, check=True, timeout=60
    )
    documents = list(yaml.safe_load_all(made.stdout))
    made_here = {d["metadata"]["name"] for d in documents if d["kind"] == "ConfigMap"}
    others = {(d["kind"], d["metadata"]["name"]) for d in documents if d["kind"] != "ConfigMap"}
    assert others == {(m["kind"], m["metadata"]["name"]) for m in manifests()}
    assert sorted(name.rpartition("-")[0] for name in made_here) == ["prober", "redis", "settings"]

    cluster_wide = {"Namespace", "PriorityClass", "ClusterRole", "ClusterRoleBinding"}
    for document in documents:
        expected = None if document["kind"] in cluster_wide else "nadroute"
        assert document["metadata"].get("namespace") == expected
    for document in documents:
        if document["kind"] in ("Deployment", "DaemonSet"):
            container = container_of(document)
            assert container["image"] == f"nadroute:{__version__}"
            assert {source["configMapRef"]["name"] for source in container["envFrom"]} <= made_here


def test_every_image_is_pinned() -> None:
    """Each image names a version, so that the same files start the same programs later."""
    images = set(all_images())
    assert f"nadroute:{__version__}" in images
    for image in images:
        assert re.fullmatch(r"[a-z0-9./-]+:\d+(\.\d+)+(-[a-z0-9.-]+)?", image), image


def test_selectors_find_their_pods() -> None:
    """Every workload selects its own pods, and every Service and policy those of one workload."""
    labels = {}
    for name, workload in workloads().items():
        labels[name] = workload["spec"]["template"]["metadata"]["labels"]
        assert workload["spec"]["selector"]["matchLabels"] == labels[name]
    assert len({str(found) for found in labels.values()}) == len(labels)
    for name, service in of_kind("Service").items():
        assert service["spec"]["selector"] == labels[name]
        ports = {port["name"] for port in container_of(workloads()[name])["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    (rule,) = of_kind("NetworkPolicy")["redis"]["spec"]["ingress"]
    (expression,) = rule["from"][0]["podSelector"]["matchExpressions"]
    assert set(expression["values"]) == {"watcher", "updater", "flower"}
    assert {found[expression["key"]] for found in labels.values()} >= set(expression["values"])


def test_what_a_pod_names_exists() -> None:
    """The accounts and volumes of a pod exist here; only the Secret comes from the operator."""
    generators = [g for folder in (BASE, BASE.parent) for g in kustomization(folder)["configMapGenerator"]]
    names = {generator["name"] for generator in generators}
    for workload in workloads().values():
        pod, container = pod_of(workload), container_of(workload)
        if "serviceAccountName" in pod:
            assert pod["serviceAccountName"] in of_kind("ServiceAccount")
        volumes = {volume["name"] for volume in pod["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
        assert {v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v} <= names
        assert {source["configMapRef"]["name"] for source in container.get("envFrom", [])} <= names


def test_no_password_lies_in_the_files() -> None:
    """No file contains a Secret with a password that every installation would share."""
    assert of_kind("Secret") == {}
    for folder in (BASE, BASE.parent):
        assert "secretGenerator" not in kustomization(folder)


def test_a_probe_only_where_something_real_answers() -> None:
    """Each service has checks of its own; Flower's is only that it runs."""
    probes = {
        (name, probe)
        for name, workload in workloads().items()
        for probe in container_of(workload)
        if probe.endswith("Probe")
    }
    both = {(name, probe) for name in ("redis", "watcher", "prober", "updater") for probe in PROBES}
    assert probes == {*both, ("flower", "readinessProbe")}
