"""Patch formats: JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386), without I/O."""

from __future__ import annotations

from lab.kube.errors import ApiError, Cause, bad_request
from lab.kube.jsontypes import JsonObject, JsonValue, clone

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
MAX_OPERATIONS = 10_000


class PatchFailedError(ValueError):
    """A well-formed operation does not fit the document: a failed test, a missing path."""


def unprocessable(why: str) -> ApiError:
    """Build the 422 that the API server returns for a JSON patch that cannot be applied."""
    message = "the server rejected our request due to an error in our request"
    return ApiError(422, message, causes=(Cause("UnexpectedServerResponse", why, ""),))


def merge(target: JsonValue, patch: JsonValue) -> JsonValue:
    """Merge by RFC 7386: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return clone(patch)
    result: JsonObject = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def apply_json_patch(document: JsonObject, operations: JsonValue) -> JsonObject:
    """Apply RFC 6902 to a copy. Raises 400 for an invalid patch, 422 for one that does not fit."""
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal patch: a JSON patch is a list of operations")
    if len(operations) > MAX_OPERATIONS:
        message = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        raise ApiError(413, message)
    result: JsonValue = clone(document)
    for operation in operations:
        if not isinstance(operation, dict):
            raise bad_request("an operation of a JSON patch must be an object")
        try:
            result = _apply(result, operation)
        except PatchFailedError as failure:
            raise unprocessable(str(failure)) from failure
    if not isinstance(result, dict):
        raise unprocessable("the patched document is not an object")
    return result


def _apply(document: JsonValue, operation: JsonObject) -> JsonValue:
    kind, path = operation.get("op"), _pointer(operation, "path")
    match kind:
        case "test":
            _test(document, path, operation)
            return document
        case "add":
            return _add(document, path, _value(operation))
        case "replace":
            _get(document, path)
            return _replace(document, path, _value(operation))
        case "remove":
            return _remove(document, path)
        case "copy":
            return _add(document, path, clone(_get(document, _pointer(operation, "from"))))
        case "move":
            source = _pointer(operation, "from")
            moved = _get(document, source)
            return _add(_remove(document, source), path, moved)
    raise bad_request(f"unknown JSON patch operation {kind!r}")


def _test(document: JsonValue, path: tuple[str, ...], operation: JsonObject) -> None:
    expected = operation.get("value")
    try:
        actual = _get(document, path)
    except PatchFailedError:
        if expected is None:  # as the API server's library does: absent equals null
            return
        raise
    if not _same(actual, expected):
        raise PatchFailedError(f"testing value /{'/'.join(path)} failed: test failed")


def _same(left: JsonValue, right: JsonValue) -> bool:
    """Compare JSON values: unlike in Python, true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return left == right


def _pointer(operation: JsonObject, member: str) -> tuple[str, ...]:
    value = operation.get(member)
    if not isinstance(value, str):
        raise bad_request(f"a JSON patch operation needs {member!r}")
    if not value:
        return ()
    if not value.startswith("/"):
        raise bad_request(f"{member} {value!r} is not a JSON pointer")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in value[1:].split("/"))


def _value(operation: JsonObject) -> JsonValue:
    if "value" not in operation:
        raise bad_request("this JSON patch operation needs 'value'")
    return operation["value"]


def _index(items: list[JsonValue], part: str, *, end: int) -> int:
    if not part.isascii() or not part.isdigit() or (len(part) > 1 and part[0] == "0") or int(part) > end:
        raise PatchFailedError(f"invalid array index {part!r} for {len(items)} items")
    return int(part)


def _get(document: JsonValue, path: tuple[str, ...]) -> JsonValue:
    for part in path:
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list):
            document = document[_index(document, part, end=len(document) - 1)]
        else:
            raise PatchFailedError(f"missing path: /{'/'.join(path)}")
    return document


def _add(document: JsonValue, path: tuple[str, ...], value: JsonValue) -> JsonValue:
    if not path:
        return value
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else _index(parent, last, end=len(parent)), value)
    else:
        raise PatchFailedError(f"missing container: /{'/'.join(path)}")
    return document


def _replace(document: JsonValue, path: tuple[str, ...], value: JsonValue) -> JsonValue:
    if not path:
        return value
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        parent[_index(parent, last, end=len(parent) - 1)] = value
    return document


def _remove(document: JsonValue, path: tuple[str, ...]) -> JsonValue:
    if not path:
        raise PatchFailedError("the whole document cannot be removed")
    _get(document, path)
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        del parent[last]
    elif isinstance(parent, list):
        del parent[_index(parent, last, end=len(parent) - 1)]
    return document
