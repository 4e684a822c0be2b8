"""The chart by real Helm on the lab's API server: installed, upgraded, rolled back and removed.

No kubelet runs there: what the Job before each change says is run here, by its own command lines.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from lab.kube import ApiServer
from lab.kube.installed import JOBS
from lab.kube.jsontypes import JsonObject, lookup
from lab.kube.resources import NAMESPACES, SECRETS, TABLE
from tests.support.programs import HELM
from tests.unit.deploy.rendering import CHART, POLICY, containers, rendered

pytestmark = pytest.mark.helm

NAMESPACE = "nadroute"
PATIENCE_S = 60.0
LOOK_S = 0.05
HOOK = "helm.sh/hook"
PREPARE = "system:serviceaccount:nadroute:nadroute-prepare"

Objects = dict[tuple[str, str], JsonObject]


class Cluster:
    """An API server, and Helm with its kubeconfig."""

    def __init__(self, api: ApiServer, folder: Path) -> None:
        self.api = api
        self._kubeconfig = api.kubeconfig(folder / "kubeconfig")
        self._as_prepare = api.kubeconfig(folder / "prepare", user=PREPARE)
        given = {
            key: value for key, value in os.environ.items() if not key.startswith(("NADROUTE_", "HELM_"))
        }
        self._environment = {**given, "HOME": str(folder), "KUBECONFIG": str(self._kubeconfig)}

    def helm(self, *arguments: str) -> tuple[int, str]:
        """Run Helm in the namespace, and meanwhile the Jobs that it makes; return exit code and output."""
        command = [str(HELM), *arguments, "--namespace", NAMESPACE]
        with subprocess.Popen(
            command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            deadline = time.monotonic() + PATIENCE_S
            while process.poll() is None:
                if time.monotonic() > deadline:
                    process.kill()
                self._run_jobs()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK_S)
            assert process.stdout is not None
            return process.returncode, process.stdout.read()

    def _run_jobs(self) -> None:
        for job in self.api.store.snapshot(JOBS).items:
            if not job.body.get("status"):
                template = cast("Any", job.body)["spec"]["template"]
                succeeds = all(self._run(each) for each in containers(template))
                self.api.store.change(JOBS, NAMESPACE, job.key.name, _ended(succeeds))

    def _run(self, container: Mapping[str, Any]) -> bool:
        """Run a container's command as its ServiceAccount; return whether it succeeds."""
        variables = {each["name"]: each["value"] for each in container.get("env", [])}
        given = {**self._environment, **variables, "NADROUTE_KUBECONFIG": str(self._as_prepare)}
        command = [sys.executable, "-m", "services.cli.main", *container["args"]]
        return subprocess.run(command, env=given, capture_output=True, check=False).returncode == 0

    def objects(self) -> Objects:
        """Return what is there by kind and name, except namespaces and what Helm notes for itself."""
        found = {
            (kind.kind, stored.key.name): stored.body
            for kind in TABLE
            if kind is not NAMESPACES
            for stored in self.api.store.snapshot(kind).items
        }
        return {key: body for key, body in found.items() if not key[1].startswith("sh.helm.release.")}

    def secret(self) -> JsonObject:
        """Return the content of the Secret of passwords."""
        return cast("JsonObject", self.objects()["Secret", "nadroute"]["data"])

    def lose(self, key: str) -> None:
        """Take a key out of the Secret."""

        def edit(body: JsonObject) -> JsonObject:
            data = cast("JsonObject", body["data"])
            return {**body, "data": {name: value for name, value in data.items() if name != key}}

        self.api.store.change(SECRETS, NAMESPACE, "nadroute", edit)

    def used_by_the_job(self) -> set[tuple[str, str, str]]:
        """Return verb, resource and, where it matters for a right, name of its requests so far."""
        ours = [each for each in self.api.requests if each.user_agent.startswith("nadroute")]
        return {(each.verb, each.resource, each.name if each.verb != "create" else "") for each in ours}


