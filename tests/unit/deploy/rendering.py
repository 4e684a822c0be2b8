"""The chart, rendered by a real Helm."""

import json
import subprocess
from functools import cache
from typing import Any

import yaml

from tests.support.programs import HELM
from tests.unit.deploy.reading import ROOT, Manifest

CHART = ROOT / "charts" / "nadroute"
POLICY = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"
EVERYTHING: dict[str, Any] = {
    "image": {
        "registry": "registry.example:5000/team",
        "tag": "9.9.9",
        "digests": {"prober": f"sha256:{'0' * 64}"},
        "pullPolicy": "Always",
        "pullSecrets": ["registry-login"],
    },
    "fullnameOverride": "other",
    "clusterDomain": "cluster.example",
    "settings": {"observe_only": True, "namespaces": ["a", "b"], "pace": 50, "log_level": "debug"},
    "prober": {"uplinks": {"mgmt": "eth0"}, "nodeSelector": {"a": "b"}, "priorityClass": True},
    "watcher": {
        "replicas": 3,
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "nodeSelector": {"a": "b"},
    },
    "networkPolicy": {"redisFrom": ["10.52.0.0/32", "10.52.1.0/32"]},
    "redis": {"persistence": {"enabled": True, "storageClass": "fast"}},
    "metrics": {
        "labels": {"release": "rancher-monitoring"},
        "podMonitor": {"enabled": True},
        "prometheusRule": {"enabled": True},
        "dashboard": {"enabled": True},
    },
}
"""Values that switch everything on which a default leaves off."""


Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Ten times as fast where it was built."""


class Refused(Exception):
    """Helm refused the values; the text is its own."""


def helm(*arguments: str, values: object = None) -> str:
    """Return what Helm prints; raise Refused. values: given as a file of values."""
    done = subprocess.run(
        [str(HELM), *arguments, *([] if values is None else ["--values", "-"])],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode != 0:
        raise Refused(done.stdout + done.stderr)
    return done.stdout


def rendered(
    values: object = None, *options: str, release: str = "nadroute", namespace: str = "nadroute"
) -> list[Manifest]:
    """Return the objects of a release, its hooks and tests among them."""
    given = json.dumps({} if values is None else values)
    return json.loads(_rendered(given, options, release, namespace))  # type: ignore[no-any-return]


@cache
def _rendered(values: str, options: tuple[str, ...], release: str, namespace: str) -> str:
    text = helm(
        "template", release, str(CHART), "--namespace", namespace, *options, values=json.loads(values)
    )
    return json.dumps([document for document in yaml.load_all(text, Loader) if document])


def pods(objects: list[Manifest]) -> dict[str, Manifest]:
    """Return every pod, or template of pods, by the name of its object."""
    found = {}
    for each in objects:
        if each["kind"] == "Pod":
            found[each["metadata"]["name"]] = {"metadata": each["metadata"], "spec": each["spec"]}
        elif "template" in each.get("spec", {}):
            found[each["metadata"]["name"]] = each["spec"]["template"]
    return found


def containers(pod: Manifest) -> list[Manifest]:
    """Return the containers of a pod, those that initialize it first."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
