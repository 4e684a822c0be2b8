"""A cluster for contract tests: the lab's API server, or a real one if a kubeconfig is given."""

import contextlib
import json
import os
import uuid
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config, watch

from lab.kube import ApiServer

GROUP, VERSION, PLURAL = "k8s.cni.cncf.io", "v1", "network-attachment-definitions"
ROUTE = "network.harvesterhci.io/route"
REAL_CLUSTER = os.environ.get("NADROUTE_TEST_KUBECONFIG", "")
Object = dict[str, Any]
TIMEOUT = (60, 60)


def config_json(vlan: int = 7) -> str:
    """Return spec.config of a VLAN network on the management bridge, which every Harvester has."""
    return json.dumps(
        {"cniVersion": "0.3.1", "type": "bridge", "bridge": "mgmt-br", "vlan": vlan, "ipam": {}}
    )


def network(name: str, *, vlan: int = 7, **metadata: object) -> Object:
    """Build a network as a user would write it."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, **metadata},
        "spec": {"config": config_json(vlan)},
    }


@contextlib.contextmanager
def api_client(kubeconfig: Path) -> Iterator[client.ApiClient]:
    """Yield the official client of a kubeconfig, and close its connections."""
    api = config.new_client_from_config(str(kubeconfig))
    try:
        yield api
    finally:
        api.rest_client.pool_manager.clear()


@dataclass
class Networks:
    """The networks of one namespace, through the official client."""

    api: client.ApiClient
    namespace: str
    kubeconfig: Path

    def __post_init__(self) -> None:
        self._custom = client.CustomObjectsApi(self.api)
        self._where = (GROUP, VERSION, self.namespace, PLURAL)

    def create(self, body: Object | str, **options: object) -> Object:
        """Create a network from a body, or one of that name."""
        whole = network(body) if isinstance(body, str) else body
        made = self._custom.create_namespaced_custom_object(
            *self._where, whole, _request_timeout=TIMEOUT, **options
        )
        return dict(made)

    def get(self, name: str) -> Object:
        """Get one network."""
        return dict(self._custom.get_namespaced_custom_object(*self._where, name, _request_timeout=TIMEOUT))

    def list(self, **options: object) -> Object:
        """List networks, with the list's metadata."""
        listed = self._custom.list_namespaced_custom_object(*self._where, _request_timeout=TIMEOUT, **options)
        return dict(listed)

    def replace(self, name: str, body: Object) -> Object:
        """Send PUT."""
        put = self._custom.replace_namespaced_custom_object(
            *self._where, name, body, _request_timeout=TIMEOUT
        )
        return dict(put)

    def patch(self, name: str, body: object, kind: str = "merge-patch+json", **options: object) -> Object:
        """Send PATCH with the media type application/`kind`."""
        patched = self._custom.patch_namespaced_custom_object(
            *self._where, name, body, _content_type=f"application/{kind}", _request_timeout=TIMEOUT, **options
        )
        return dict(patched)

    def json_patch(self, name: str, *operations: Object) -> Object:
        """Send a JSON patch of these operations."""
        return self.patch(name, list(operations), "json-patch+json")

    def annotate(self, name: str, **annotations: str | None) -> Object:
        """Set annotations, or remove them (None)."""
        return self.patch(name, {"metadata": {"annotations": annotations}})

    def delete(self, name: str, **preconditions: str) -> Object:
        """Send DELETE, with a uid or resource_version as precondition if given."""
        body = client.V1DeleteOptions(preconditions=client.V1Preconditions(**preconditions))
        gone = self._custom.delete_namespaced_custom_object(
            *self._where, name, body=body, _request_timeout=TIMEOUT
        )
        return dict(gone)

    def events(self, version: str | None = None, **options: object) -> Generator[Object, None, None]:
        """Watch from a version on (None: from the present state) for at most a minute."""
        if version is not None:
            options["resource_version"] = version
        options.setdefault("timeout_seconds", 60)
        stream = watch.Watch().stream(
            self._custom.list_namespaced_custom_object, *self._where, _request_timeout=TIMEOUT, **options
        )
        with contextlib.closing(stream):
            yield from stream

    def version(self) -> str:
        """Return the present resourceVersion of the list."""
        return str(self.list()["metadata"]["resourceVersion"])


def refused(call: Callable[[], object]) -> client.ApiException:
    """Return the error of a refused call; its body is a Status of the same code."""
    with pytest.raises(client.ApiException) as caught:
        call()
    error = caught.value
    status = json.loads(error.body)
    assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", error.status)
    return error


def reason(error: client.ApiException) -> str:
    """Return the machine-readable reason of a refusal."""
    return str(json.loads(error.body)["reason"])


@contextlib.contextmanager
def namespace_of(kubeconfig: Path) -> Iterator[Networks]:
    """Create a namespace in a cluster; delete it with its contents afterwards."""
    with api_client(kubeconfig) as api:
        core = client.CoreV1Api(api)
        name = f"nadroute-test-{uuid.uuid4().hex[:8]}"
        core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
        try:
            yield Networks(api, name, kubeconfig)
        finally:
            core.delete_namespace(name)


@contextlib.contextmanager
def cluster_networks(folder: Path) -> Iterator[Networks]:
    """Yield networks in the real cluster of NADROUTE_TEST_KUBECONFIG, or else in a server of the lab."""
    if REAL_CLUSTER:
        with namespace_of(Path(REAL_CLUSTER)) as networks:
            yield networks
        return
    with ApiServer() as server, namespace_of(server.kubeconfig(folder / "kubeconfig")) as networks:
        yield networks


@contextlib.contextmanager
def lab_networks(server: ApiServer, folder: Path) -> Iterator[Networks]:
    """Yield networks in the given server of the lab."""
    with namespace_of(server.kubeconfig(folder / "kubeconfig")) as networks:
        yield networks
