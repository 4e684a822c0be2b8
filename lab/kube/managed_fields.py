"""metadata.managedFields: which writer set which field last, as the API server tracks it. Pure functions.

Only operation Update: this server refuses server-side apply. As there, what admission adds to a request has
no owner. `metadata.managedFields` of a request is ignored. Lists count as one value, except for finalizers
and owner references.
"""

from __future__ import annotations

from datetime import datetime

from lab.kube.jsontypes import JsonObject, JsonValue, encode, metadata, section, text
from lab.kube.lifecycle import timestamp

MAX_MANAGERS = 10
"""Of the writers beyond that the longest silent ones are merged."""
MERGED_MANAGER = "ancient-changes"
_UNTRACKED = frozenset(
    {
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    }
)
Path = tuple[str, ...]
"""Path elements such as `f:metadata`; a map is a field besides its members."""
Fields = dict[Path, JsonValue]


def track(before: JsonObject, after: JsonObject, *, manager: str, now: datetime) -> None:
    """Set metadata.managedFields of `after`, which `manager` made of `before` (empty: created) at `now`."""
    old, new = _fields(before), _fields(after)
    set_now = {path for path, value in new.items() if path not in old or old[path] != value}
    gone = set_now | (old.keys() - new.keys())
    entries: dict[str, tuple[str, set[Path]]] = {}
    for entry in _list(metadata(before).get("managedFields")):
        if isinstance(entry, dict):
            kept = _decode(section(entry, "fieldsV1")) - gone
            entries[text(entry, "manager")] = (text(entry, "time"), kept)
    if set_now:
        mine = entries.get(manager, ("", set[Path]()))[1]
        entries[manager] = (timestamp(now), mine | set_now)
    by_time = sorted((time, name, fields) for name, (time, fields) in entries.items() if fields)
    while len(by_time) > MAX_MANAGERS:
        (_, _, oldest), (time, _, next_oldest), *rest = by_time
        by_time = [(time, MERGED_MANAGER, oldest | next_oldest), *rest]
    version = text(after, "apiVersion")
    managed: list[JsonValue] = [
        {
            "manager": name,
            "operation": "Update",
            "apiVersion": version,
            "time": time,
            "fieldsType": "FieldsV1",
            "fieldsV1": _encode(fields),
        }
        for time, name, fields in by_time
    ]
    own = metadata(after)
    own.pop("managedFields", None)
    if managed:
        own["managedFields"] = managed


def _fields(body: JsonObject) -> Fields:
    found: Fields = {}
    for key, value in body.items():
        if key == "metadata" and isinstance(value, dict):
            for name, item in value.items():
                if name not in _UNTRACKED:
                    _add(found, ("f:metadata", f"f:{name}"), item)
        elif key not in ("apiVersion", "kind", "metadata"):
            _add(found, (f"f:{key}",), value)
    return found


def _add(found: Fields, path: Path, value: JsonValue) -> None:
    found[path] = None if isinstance(value, dict) else value
    if isinstance(value, dict):
        for key, item in value.items():
            _add(found, (*path, f"f:{key}"), item)
    elif path[-1] in ("f:finalizers", "f:ownerReferences"):
        found[path] = None
        for item in _list(value):
            member = f"k:{_text({'uid': item.get('uid')})}" if isinstance(item, dict) else f"v:{_text(item)}"
            found[*path, member] = item


def _encode(fields: set[Path]) -> JsonObject:
    result: JsonObject = {}
    for path in sorted(fields):
        node = result
        for element in path:
            child = node.setdefault(element, {})
            assert isinstance(child, dict)
            node = child
        node["."] = {}
    return _simplified(result)


def _simplified(node: JsonObject) -> JsonObject:
    """Write a field without members as `{}`, not as `{".":{}}`."""
    return {
        key: {} if child == {".": {}} else _simplified(child) if key != "." else {}
        for key, child in node.items()
        if isinstance(child, dict)
    }


def _decode(node: JsonObject, path: Path = ()) -> set[Path]:
    found = {path} if path and (not node or "." in node) else set[Path]()
    for key, child in node.items():
        if key != "." and isinstance(child, dict):
            found |= _decode(child, (*path, key))
    return found


def _text(value: JsonValue) -> str:
    return encode(value).decode()


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
