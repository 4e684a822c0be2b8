"""kubectl against the cluster: everything that the demo tells a user to try."""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from lab.kube import ApiServer, HarvesterAdmission
from lab.kube.resources import NADS
from tests.support.kube_api import ROUTE, Networks, cluster_networks, config_json, lab_networks, network
from tests.support.programs import KUBECTL

pytestmark = pytest.mark.kubectl
MANIFEST = """\
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata:
  name: {name}
spec:
  config: '{config}'
"""


class Kubectl:
    """kubectl with the kubeconfig and namespace of a test."""

    def __init__(self, networks: Networks, folder: Path) -> None:
        self.networks = networks
        self.folder = folder

    def run(self, *arguments: str, editor: str = "false") -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        environment = {**os.environ, "EDITOR": editor, "KUBE_EDITOR": editor, "HOME": str(self.folder)}
        command = [str(KUBECTL), f"--kubeconfig={self.networks.kubeconfig}", *arguments]
        if "-A" not in arguments:
            command.append(f"--namespace={self.networks.namespace}")
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, env=environment, check=False, cwd=self.folder
        )

    def __call__(self, *arguments: str, editor: str = "false") -> str:
        """Run it; its output; a failure is an AssertionError with what it said."""
        done = self.run(*arguments, editor=editor)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def manifest(self, name: str, *, vlan: int = 7) -> str:
        """The path of a manifest."""
        path = self.folder / f"{name}.yaml"
        path.write_text(MANIFEST.format(name=name, config=config_json(vlan)))
        return str(path)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Networks]:
    """A namespace in a cluster."""
    with cluster_networks(Path(tmp_path_factory.mktemp("kube"))) as found:
        yield found


@pytest.fixture
def kubectl(networks: Networks, tmp_path: Path) -> Kubectl:
    """kubectl in that namespace."""
    return Kubectl(networks, tmp_path)


@pytest.fixture
def name(networks: Networks) -> str:
    """The name of a network that exists."""
    made = f"n-{uuid.uuid4().hex[:6]}"
    networks.create(network(made, annotations={ROUTE: '{"mode":"auto"}'}))
    return made


def test_apply_creates_changes_and_leaves_alone(kubectl: Kubectl) -> None:
    """apply says created, then unchanged, then configured, with its validation on."""
    assert "created" in kubectl("apply", "-f", kubectl.manifest("applied"))
    assert "unchanged" in kubectl("apply", "-f", kubectl.manifest("applied"))
    assert "configured" in kubectl("apply", "-f", kubectl.manifest("applied", vlan=8))
    assert json.loads(kubectl.networks.get("applied")["spec"]["config"])["vlan"] == 8


def test_get_knows_the_names_of_the_resource(kubectl: Kubectl, name: str) -> None:
    """The plural, the singular and the short name all work, and -A shows the namespace."""
    for resource in ("network-attachment-definitions", "network-attachment-definition", "net-attach-def"):
        assert name in kubectl("get", resource)
    assert kubectl.networks.namespace in kubectl("get", "net-attach-def", "-A")


def test_get_yaml_is_the_object(kubectl: Kubectl, name: str) -> None:
    """-o json is what the API has; -o yaml has its annotation; jsonpath reads a field."""
    shown = kubectl("get", "net-attach-def", name, "-o", "json", "--show-managed-fields")
    assert json.loads(shown) == kubectl.networks.get(name)
    assert ROUTE in kubectl("get", "net-attach-def", name, "-o", "yaml")
    path = "jsonpath={.metadata.annotations." + ROUTE.replace(".", "\\.") + "}"
    assert kubectl("get", "net-attach-def", name, "-o", path) == '{"mode":"auto"}'


