"""API discovery: groups, versions and resources, as kubectl needs them."""

from __future__ import annotations

import platform

from lab.kube.errors import unknown_path
from lab.kube.jsontypes import JsonObject, JsonValue
from lab.kube.resource_type import ResourceType
from lab.kube.resources import TABLE

VERSION = ("1", "32", "v1.32.4+lab")
VERBS: list[JsonValue] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
]


def version() -> JsonObject:
    """Return `/version`; kubectl compares the minor version with its own."""
    major, minor, full = VERSION
    return {
        "major": major,
        "minor": minor,
        "gitVersion": full,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "2025-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": platform.python_implementation().lower(),
        "platform": "linux/amd64",
    }


def core_versions(*, address: str) -> JsonObject:
    """Return `/api`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list() -> JsonObject:
    """Return `/apis`."""
    names = sorted({row.group for row in TABLE if row.group})
    groups: list[JsonValue] = [group(name) for name in names]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(name: str) -> JsonObject:
    """Return `/apis/<group>`. Raises 404 for an unknown group."""
    served = sorted({row.version for row in TABLE if row.group == name and name})
    if not served:
        raise unknown_path()
    versions: list[JsonValue] = [{"groupVersion": f"{name}/{each}", "version": each} for each in served]
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": name,
        "versions": versions,
        "preferredVersion": versions[0],
    }


def resource_list(group_name: str, version_name: str) -> JsonObject:
    """Return `/api/v1` or `/apis/<group>/<version>`. Raises 404 for an unknown one."""
    rows = [row for row in TABLE if (row.group, row.version) == (group_name, version_name)]
    if not rows:
        raise unknown_path()
    resources: list[JsonValue] = [_resource(row) for row in rows]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": rows[0].api_version,
        "resources": resources,
    }


def _resource(row: ResourceType) -> JsonObject:
    names: list[JsonValue] = list(row.short_names)
    return {
        "name": row.plural,
        "singularName": row.singular,
        "namespaced": row.namespaced,
        "kind": row.kind,
        "shortNames": names,
        "verbs": VERBS,
    }


def openapi_v2() -> JsonObject:
    """Return a Swagger document without definitions, so that kubectl leaves validation to the server."""
    return {"swagger": "2.0", "info": {"title": "lab", "version": VERSION[2]}, "paths": {}}


def openapi_v2_protobuf() -> bytes:
    """Return the same as kubectl requests it: gnostic's openapi.v2.Document (1 swagger, 2 info)."""
    info = _field(1, b"lab") + _field(2, VERSION[2].encode())
    return _field(1, b"2.0") + _field(2, info)


def _field(tag: int, value: bytes) -> bytes:
    """Encode a length-delimited protobuf field; short values only."""
    assert len(value) < 128
    return bytes((tag << 3 | 2, len(value))) + value


def openapi_v3() -> JsonObject:
    """Return the empty index of version 3, so that kubectl falls back to version 2."""
    return {"paths": {}}
