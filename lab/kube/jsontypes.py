"""JSON values as Kubernetes objects carry them, and typed ways into them."""

from __future__ import annotations

import json
from typing import TypeAlias

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"
JsonObject: TypeAlias = "dict[str, JsonValue]"


def encode(value: JsonValue) -> bytes:
    """Compact UTF-8 JSON; a lone surrogate is escaped, never an error."""
    return json.dumps(value, separators=(",", ":")).encode()


def clone(value: JsonValue) -> JsonValue:
    """A deep copy; several times faster than copy.deepcopy, for there are no cycles in JSON."""
    if isinstance(value, dict):
        return {key: clone(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clone(item) for item in value]
    return value


def clone_object(value: JsonObject) -> JsonObject:
    """A deep copy of an object."""
    return {key: clone(item) for key, item in value.items()}


def section(parent: JsonObject, key: str) -> JsonObject:
    """The object at `key`; a new, unattached empty one where there is none."""
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def text(parent: JsonObject, key: str) -> str:
    """The string at `key`; empty where there is none."""
    value = parent.get(key)
    return value if isinstance(value, str) else ""


def strings(parent: JsonObject, key: str) -> dict[str, str]:
    """The map of strings at `key`; anything else in it is left out."""
    return {name: value for name, value in section(parent, key).items() if isinstance(value, str)}


def metadata(body: JsonObject) -> JsonObject:
    """`metadata` of an object."""
    return section(body, "metadata")


def lookup(body: JsonObject, *path: str) -> str:
    """The text at a path of keys; empty where anything on the way is missing or is no text."""
    for key in path[:-1]:
        body = section(body, key)
    value = body.get(path[-1])
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int)) else ""