def test_get_watches(kubectl: Kubectl, name: str) -> None:
    """-w shows what is there and then what happens."""
    command = [str(KUBECTL), f"--kubeconfig={kubectl.networks.kubeconfig}", "-n", kubectl.networks.namespace]
    # A list, for kubectl leaves out the first event of a watch on a name, whatever it tells.
    command += ["get", "net-attach-def", f"--field-selector=metadata.name={name}", "-w", "-o", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            seen = ""
            while name not in seen:
                seen += process.stdout.readline()
            kubectl.networks.annotate(name, shown="live")
            while "shown" not in seen:
                line = process.stdout.readline()
                assert line, "the watch ended"
                seen += line
        finally:
            process.terminate()


def test_annotate_sets_overwrites_and_removes(kubectl: Kubectl, name: str) -> None:
    """annotate refuses to overwrite unasked, overwrites when asked, and removes."""
    assert kubectl.run("annotate", "net-attach-def", name, f"{ROUTE}=x").returncode != 0
    kubectl("annotate", "--overwrite", "net-attach-def", name, f'{ROUTE}={{"mode":"auto","cidr":""}}')
    assert kubectl.networks.get(name)["metadata"]["annotations"][ROUTE] == '{"mode":"auto","cidr":""}'
    kubectl("annotate", "net-attach-def", name, f"{ROUTE}-")
    assert ROUTE not in kubectl.networks.get(name)["metadata"].get("annotations", {})


def test_label_and_select(kubectl: Kubectl, name: str) -> None:
    """label sets a label that -l selects by."""
    kubectl("label", "net-attach-def", name, f"lab={name}")
    assert kubectl("get", "net-attach-def", "-l", f"lab={name}", "-o", "name").count("\n") == 1


def test_edit_writes_what_the_editor_leaves(kubectl: Kubectl, name: str) -> None:
    """edit fetches, runs the editor and patches."""
    script = kubectl.folder / "editor"
    script.write_text('#!/bin/sh\nexec sed -i \'s/"auto"/"manual"/\' "$1"\n')
    script.chmod(0o700)
    assert "edited" in kubectl("edit", "net-attach-def", name, editor=str(script))
    assert kubectl.networks.get(name)["metadata"]["annotations"][ROUTE] == '{"mode":"manual"}'


def test_describe_shows_the_events(kubectl: Kubectl, name: str) -> None:
    """describe shows the object and its Events, get events too."""
    core = client.CoreV1Api(kubectl.networks.api)
    uid = kubectl.networks.get(name)["metadata"]["uid"]
    involved = client.V1ObjectReference(
        kind="NetworkAttachmentDefinition", namespace=kubectl.networks.namespace, name=name, uid=uid
    )
    core.create_namespaced_event(
        kubectl.networks.namespace,
        client.CoreV1Event(
            metadata=client.V1ObjectMeta(generate_name=f"{name}."),
            involved_object=involved,
            reason="BecameActive",
            message="the gateway answers",
            type="Normal",
        ),
    )
    described = kubectl("describe", "net-attach-def", name)
    assert "mgmt-br" in described
    assert "BecameActive" in described
    assert "the gateway answers" in kubectl("get", "events")


def test_delete_waits_until_it_is_gone(kubectl: Kubectl, name: str) -> None:
    """delete returns when the object is gone."""
    assert "deleted" in kubectl("delete", "net-attach-def", name)
    assert kubectl.run("get", "net-attach-def", name).returncode != 0


def test_a_namespace_is_made_and_deleted(kubectl: Kubectl) -> None:
    """create namespace (which kubectl sends as protobuf) and delete namespace work."""
    made = f"{kubectl.networks.namespace}-made"
    assert "created" in kubectl("create", "namespace", made)
    assert "Active" in kubectl("get", "namespace", made)
    assert "deleted" in kubectl("delete", "namespace", made)


def test_a_denial_reaches_the_user(tmp_path: Path) -> None:
    """What the webhook says is what kubectl prints, and -o wide shows VLAN and connectivity."""
    with (
        ApiServer(admission=HarvesterAdmission()) as server,
        lab_networks(server, tmp_path) as found,
    ):
        kubectl = Kubectl(found, tmp_path)
        route = '{"mode":"auto","cidr":"10.0.0.0/24","gateway":"10.0.0.1","connectivity":"true"}'
        found.create(network("a", vlan=77, annotations={ROUTE: route}))
        wide = kubectl("get", "net-attach-def", "-o", "wide")
        assert wide.split()[-2:] == ["77", "true"]
        denied = kubectl.run("annotate", "--overwrite", "net-attach-def", "a", f'{ROUTE}={{"mode":"manual"}}')
        assert 'admission webhook "validator.harvesterhci.io" denied the request' in denied.stderr


def test_pages_of_a_long_table(tmp_path: Path) -> None:
    """kubectl puts a list together from pages of 500 rows."""
    with ApiServer() as server, lab_networks(server, tmp_path) as found:
        for number in range(1_100):
            server.store.create(NADS, found.namespace, network(f"n{number}"))
        shown = Kubectl(found, tmp_path)("get", "net-attach-def", "--no-headers")
        assert len(shown.splitlines()) == 1_100
