"""What is around the networks in a cluster: its version, its nodes, and what monitors nadroute."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.cluster.client import PAGE
from services.cluster.http.transport import Transport
from services.network.parse.tolerance import strings

PART = "nadroute"
WITNESS_LABEL = "node-role.harvesterhci.io/witness"
"""Of a node that keeps etcd's quorum and runs no virtual machine."""
_MONITORING = "/apis/monitoring.coreos.com/v1"
_NAME_LABELS = ("app.kubernetes.io/name", "app.kubernetes.io/part-of", "app.kubernetes.io/instance")


@dataclass(frozen=True)
class Node:
    """A Node, as far as it matters for probing."""

    name: str
    is_ready: bool = True
    is_witness: bool = False


class Surroundings:
    """Reads them. Methods raise the errors of cluster.errors."""

    def __init__(self, transport: Transport, timeout_s: tuple[float, float]) -> None:
        self._transport = transport
        self._timeout_s = timeout_s

    def version(self) -> str:
        """Return the API server's version, such as v1.32.4."""
        answer = self._transport.request("GET", "/version", timeout_s=self._timeout_s)
        return str(answer.get("gitVersion") or "unknown")

    def nodes(self) -> tuple[Node, ...]:
        """Return all nodes, by name."""
        return tuple(sorted(map(_node, self._items("/api/v1/nodes")), key=lambda node: node.name))

    def scrapes(self) -> tuple[str, ...]:
        """Return the PodMonitors and ServiceMonitors of nadroute, as KIND NAMESPACE/NAME."""
        return tuple(
            f"{kind} {_ref(item)}"
            for kind in ("PodMonitor", "ServiceMonitor")
            for item in self._items(f"{_MONITORING}/{kind.lower()}s")
            if _is_ours(item)
        )

    def rules(self) -> tuple[str, ...]:
        """Return the PrometheusRules that have alerts of nadroute, as NAMESPACE/NAME."""
        items = self._items(f"{_MONITORING}/prometheusrules")
        return tuple(
            _ref(item) for item in items if any(name.startswith("Nadroute") for name in _alerts(item))
        )

    def _items(self, path: str) -> Iterator[Mapping[str, object]]:
        token = ""
        while True:
            query = [("limit", str(PAGE)), *([("continue", token)] if token else [])]
            page = self._transport.request("GET", path, query=query, timeout_s=self._timeout_s)
            yield from _mappings(page.get("items"))
            token = str(_mapping(page.get("metadata")).get("continue") or "")
            if not token:
                return


def _node(item: Mapping[str, object]) -> Node:
    metadata, status = _mapping(item.get("metadata")), _mapping(item.get("status"))
    ready = [each for each in _mappings(status.get("conditions")) if each.get("type") == "Ready"]
    return Node(
        str(metadata.get("name") or ""),
        is_ready=all(each.get("status") == "True" for each in ready),
        is_witness=strings(metadata.get("labels")).get(WITNESS_LABEL) == "true",
    )


def _is_ours(item: Mapping[str, object]) -> bool:
    """Whether it is named for nadroute, or selects what is."""
    metadata = _mapping(item.get("metadata"))
    selector = _mapping(_mapping(item.get("spec")).get("selector"))
    labels = [strings(metadata.get("labels")), strings(selector.get("matchLabels"))]
    named = [labels[at].get(key, "") for at in range(2) for key in _NAME_LABELS]
    return any(PART in text for text in (str(metadata.get("name") or ""), *named))


def _alerts(item: Mapping[str, object]) -> Iterator[str]:
    for group in _mappings(_mapping(item.get("spec")).get("groups")):
        for rule in _mappings(group.get("rules")):
            yield str(rule.get("alert") or "")


def _ref(item: Mapping[str, object]) -> str:
    metadata = _mapping(item.get("metadata"))
    return f"{metadata.get('namespace')}/{metadata.get('name')}"


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: object) -> Iterator[Mapping[str, object]]:
    yield from (item for item in (value if isinstance(value, list) else []) if isinstance(item, Mapping))
