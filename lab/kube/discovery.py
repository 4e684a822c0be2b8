"""Discovery: which groups, versions and resources there are, for kubectl's sake."""

from __future__ import annotations

import platform

from lab.kube.errors import unknown_path
from lab.kube.jsontypes import JsonObject, JsonValue
from lab.kube.resources import TABLE, ResourceType

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
    """`/version`; the minor version is what kubectl compares its own to."""
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
    """`/api`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list() -> JsonObject:
    """`/apis`."""
    names = sorted({row.group for row in TABLE if row.group})
    groups: list[JsonValue] = [group(name) for name in names]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(name: str) -> JsonObject:
    """`/apis/<group>`; 404 for a group that is not served."""
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
    """`/api/v1` and `/apis/<group>/<version>`; 404 for one that is not served."""
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
    """A Swagger document without definitions: kubectl then leaves validation to the server."""
    return {"swagger": "2.0", "info": {"title": "lab", "version": VERSION[2]}, "paths": {}}


def openapi_v2_protobuf() -> bytes:
    """The same as kubectl asks for it: gnostic's openapi.v2.Document (1 swagger, 2 info)."""
    info = _field(1, b"lab") + _field(2, VERSION[2].encode())
    return _field(1, b"2.0") + _field(2, info)


def _field(tag: int, value: bytes) -> bytes:
    """A length-delimited protobuf field; short values only."""
    assert len(value) < 128
    return bytes((tag << 3 | 2, len(value))) + value


def openapi_v3() -> JsonObject:
    """The index of version 3: nothing, so that kubectl falls back to version 2."""
    return {"paths": {}}
