"""The doubles' access to networks: directly in a store, or over HTTP with a kubeconfig."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, TypeAlias

import yaml

from lab.kube.errors import ApiError
from lab.kube.jsontypes import JsonObject, JsonValue, encode, lookup, metadata, section, text
from lab.kube.objects import Actor
from lab.kube.resources import NADS
from lab.kube.store import Store

Key: TypeAlias = "tuple[str, str]"
"""Namespace and name."""

BASE = "/apis/k8s.cni.cncf.io/v1"
ANSWER_SECONDS = 40.0
"""Longer than the 20 s after which the API server answers for a frozen webhook."""
LOOK_SECONDS = 0.2
MANAGER = Actor(user="harvester-manager", agent="harvester-network-controller")


def key_of(body: JsonObject) -> Key:
    """Return the key of this network."""
    own = metadata(body)
    return text(own, "namespace"), text(own, "name")


@dataclass(frozen=True, slots=True)
class Seen:
    """A network as reported by a watch; gone: it was deleted, and body is its last state."""

    body: JsonObject
    gone: bool = False


class Networks(Protocol):
    """All networks of a cluster, written whole: PUT with the version that was read. Raises ApiError."""

    def get(self, key: Key) -> JsonObject:
        """Return the network."""
        ...

    def update(self, body: JsonObject) -> JsonObject:
        """Replace the network; 409 if its resourceVersion is not the current one."""
        ...

    def watch(self, over: threading.Event) -> Iterator[Seen]:
        """Yield all networks, then every change until over is set; all of them again after a gap."""
        ...


class StoreNetworks:
    """Access in the same process. Writes pass the store's admission, but request faults do not apply."""

    def __init__(self, store: Store, *, actor: Actor = MANAGER) -> None:
        self._store = store
        self._actor = actor
        self._version: int | None = None

    def get(self, key: Key) -> JsonObject:
        return self._store.get(NADS, *key).copy()

    def update(self, body: JsonObject) -> JsonObject:
        namespace, name = key_of(body)
        stored = self._store.change(
            NADS, namespace, name, lambda _current: body, verb="update", actor=self._actor
        )
        return stored.copy()

    def drain(self) -> list[Seen]:
        """Return the changes since the last call, without waiting; on the first call, all networks."""
        if self._version is not None:
            with contextlib.suppress(ApiError):
                changes = self._store.since(self._version)
                self._version = max((change.version for change in changes), default=self._version)
                return [Seen(c.after.copy(), c.type == "DELETED") for c in changes if c.kind is NADS]
        snapshot = self._store.snapshot(NADS)
        self._version = snapshot.version
        return [Seen(stored.copy()) for stored in snapshot.items]

    def watch(self, over: threading.Event) -> Iterator[Seen]:
        sequence = 0
        while not over.is_set():
            yield from self.drain()
            with contextlib.suppress(TimeoutError):
                sequence = self._store.writes.wait(
                    lambda record: record.changed, seconds=LOOK_SECONDS, after=sequence
                ).sequence


class HttpNetworks:
    """Access over HTTP, to which request faults apply. Each call uses its own connection."""

    def __init__(self, kubeconfig: Path, *, agent: str = MANAGER.agent) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = cluster.get("certificate-authority-data")
        self._server: str = cluster["server"]
        self._headers = {"Content-Type": "application/json", "User-Agent": agent}
        if token := user.get("token", ""):
            self._headers["Authorization"] = f"Bearer {token}"
        self._context = (
            ssl.create_default_context(cadata=base64.b64decode(authority).decode()) if authority else None
        )

    def get(self, key: Key) -> JsonObject:
        return self._call("GET", _path(key), None)

    def update(self, body: JsonObject) -> JsonObject:
        return self._call("PUT", _path(key_of(body)), body)

    def watch(self, over: threading.Event) -> Iterator[Seen]:
        known: dict[Key, JsonObject] = {}
        while not over.is_set():
            try:
                listed = self._call("GET", f"{BASE}/{NADS.plural}", None)
                items = listed.get("items")
                present = (
                    {key_of(i): i for i in items if isinstance(i, dict)} if isinstance(items, list) else {}
                )
                yield from (Seen(known[key], gone=True) for key in known.keys() - present.keys())
                yield from (Seen(body) for key, body in present.items() if known.get(key) != body)
                known = present
                version = lookup(listed, "metadata", "resourceVersion")
                for seen in self._stream(version, over):
                    known[key_of(seen.body)] = seen.body
                    if seen.gone:
                        del known[key_of(seen.body)]
                    yield seen
            except (OSError, ApiError, ValueError):
                over.wait(LOOK_SECONDS)

    def _stream(self, version: str, over: threading.Event) -> Iterator[Seen]:
        query = f"?watch=true&resourceVersion={version}&timeoutSeconds=5"
        with self._open("GET", f"{BASE}/{NADS.plural}{query}", None) as lines:
            for line in lines:
                event: JsonValue = json.loads(line)
                if over.is_set() or not isinstance(event, dict) or event.get("type") == "ERROR":
                    return
                yield Seen(section(event, "object"), event.get("type") == "DELETED")

    def _call(self, method: str, path: str, body: JsonObject | None) -> JsonObject:
        try:
            with self._open(method, path, body) as answer:
                value: JsonValue = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise ApiError(error.code, error.read().decode(errors="replace")[:500]) from error
        return value if isinstance(value, dict) else {}

    def _open(self, method: str, path: str, body: JsonObject | None) -> IO[bytes]:
        data = None if body is None else encode(body)
        request = urllib.request.Request(self._server + path, method=method, data=data, headers=self._headers)
        answer: IO[bytes] = urllib.request.urlopen(request, timeout=ANSWER_SECONDS, context=self._context)
        return answer


def _path(key: Key) -> str:
    namespace, name = key
    return f"{BASE}/namespaces/{namespace}/{NADS.plural}/{name}"
