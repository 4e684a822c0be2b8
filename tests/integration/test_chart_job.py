"""The chart's Job before an installation: its containers' own arguments, as a pod runs them."""

from typing import Any

import pytest
from kubernetes import client

from lab.kube import ApiServer
from tests.support.kube_api import Networks
from tests.unit.cli.running import Ran, run
from tests.unit.deploy.reading import Manifest
from tests.unit.deploy.rendering import EVERYTHING, containers, pods, rendered

pytestmark = pytest.mark.helm


def ran(monkeypatch: pytest.MonkeyPatch, container: Manifest, *more: str) -> Ran:
    """Run a container's command with its environment."""
    environment = {
        each["name"].removeprefix("NADROUTE_"): each["value"]
        for each in container.get("env", [])
        if each["name"].startswith("NADROUTE_")
    }
    return run(monkeypatch, *container["args"], *more, **environment)


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_the_settings_are_checked(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the values pass; one that the schema cannot know to be impossible is named."""
    prefix = values.get("fullnameOverride", "nadroute")
    settings, _ = containers(pods(rendered(values))[f"{prefix}-prepare"])
    assert ran(monkeypatch, settings).code == 0
    changed = {**values, "settings": {**values.get("settings", {}), "ask_window_s": 1_000_000}}
    settings, _ = containers(pods(rendered(changed))[f"{prefix}-prepare"])
    failed = ran(monkeypatch, settings)
    assert failed.code == 2
    assert "ask_window_s" in failed.err.lower()


def test_the_secret_has_what_the_pods_mount(
    server: ApiServer, networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made, left alone, and completed; with the verbs that the Job's role grants, and no others."""
    objects = rendered(namespace=networks.namespace)
    _, container = containers(pods(objects)["nadroute-prepare"])
    kubeconfig = ("--kubeconfig", str(networks.kubeconfig))
    assert ran(monkeypatch, container, *kubeconfig).code == 0
    api = client.CoreV1Api(networks.api)
    made = api.read_namespaced_secret("nadroute", networks.namespace).data
    mounted = {
        item["key"]
        for pod in pods(objects).values()
        for volume in pod["spec"].get("volumes", [])
        for item in volume.get("secret", {}).get("items", [])
    }
    assert mounted == made.keys()
    assert "nothing to change" in ran(monkeypatch, container, *kubeconfig).out
    api.patch_namespaced_secret("nadroute", networks.namespace, {"data": {"cli": None}})
    assert ran(monkeypatch, container, *kubeconfig).out.endswith(": cli, users.acl\n")
    (role,) = [
        each for each in objects if each["kind"] == "Role" and each["metadata"]["name"] == "nadroute-prepare"
    ]
    granted = {verb for rule in role["rules"] for verb in rule["verbs"]}
    ours = [each for each in server.requests if each.user_agent.startswith("nadroute/")]
    assert {each.resource for each in ours} == {"secrets"}
    assert {each.verb for each in ours} == granted
