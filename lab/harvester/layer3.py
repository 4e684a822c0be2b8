"""Harvester's own reading and writing of the route annotation: a fixed struct, so other keys are lost."""

from __future__ import annotations

import json
from dataclasses import dataclass

from lab.kube.columns import ROUTE_ANNOTATION
from lab.kube.harvester import check_route, route_text
from lab.kube.jsontypes import JsonObject, clone_object, metadata, text

_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
"""Characters that Go's encoder escapes for HTML."""


@dataclass(frozen=True, slots=True)
class Layer3:
    """The fields that Harvester knows, in the order in which it writes them; empty ones are omitted."""

    mode: str = ""
    cidr: str = ""
    gateway: str = ""
    server: str = ""
    connectivity: str = ""
    outdated: bool = False

    @classmethod
    def parse(cls, value: str) -> Layer3:
        """Parse as Go's decoder does, see lab.kube.go_json. Raises ValueError for bad JSON or types."""
        route = check_route(value, values=False)
        return cls(
            mode=text(route, "mode"),
            cidr=text(route, "cidr"),
            gateway=text(route, "gateway"),
            server=text(route, "serverIPAddr"),
            connectivity=text(route, "connectivity"),
            outdated=route.get("outdated") is True,
        )

    def dump(self) -> str:
        """Return the annotation's text."""
        fields: dict[str, str | bool] = {
            "mode": self.mode,
            "cidr": self.cidr,
            "gateway": self.gateway,
            "serverIPAddr": self.server,
            "connectivity": self.connectivity,
            "outdated": self.outdated,
        }
        present = {name: value for name, value in fields.items() if value}
        written = json.dumps(present, separators=(",", ":"), ensure_ascii=False)
        return "".join(_ESCAPED.get(character, character) for character in written)


def route_of(body: JsonObject) -> Layer3 | None:
    """Return the route of a network; None without an annotation or with an empty one. Raises as `parse`."""
    value = route_text(body)
    return Layer3.parse(value) if value else None


def with_route(body: JsonObject, value: str) -> JsonObject:
    """Return a copy of a network with this route annotation."""
    copy = clone_object(body)
    annotations = metadata(copy).setdefault("annotations", {})
    if isinstance(annotations, dict):
        annotations[ROUTE_ANNOTATION] = value
    return copy
