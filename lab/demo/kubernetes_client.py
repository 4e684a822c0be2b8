"""A client for the lab's API server, so that the demo needs no kubectl."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

NETWORKS = "/apis/k8s.cni.cncf.io/v1"
PLURAL = "network-attachment-definitions"
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class KubernetesClient:
    """Creates and lists networks."""

    server: str
    token: str
    context: ssl.SSLContext | None

    @classmethod
    def from_kubeconfig(cls, path: Path) -> KubernetesClient:
        """Create a client from the first cluster and user of a kubeconfig."""
        config = yaml.safe_load(path.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = cluster.get("certificate-authority-data")
        return cls(
            server=cluster["server"],
            token=user.get("token", ""),
            context=ssl.create_default_context(cadata=base64.b64decode(authority).decode())
            if authority
            else None,
        )

    def create_namespace(self, name: str) -> None:
        """Create a namespace, unless it exists."""
        self._create(
            "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        )

    def create_network(self, namespace: str, body: Mapping[str, object]) -> None:
        """Create a network; an existing one stays unchanged."""
        self._create(f"{NETWORKS}/namespaces/{namespace}/{PLURAL}", body)

    def annotations(self) -> dict[tuple[str, str], Mapping[str, str]]:
        """Return the annotations of every network, by (namespace, name)."""
        items = self._call("GET", f"{NETWORKS}/{PLURAL}", None)["items"]
        assert isinstance(items, list)
        return {
            (item["metadata"]["namespace"], item["metadata"]["name"]): item["metadata"].get("annotations")
            or {}
            for item in items
        }

    def events(self) -> dict[tuple[str, str], frozenset[str]]:
        """Return the reasons of all Events, by (namespace, name) of their object."""
        items = self._call("GET", "/api/v1/events", None)["items"]
        assert isinstance(items, list)
        reasons: dict[tuple[str, str], set[str]] = {}
        for item in items:
            involved = item["involvedObject"]
            reasons.setdefault((involved.get("namespace", ""), involved.get("name", "")), set()).add(
                item["reason"]
            )
        return {key: frozenset(found) for key, found in reasons.items()}

    def _create(self, path: str, body: Mapping[str, object]) -> None:
        try:
            self._call("POST", path, body)
        except urllib.error.HTTPError as error:
            if error.code != 409:
                raise

    def _call(self, method: str, path: str, body: Mapping[str, object] | None) -> dict[str, object]:
        request = urllib.request.Request(
            self.server + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=self.context) as response:
            answer = json.load(response)
        assert isinstance(answer, dict)
        return answer
