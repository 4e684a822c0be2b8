"""JSON values of Kubernetes objects, and typed access to them."""

from __future__ import annotations

import json
from typing import TypeAlias

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"
JsonObject: TypeAlias = "dict[str, JsonValue]"


def encode(value: JsonValue) -> bytes:
    """Encode as compact UTF-8 JSON; a lone surrogate is escaped and never an error."""
    return json.dumps(value, separators=(",", ":")).encode()


def clone(value: JsonValue) -> JsonValue:
    """Copy deeply; several times faster than copy.deepcopy, because JSON has no cycles."""
    if isinstance(value, dict):
        return {key: clone(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clone(item) for item in value]
    return value


def clone_object(value: JsonObject) -> JsonObject:
    """Copy an object deeply."""
    return {key: clone(item) for key, item in value.items()}


def section(parent: JsonObject, key: str) -> JsonObject:
    """Return the object at `key`; a new, unattached one if there is none."""
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def text(parent: JsonObject, key: str) -> str:
    """Return the string at `key`; empty if there is none."""
    value = parent.get(key)
    return value if isinstance(value, str) else ""


def strings(parent: JsonObject, key: str) -> dict[str, str]:
    """Return the map of strings at `key`, without entries of other types."""
    return {name: value for name, value in section(parent, key).items() if isinstance(value, str)}


def metadata(body: JsonObject) -> JsonObject:
    """Return the `metadata` of an object."""
    return section(body, "metadata")


def lookup(body: JsonObject, *path: str) -> str:
    """Return the text at a path of keys; empty if anything on the way is missing or not text."""
    for key in path[:-1]:
        body = section(body, key)
    value = body.get(path[-1])
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int)) else ""
