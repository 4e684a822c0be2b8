"""The manifests are valid for Kubernetes, and consistent."""

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from kubernetes.client import models

from scripts import render_manifests
from services.version import __version__
from tests.support.programs import KUBECTL
from tests.unit.deploy.reading import (
    MANIFESTS,
    ROOT,
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
    """Every manifest in the folder is applied, and the kustomization names files alone."""
    listed = {*kustomization()["resources"], "kustomization.yaml"}
    assert {path.name for path in MANIFESTS.iterdir()} == listed


@pytest.mark.helm
def test_the_manifests_are_what_the_chart_says() -> None:
    """`make manifests` would change nothing."""
    assert render_manifests.differing() == []


@pytest.mark.kubectl
def test_kustomize_puts_everything_in_one_namespace() -> None:
    """`kubectl kustomize` renders each resource of the files, in the namespace, with its image's tag."""
    made = subprocess.run(
        [str(KUBECTL), "kustomize", str(MANIFESTS)], capture_output=True, text=True, check=True, timeout=60
    )
    documents = list(yaml.safe_load_all(made.stdout))
    assert {(d["kind"], d["metadata"]["name"]) for d in documents} == {
        (m["kind"], m["metadata"]["name"]) for m in manifests()
    }
    cluster_wide = {"Namespace", "PriorityClass", "ClusterRole", "ClusterRoleBinding"}
    for document in documents:
        expected = None if document["kind"] in cluster_wide else "nadroute"
        assert document["metadata"].get("namespace") == expected
    for name, workload in workloads(documents).items():
        if name != "redis":
            assert container_of(workload)["image"] == f"localhost/nadroute-{name}:{__version__}"


def test_chart_and_package_have_one_version() -> None:
    """The chart, and the images that it and the README name, are those of this version of the package."""
    chart = yaml.safe_load((ROOT / "charts" / "nadroute" / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
    named = re.findall(r"/nadroute-\S+?:([^\s;]+)", (ROOT / "README.md").read_text())
    assert set(named) == {__version__}


def test_the_kustomization_sets_every_image_of_ours() -> None:
    """A registry of the site's own is named in one file."""
    ours = {container_of(workload)["image"] for name, workload in workloads().items() if name != "redis"}
    assert {f"{image['name']}:{image['newTag']}" for image in kustomization()["images"]} == ours


def test_every_image_is_pinned() -> None:
    """Each image names a version, so that the same files start the same programs later."""
    images = set(all_images())
    assert f"localhost/nadroute-updater:{__version__}" in images
    for image in images:
        assert re.fullmatch(r"[a-z0-9./-]+:\d+(\.\d+)+(-[a-z0-9.-]+)?(@sha256:[0-9a-f]{64})?", image), image


def test_selectors_find_their_pods() -> None:
    """Every workload selects its own pods, and every Service and policy those of one workload."""
    labels, selectors = {}, {}
    for name, workload in workloads().items():
        labels[name] = workload["spec"]["template"]["metadata"]["labels"]
        selectors[name] = workload["spec"]["selector"]["matchLabels"]
        found = [one for one, those in labels.items() if selectors[name].items() <= those.items()]
        assert found == [name]
    for name, service in of_kind("Service").items():
        assert service["spec"]["selector"] == selectors[name]
        ports = {port["name"] for port in container_of(workloads()[name])["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    (rule,) = of_kind("NetworkPolicy")["redis"]["spec"]["ingress"]
    everyone = rule["from"][0]["podSelector"]["matchLabels"].items()
    assert all(everyone <= those.items() for those in labels.values())


def test_what_a_pod_names_exists() -> None:
    """The accounts and volumes of a pod exist here; only the Secret comes from the operator."""
    accounts = {account["metadata"]["name"] for account in of_kind("ServiceAccount").values()}
    maps = {each["metadata"]["name"] for each in of_kind("ConfigMap").values()}
    for workload in workloads().values():
        pod, container = pod_of(workload), container_of(workload)
        assert pod.get("serviceAccountName") in {None, *accounts}
        assert {mount["name"] for mount in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
        assert {v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v} <= maps
        assert {v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v} <= {"nadroute"}
        projected = [s for v in pod["volumes"] for s in v.get("projected", {}).get("sources", [])]
        assert {s["secret"]["name"] for s in projected if "secret" in s} <= {"nadroute"}


def test_no_password_lies_in_the_files() -> None:
    """No file contains a Secret with a password that every installation would share."""
    assert of_kind("Secret") == {}
    assert "secretGenerator" not in kustomization()


def test_a_probe_only_where_something_real_answers() -> None:
    """Each part says by itself that it has started, that it runs, and that it is ready."""
    probes = {
        (name, probe)
        for name, workload in workloads().items()
        for probe in container_of(workload)
        if probe.endswith("Probe")
    }
    # In the pod of the commands nothing runs that could answer.
    services = set(workloads()) - {"cli"}
    assert probes == {(name, probe) for name in services for probe in (*PROBES, "startupProbe")}
