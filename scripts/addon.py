"""Prints what puts nadroute on Harvester as an Addon: python -m scripts.addon [--repo URL] [--registry …] …

Harvester's Addon takes a chart from a plain HTTP repository without credentials. With --repo, that of the
URL, and two objects are enough: a Namespace and the Addon. Without it, a repository that holds this chart is
served inside the cluster, for a site without a route to any other.
"""

import argparse
import base64
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "charts" / "nadroute"
HELM = Path(sys.executable).with_name("helm")
NAME = "nadroute"
"""Of the Addon, its namespace, and so of the release."""
REPOSITORY = "nadroute-charts"
PORT = 8080
LABELS = {"app.kubernetes.io/name": REPOSITORY, "app.kubernetes.io/part-of": NAME}
CONTENT = "nadroute.io/charts"
"""An annotation: a digest of what is served."""
LARGEST_BYTES = 1_000_000
"""Of a ConfigMap's content, which Kubernetes limits to 1 MiB."""

Object = dict[str, Any]


def objects(
    *, repo: str = "", registry: str = "", redis_image: str = "", observe_only: bool = False
) -> list[Object]:
    """Return the objects in the order in which to apply them.

    repo: URL of a chart repository; empty: one inside the cluster. registry: of the images, with the owner;
    empty: the chart's default. redis_image: Redis' as NAME:TAG, such as one that was imported into the nodes,
    where no digest finds it; empty: the chart's default, by digest.
    """
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    values: Object = {"image": {"registry": registry}} if registry else {}
    if redis_image:
        repository, _, tag = redis_image.rpartition(":")
        if not repository or "/" in tag:
            raise SystemExit(f"--redis-image {redis_image!r}: expected NAME:TAG")
        values["redis"] = {"image": {"repository": repository, "tag": tag, "digest": ""}}
    if observe_only:
        values["settings"] = {"observe_only": True}
    namespace = yaml.safe_load((ROOT / "k8s" / "namespace.yaml").read_text())
    inside = [] if repo else _repository(registry or _default_registry(), chart["appVersion"])
    addon = {
        "apiVersion": "harvesterhci.io/v1beta1",
        "kind": "Addon",
        "metadata": {
            "name": NAME,
            "namespace": NAME,
            "labels": {"addon.harvesterhci.io/experimental": "true"},
        },
        "spec": {
            "repo": repo or f"http://{REPOSITORY}.{NAME}.svc",
            "chart": chart["name"],
            "version": chart["version"],
            "enabled": True,
            "valuesContent": yaml.safe_dump(values) if values else "",
        },
    }
    return [namespace, *inside, addon]


def _default_registry() -> str:
    return str(yaml.safe_load((CHART / "values.yaml").read_text())["image"]["registry"])


def _repository(registry: str, version: str) -> list[Object]:
    """Return the objects that serve this chart: its files in a ConfigMap, and a web server of files."""
    metadata = {"name": REPOSITORY, "namespace": NAME, "labels": LABELS}
    files = packaged()
    size = sum(map(len, files.values()))
    if size > LARGEST_BYTES:
        raise SystemExit(f"the chart has {size} bytes; expected at most {LARGEST_BYTES}, for a ConfigMap")
    digest = hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest()[:16]
    probe = {"httpGet": {"path": "/index.yaml", "port": "http"}, "periodSeconds": 10, "timeoutSeconds": 5}
    container = {
        "name": "charts",
        "image": f"{registry}/nadroute-cli:{version}",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "http.server", str(PORT), "--directory", "/charts"],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": probe,
        "livenessProbe": probe,
        "resources": {"requests": {"cpu": "5m", "memory": "24Mi"}, "limits": {"memory": "96Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "charts", "mountPath": "/charts", "readOnly": True}],
    }
    away = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
    pod = {
        "automountServiceAccountToken": False,
        # As the chart's own pods: started elsewhere when its node is away for 30 s, not after 300 s.
        "tolerations": [{"key": f"node.kubernetes.io/{key}", **away} for key in ("not-ready", "unreachable")],
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "charts", "configMap": {"name": REPOSITORY}}],
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "binaryData": {name: base64.b64encode(data).decode() for name, data in files.items()},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": LABELS},
                # Another chart is another pod: an Addon of a new version finds its chart at once.
                "template": {"metadata": {"labels": LABELS, "annotations": {CONTENT: digest}}, "spec": pod},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": LABELS, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        },
    ]


def packaged() -> dict[str, bytes]:
    """Return the files of a chart repository that holds this chart, by name."""
    with tempfile.TemporaryDirectory() as folder:
        for command in (["package", str(CHART), "--destination", folder], ["repo", "index", folder]):
            done = subprocess.run([str(HELM), *command], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise SystemExit(done.stderr.strip())
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def main() -> int:
    """Print the objects as YAML."""
    parser = argparse.ArgumentParser(prog="python -m scripts.addon", description=__doc__)
    parser.add_argument("--repo", default="", help="URL of a chart repository; default: one in the cluster")
    parser.add_argument("--registry", default="", help="registry and owner of the images")
    parser.add_argument(
        "--redis-image", default="", help="NAME:TAG of Redis' image, where no digest finds it"
    )
    parser.add_argument("--observe-only", action="store_true", help="write nothing to any network at first")
    given = parser.parse_args()
    made = objects(
        repo=given.repo,
        registry=given.registry,
        redis_image=given.redis_image,
        observe_only=given.observe_only,
    )
    # Copied, so that no object refers to what stands in another place.
    print(yaml.safe_dump_all(json.loads(json.dumps(made)), sort_keys=False), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
