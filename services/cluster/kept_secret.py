"""One Secret that is completed and never emptied: what is in it stays unless a change says otherwise."""

import base64
from collections.abc import Callable, Mapping
from urllib.parse import quote

from services.cluster.client import Cluster
from services.cluster.errors import Conflict, NotFound
from services.contract.errors import ConfigurationError

ATTEMPTS = 5

Content = Mapping[str, bytes]


class KeptSecret:
    """A Secret of one name, by the API server. Its content is in no error."""

    def __init__(self, cluster: Cluster, *, namespace: str, name: str) -> None:
        self._transport = cluster.transport
        self._timeouts = cluster.write_timeouts
        self._name = name
        self._all = f"/api/v1/namespaces/{quote(namespace, safe='')}/secrets"
        self._path = f"{self._all}/{quote(name, safe='')}"

    def change(self, changed: Callable[[Content], Content]) -> list[str]:
        """Write what `changed` makes of the content; return the keys that differ.

        It gets {} where there is no Secret, which is made then. Another's write in between is not lost: it
        is read, and changed again. Raise Conflict when that happens again and again, ConfigurationError when
        it is no Secret.
        """
        for _ in range(ATTEMPTS):
            try:
                return self._attempt(changed)
            except (Conflict, NotFound):
                continue
        raise Conflict(f"Secret {self._name}: changed by others at each of {ATTEMPTS} attempts; try again")

    def _attempt(self, changed: Callable[[Content], Content]) -> list[str]:
        try:
            present = self._transport.request("GET", self._path, timeout_s=self._timeouts)
        except NotFound:
            made = dict(changed({}))
            metadata = {"name": self._name, "labels": {"app.kubernetes.io/part-of": "nadroute"}}
            head = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata}
            body: dict[str, object] = {**head, "data": _encoded(made)}
            self._transport.request("POST", self._all, body=body, timeout_s=self._timeouts)
            return sorted(made)
        before = self._decoded(present.get("data") or {})
        after = changed(before)
        keys = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
        if keys:
            # Its resourceVersion refuses the write if another has changed the Secret meanwhile.
            body = {**present, "data": _encoded(after)}
            self._transport.request("PUT", self._path, body=body, timeout_s=self._timeouts)
        return keys

    def _decoded(self, data: object) -> Content:
        try:
            if isinstance(data, Mapping):
                return {str(key): base64.b64decode(value, validate=True) for key, value in data.items()}
        except (TypeError, ValueError):
            pass
        raise ConfigurationError(f"Secret {self._name}: its data is not base64; expected one of Kubernetes")


def _encoded(content: Content) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in content.items()}
