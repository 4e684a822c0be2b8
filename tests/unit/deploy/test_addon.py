"""Harvester's Addon, and the chart repository that is served in the cluster for it."""

import base64
import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import addon
from tests.unit.deploy.rendering import CHART, Refused, helm, pods, rendered

pytestmark = pytest.mark.helm


@pytest.fixture(scope="module")
def objects() -> dict[str, dict[str, Any]]:
    """The objects of a site without a route to a repository, by kind."""
    return {each["kind"]: each for each in addon.objects()}


@pytest.fixture(scope="module")
def repository(objects: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the repository, served as in the pod: a web server of the ConfigMap's files."""
    folder = tmp_path_factory.mktemp("charts")
    for name, content in objects["ConfigMap"]["binaryData"].items():
        (folder / name).write_bytes(base64.b64decode(content))
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with contextlib.ExitStack() as ended:
            ended.callback(thread.join)
            ended.callback(server.shutdown)
            yield f"http://127.0.0.1:{server.server_port}"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, *_: object) -> None:
        pass


def test_helm_installs_from_the_repository(
    repository: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Harvester's job does, by the repository's URL and the chart's version: it is the chart here."""
    monkeypatch.setenv("HOME", str(tmp_path))
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    helm("repo", "add", "site", repository)
    text = helm("template", "nadroute", "site/nadroute", "--version", version, "--namespace", "nadroute")
    assert [each for each in yaml.safe_load_all(text) if each] == rendered()
    with pytest.raises(Refused):
        helm("template", "nadroute", "site/nadroute", "--version", "9.9.9")


def test_the_addon_names_that_repository(objects: dict[str, dict[str, Any]]) -> None:
    """By plain HTTP and without credentials, as Harvester takes it, at the Service in its own namespace."""
    made, service = objects["Addon"], objects["Service"]
    spec = made["spec"]
    namespace = objects["Namespace"]["metadata"]["name"]
    assert made["apiVersion"] == "harvesterhci.io/v1beta1"
    assert set(spec) == {"repo", "chart", "version", "enabled", "valuesContent"}
    assert spec["repo"] == f"http://{service['metadata']['name']}.{namespace}.svc"
    assert {each["metadata"]["namespace"] for kind, each in objects.items() if kind != "Namespace"} == {
        namespace
    }
    (port,) = service["spec"]["ports"]
    pod = objects["Deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert port["port"] == 80
    assert port["targetPort"] in {each["name"] for each in container["ports"]}
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()


def test_two_objects_are_enough_for_a_repository_of_the_sites_own() -> None:
    """Its values pass the chart's schema."""
    namespace, made = addon.objects(repo="http://charts.example", registry="reg.example/x", observe_only=True)
    assert (namespace["kind"], made["kind"]) == ("Namespace", "Addon")
    values = yaml.safe_load(made["spec"]["valuesContent"])
    text = str(rendered(values))
    assert "reg.example/x/nadroute-updater" in text
    assert "NADROUTE_OBSERVE_ONLY" in text


def test_an_imported_image_of_redis_is_named_without_a_digest() -> None:
    """No digest finds an image that was loaded from an archive; one without a tag is refused."""
    made = addon.objects(repo="http://charts.example", redis_image="reg.example:5000/valkey:9")[-1]
    text = str(rendered(yaml.safe_load(made["spec"]["valuesContent"])))
    assert "'reg.example:5000/valkey:9'" in text
    for name in ("valkey", "reg.example:5000/valkey"):
        with pytest.raises(SystemExit, match=f"'{name}': expected NAME:TAG"):
            addon.objects(redis_image=name)


def test_the_repository_is_confined(objects: dict[str, dict[str, Any]]) -> None:
    """It passes the level `restricted`, has no token and mounts nothing but the chart."""
    spec = objects["Deployment"]["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert [set(volume) for volume in spec["volumes"]] == [{"name", "configMap"}]
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_another_chart_is_served_by_another_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod that has the former chart still would not have the version that the Addon asks for. The pod
    leaves a node that is away as soon as the chart's own do.
    """
    pods_ = []
    for content in (b"one", b"one", b"other"):
        monkeypatch.setattr(addon, "packaged", lambda content=content: {"nadroute-0.1.0.tgz": content})
        (deployment,) = (each for each in addon.objects() if each["kind"] == "Deployment")
        pods_.append(deployment["spec"]["template"])
    assert pods_[0] == pods_[1] != pods_[2]
    chart = pods(rendered())["nadroute-updater"]["spec"]["tolerations"]
    assert sorted(map(str, pods_[0]["spec"]["tolerations"])) == sorted(map(str, chart))


def test_a_chart_that_no_configmap_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes refuses a larger one than 1 MiB."""
    monkeypatch.setattr(addon, "packaged", lambda: {"nadroute-0.1.0.tgz": b"x" * 1_100_000})
    with pytest.raises(SystemExit, match="1100000 bytes; expected at most 1000000"):
        addon.objects()
