"""A manifest as the rules read it: one Kubernetes object, whatever file it came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from services.network.parse.go_object import GoObject
from services.network.parse.nad import Network, NetworkRef
from services.network.parse.tolerance import strings

NETWORK, CLUSTER_NETWORK, VLAN_CONFIG = "NetworkAttachmentDefinition", "ClusterNetwork", "VlanConfig"
Path = tuple[str, ...]
"""Keys from the manifest's top to a value; the last ones may be keys of a JSON text in it."""
METADATA, ANNOTATIONS, LABELS = ("metadata",), ("metadata", "annotations"), ("metadata", "labels")
CONFIG: Path = ("spec", "config")


@dataclass(frozen=True)
class Manifest:
    """One object of a file."""

    body: Mapping[str, object]

    @property
    def kind(self) -> str:
        """The object's kind; empty if it has none."""
        kind = self.body.get("kind")
        return kind if isinstance(kind, str) else ""

    @cached_property
    def network(self) -> Network:
        """The network as the API server would return it, without what only the cluster knows."""
        return Network(
            ref=NetworkRef(self.text("namespace") or "default", self.text("name")),
            uid="",
            resource_version="",
            config=_mapping(self.body.get("spec")).get("config"),
            annotations=strings(_mapping(self.body.get("metadata")).get("annotations")),
            labels=strings(_mapping(self.body.get("metadata")).get("labels")),
        )

    @cached_property
    def config(self) -> GoObject | None:
        """spec.config as a JSON object; None if it is none."""
        text = self.network.config
        try:
            return GoObject.parse(text) if isinstance(text, str) and text else None
        except ValueError:
            return None

    def text(self, field: str) -> str:
        """Return a field of the metadata, such as name; empty if it is no string."""
        value = _mapping(self.body.get("metadata")).get(field)
        return value if isinstance(value, str) else ""

    def spec(self, field: str) -> object:
        """Return a field of the spec; None if there is none."""
        return _mapping(self.body.get("spec")).get(field)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