def granted_to_the_job() -> set[tuple[str, str, str]]:
    """Return verb, resource and name of what its Role grants."""
    roles = {each["metadata"]["name"]: each for each in rendered() if each["kind"] == "Role"}
    return {
        (verb, resource, name)
        for rule in roles["nadroute-prepare"]["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }


def _ended(succeeds: bool) -> Any:
    def edit(body: JsonObject) -> JsonObject:
        kind, at = ("Complete" if succeeds else "Failed"), "2026-01-01T00:00:00Z"
        count: JsonObject = {"succeeded": 1, "completionTime": at} if succeeds else {"failed": 1}
        return {
            **body,
            "status": {"startTime": at, **count, "conditions": [{"type": kind, "status": "True"}]},
        }

    return edit


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with ApiServer() as api:
        yield Cluster(api, tmp_path)


def of_the_release() -> set[tuple[str, str]]:
    """Return kind and name of what the chart leaves in a cluster."""
    objects = rendered(None, "--api-versions", POLICY)
    lasting = [each for each in objects if HOOK not in each["metadata"].get("annotations", {})]
    return {(each["kind"], each["metadata"]["name"]) for each in lasting}


def versions(objects: Objects) -> dict[tuple[str, str], object]:
    return {key: lookup(body, "metadata", "resourceVersion") for key, body in objects.items()}


def changed(before: Objects, after: Objects) -> set[tuple[str, str]]:
    """Return what of before is not there any more, or says something else."""
    return {
        key for key, body in before.items() if key not in after or specs(after)[key] != specs(before)[key]
    }


def specs(objects: Objects) -> dict[tuple[str, str], object]:
    return {key: body.get("spec", body.get("rules")) for key, body in objects.items()}


def test_a_release_from_its_installation_to_its_removal(cluster: Cluster) -> None:
    """The Secret is made once, completed, and never changed; the same values change nothing; a wrong setting
    stops an upgrade before anything is replaced; what is removed leaves the Secret alone. The Job uses each
    right that it is given, and no other.
    """
    install = ("install", "nadroute", str(CHART), "--create-namespace", "--server-side=false")
    upgrade = ("upgrade", "nadroute", str(CHART), "--server-side=false")
    code, said = cluster.helm(*install)
    assert (code, "STATUS: deployed" in said, "It writes nothing" in said) == (0, True, False), said
    first, secret = cluster.objects(), cluster.secret()
    made = {("Secret", "nadroute"), ("ServiceAccount", "default")} & first.keys()
    assert first.keys() - made == of_the_release()
    assert {"watcher", "updater", "prober", "flower", "cli", "page", "users.acl"} <= secret.keys()

    code, said = cluster.helm(*upgrade)
    assert code == 0, said
    assert versions(cluster.objects()) == versions(first)

    cluster.lose("users.acl")
    code, said = cluster.helm(*upgrade, "--set", "settings.pace=50,settings.observe_only=true")
    assert (code, "It writes nothing to any network" in said) == (0, True), said
    assert cluster.secret() == secret
    assert cluster.used_by_the_job() == granted_to_the_job()
    second = cluster.objects()
    replaced = changed(first, second)
    assert {("Deployment", "nadroute-watcher"), ("Deployment", "nadroute-updater")} <= replaced
    assert {kind for kind, _ in replaced} <= {"Deployment", "DaemonSet"}

    code, said = cluster.helm(*upgrade, "--set", "settings.ask_window_s=900")
    assert code != 0
    assert "nadroute-prepare" in said
    assert changed(second, cluster.objects()) == set()

    # Helm compares with the last revision, also if that was refused: so first back to the one that runs.
    for revision, as_then in (("3", second), ("1", first)):
        code, said = cluster.helm("rollback", "nadroute", revision, "--server-side=false")
        assert code == 0, said
        assert changed(as_then, cluster.objects()) == set()
    assert changed(first, cluster.objects()) == set()
    assert cluster.secret() == secret

    code, said = cluster.helm("uninstall", "nadroute")
    assert code == 0, said
    left = cluster.objects().keys() - {("ServiceAccount", "default")}
    assert {key for key in left if key[1] != "nadroute-prepare"} == {("Secret", "nadroute")}
    assert cluster.secret() == secret
