"""The deployment files as data: manifests, the Compose file with its variables, the Dockerfile."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[3]
MANIFESTS = ROOT / "k8s"
REDIS_CONF = ROOT / "charts" / "nadroute" / "files" / "redis.conf"
FIELDS = {"spec.nodeName": "node1", "status.podIP": "10.52.0.7", "metadata.name": "updater-5d8f7-x2x9z"}
"""What the downward API says of a pod."""

Manifest = dict[str, Any]

COMPOSE_VARIABLES = {
    "KUBECONFIG_FILE": "/home/somebody/.kube/config",
    "PROBER_HOST": "node1",
    "PROBER_UPLINKS": '{"extra":"extra-bo"}',
}
"""The variables that a site must set for the Compose file."""


def kustomization() -> Manifest:
    loaded: Manifest = yaml.safe_load((MANIFESTS / "kustomization.yaml").read_text())
    return loaded


def manifests() -> list[Manifest]:
    """Return every document of every file that the kustomization lists."""
    return [
        document
        for name in kustomization()["resources"]
        for document in yaml.safe_load_all((MANIFESTS / name).read_text())
    ]


def of_kind(kind: str, among: Iterable[Manifest] | None = None) -> dict[str, Manifest]:
    """Return the manifests of a kind by name without the release's prefix, among these or those of k8s/."""
    return {
        m["metadata"]["name"].removeprefix("nadroute-"): m
        for m in (manifests() if among is None else among)
        if m["kind"] == kind
    }


def workloads(among: Iterable[Manifest] | None = None) -> dict[str, Manifest]:
    """Return every manifest that keeps pods running, among these or those of k8s/."""
    found = list(manifests() if among is None else among)
    return of_kind("Deployment", found) | of_kind("DaemonSet", found) | of_kind("StatefulSet", found)


def pod_of(workload: Manifest) -> Manifest:
    pod: Manifest = workload["spec"]["template"]["spec"]
    return pod


def container_of(workload: Manifest) -> Manifest:
    """Return the pod's only container."""
    pod = pod_of(workload)
    assert "initContainers" not in pod
    (container,) = pod["containers"]
    found: Manifest = container
    return found


def environment_of(workload: Manifest) -> dict[str, str]:
    """Return the container's environment as a kubelet sets it."""
    found: dict[str, str] = {}
    for variable in container_of(workload)["env"]:
        source = variable.get("valueFrom", {})
        assert variable["name"] not in found
        found[variable["name"]] = FIELDS[source["fieldRef"]["fieldPath"]] if source else variable["value"]
    return found


def secret_files(workload: Manifest) -> dict[str, str]:
    """Return the files of the Secret that the container has: its path to the Secret's key."""
    volumes = {volume["name"]: items_of_secrets(volume) for volume in pod_of(workload)["volumes"]}
    return {
        f"{mount['mountPath']}/{item['path']}": item["key"]
        for mount in container_of(workload)["volumeMounts"]
        for item in volumes[mount["name"]]
    }


def items_of_secrets(volume: Manifest) -> list[dict[str, str]]:
    """Return what of Secrets is in a volume, except what need not be there."""
    sources = [volume, *volume.get("projected", {}).get("sources", [])]
    given = [each["secret"] for each in sources if "secret" in each]
    return [item for secret in given if not secret.get("optional") for item in secret["items"]]


def rights_of(account: str) -> set[tuple[str, str, str, str]]:
    """Return (kind of role, API group, resource, verb) of everything bound to this ServiceAccount."""
    found = set()
    for binding in [*of_kind("RoleBinding").values(), *of_kind("ClusterRoleBinding").values()]:
        if any(subject["name"] == f"nadroute-{account}" for subject in binding["subjects"]):
            kind = binding["roleRef"]["kind"]
            for rule in of_kind(kind)[binding["roleRef"]["name"].removeprefix("nadroute-")]["rules"]:
                found |= {
                    (kind, group, resource, verb)
                    for group in rule["apiGroups"]
                    for resource in rule["resources"]
                    for verb in rule["verbs"]
                }
    return found


def with_secrets(variables: Mapping[str, str], files: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the variables with secrets in this folder, where the content of each says its key."""
    found = dict(variables)
    for name, value in variables.items():
        if name.endswith("_FILE"):
            key = files[value]
            (folder / key).write_text(f"secret-of-{key}")
            found[name] = str(folder / key)
    return found


def compose(variables: Mapping[str, str] = COMPOSE_VARIABLES) -> Manifest:
    """Return the Compose file, interpolated. Raises KeyError for a missing variable without a default."""
    loaded: Manifest = _interpolated(yaml.safe_load((ROOT / "compose.yaml").read_text()), variables)
    return loaded


def _interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    def put_in(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        name, sign, default = match["name"], match["sign"], match["rest"]
        if variables.get(name):
            return variables[name]
        if sign == ":-":
            return str(default)
        raise KeyError(name)

    if isinstance(value, dict):
        return {key: _interpolated(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [_interpolated(item, variables) for item in value]
    if isinstance(value, str):
        return re.sub(r"\$\$|\$\{(?P<name>\w+)(?:(?P<sign>:[-?])(?P<rest>[^}]*))?\}", put_in, value)
    return value


def dockerfile() -> list[tuple[str, str]]:
    """Return (instruction, arguments) in order, with continuation lines joined and without comments."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines) if word]


class Stage(NamedTuple):
    """A stage of the Dockerfile."""

    base: str
    instructions: list[tuple[str, str]]


def stages() -> dict[str, Stage]:
    """Return the stages of the Dockerfile by name."""
    found: dict[str, Stage] = {}
    stage = Stage("", [])
    for word, rest in dockerfile():
        if word == "FROM":
            base, name = rest.split(" AS ")
            stage = found[name] = Stage(base, [])
        else:
            stage.instructions.append((word, rest))
    return found


def all_images() -> Iterator[str]:
    """Yield every image that is pulled or built, with its deployed tag."""
    tags = {image["name"]: f"{image['newName']}:{image['newTag']}" for image in kustomization()["images"]}
    for workload in workloads().values():
        image: str = container_of(workload)["image"]
        yield tags.get(image.partition(":")[0], image)
    for service in compose()["services"].values():
        yield service["image"]
    yield from (
        rest.removeprefix("PYTHON_IMAGE=") for word, rest in dockerfile() if word == "ARG" and "=" in rest
    )
