"""Rules for new and changed objects: metadata, schema, generation. Pure functions."""

from __future__ import annotations

import re
from datetime import datetime

from lab.kube.errors import ApiError, Cause, bad_request
from lab.kube.jsontypes import JsonObject, JsonValue, clone_object, lookup, metadata, section, text
from lab.kube.resource_type import ResourceType
from lab.kube.resources import NAMESPACES

ANNOTATIONS_LIMIT = 256 * 1024
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_LABEL_VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?\Z")
_QUALIFIED = re.compile(r"^([^/]{1,253}/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]\Z")
_KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "namespace", "name")
_SYSTEM = ("resourceVersion", "generation", "selfLink", "managedFields")


def timestamp(moment: datetime) -> str:
    """Format a time as RFC 3339 in whole seconds, like `creationTimestamp`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def checked(kind: ResourceType, body: JsonObject, *, namespace: str, name: str) -> JsonObject:
    """Return a copy with apiVersion, kind and namespace of the path, pruned to the schema.

    Raises 400 if the body contradicts the path, 422 if a field is invalid. `name` "" takes the body's name.
    """
    _same_as_path(kind, body, namespace=namespace, name=name)
    result = clone_object(body)
    if kind.top_level:
        result = {key: value for key, value in result.items() if key in kind.top_level}
    own = result.setdefault("metadata", {})
    if not isinstance(own, dict):
        raise bad_request("metadata is not an object")
    result["apiVersion"], result["kind"] = kind.api_version, kind.kind
    if kind.namespaced:
        own["namespace"] = namespace
    else:
        own.pop("namespace", None)
    own.pop("managedFields", None)
    own.pop("selfLink", None)
    _check_metadata(kind, own, name or text(own, "name"))
    _drop_empty(own)
    _check_schema(kind, result, name or text(own, "name"))
    return result


def _same_as_path(kind: ResourceType, body: JsonObject, *, namespace: str, name: str) -> None:
    for key, expected in (("apiVersion", kind.api_version), ("kind", kind.kind)):
        if (given := body.get(key, expected)) != expected:
            raise bad_request(f"{key} in the data ({given}) does not match the expected one ({expected})")
    own = metadata(body)
    if kind.namespaced and (given := text(own, "namespace")) and given != namespace:
        message = "the namespace of the provided object does not match the namespace sent on the request"
        raise bad_request(message)
    if name and text(own, "name") not in ("", name):
        message = f"the name of the object ({text(own, 'name')}) does not match the name on the URL ({name})"
        raise bad_request(message)


def _drop_empty(own: JsonObject) -> None:
    """Remove empty maps and lists, so that removing the last label leaves no trace."""
    for key in ("labels", "annotations", "finalizers", "ownerReferences"):
        if key in own and (own[key] is None or own[key] == {} or own[key] == []):
            del own[key]


def _check_metadata(kind: ResourceType, own: JsonObject, name: str) -> None:
    for key in ("labels", "annotations"):
        values = own.get(key) if own.get(key) is not None else {}
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            raise bad_request(f"metadata.{key} must be a map of strings")
    finalizers = own.get("finalizers") if own.get("finalizers") is not None else []
    if not isinstance(finalizers, list) or not all(isinstance(item, str) for item in finalizers):
        raise bad_request("metadata.finalizers must be a list of strings")
    causes: list[Cause] = []
    for label, value in section(own, "labels").items():
        if not _QUALIFIED.match(label):
            causes.append(
                _wrong("metadata.labels", label, "name part must consist of alphanumeric characters")
            )
        elif not isinstance(value, str) or len(value) > 63 or not _LABEL_VALUE.match(value):
            causes.append(
                _wrong(
                    "metadata.labels",
                    str(value),
                    "must be 63 characters or less and alphanumeric at both ends",
                )
            )
    size = 0
    for annotation, value in section(own, "annotations").items():
        size += len(annotation.encode()) + len(str(value).encode(errors="replace"))
        if not _QUALIFIED.match(annotation):
            causes.append(_wrong("metadata.annotations", annotation, "must be a qualified name"))
    if size > ANNOTATIONS_LIMIT:
        message = f"Too long: may not be more than {ANNOTATIONS_LIMIT} bytes"
        causes.append(Cause("FieldValueTooLong", message, "metadata.annotations"))
    if causes:
        raise kind.invalid(name, *causes)


def _wrong(field: str, value: str, why: str) -> Cause:
    return Cause("FieldValueInvalid", f'Invalid value: "{value}": {why}', field)


def _check_schema(kind: ResourceType, body: JsonObject, name: str) -> None:
    for path in kind.strings:
        parent: JsonValue = body
        for key in path[:-1]:
            parent = parent.get(key, {}) if isinstance(parent, dict) else None
        if not isinstance(parent, dict):
            where = ".".join(path[:-1])
            raise kind.invalid(name, _wrong(where, str(parent), f"{where} must be of type object"))
        if not isinstance(parent.get(path[-1], ""), str):
            where = ".".join(path)
            raise kind.invalid(name, _wrong(where, str(parent[path[-1]]), f"{where} must be of type string"))


def check_name(kind: ResourceType, name: str) -> None:
    """Raise 422 unless the name is a DNS-1123 subdomain."""
    if not name:
        cause = Cause(
            "FieldValueRequired", "Required value: name or generateName is required", "metadata.name"
        )
        raise kind.invalid(name, cause)
    if len(name) > 253 or not _SUBDOMAIN.match(name):
        why = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
        raise kind.invalid(name, _wrong("metadata.name", name, why))


def born(kind: ResourceType, body: JsonObject, *, name: str, uid: str, now: datetime) -> JsonObject:
    """Return a checked body as a new object: uid, creationTimestamp, generation 1."""
    check_name(kind, name)
    own = metadata(body)
    for key in (*_SYSTEM, "deletionTimestamp", "deletionGracePeriodSeconds"):
        own.pop(key, None)
    own.update(name=name, uid=uid, creationTimestamp=timestamp(now))
    if kind.custom:
        own["generation"] = 1
    if kind is NAMESPACES:
        labels = own.setdefault("labels", {})
        if isinstance(labels, dict):
            labels["kubernetes.io/metadata.name"] = name
        body["status"] = {"phase": "Active"}
        body.setdefault("spec", {"finalizers": ["kubernetes"]})
    return body


def changed(kind: ResourceType, current: JsonObject, body: JsonObject) -> JsonObject:
    """Return a checked body as the next state of `current`, with the server's own fields unchanged.

    Without a difference the result equals `current`, including its resourceVersion.
    """
    before, own = metadata(current), metadata(body)
    for key in (*_KEPT, *_SYSTEM):
        if key in before:
            own[key] = before[key]
        else:
            own.pop(key, None)
    if "deletionTimestamp" in before:
        _only_fewer_finalizers(kind, before, own)
    if kind.custom and _without_metadata(current) != _without_metadata(body):
        generation = before.get("generation")
        own["generation"] = generation + 1 if isinstance(generation, int) else 1
    return body


def _only_fewer_finalizers(kind: ResourceType, before: JsonObject, own: JsonObject) -> None:
    old, new = before.get("finalizers", []), own.get("finalizers", [])
    if isinstance(old, list) and isinstance(new, list) and any(item not in old for item in new):
        why = "Forbidden: no new finalizers can be added if the object is being deleted"
        raise kind.invalid(text(before, "name"), Cause("FieldValueForbidden", why, "metadata.finalizers"))


def _without_metadata(body: JsonObject) -> JsonObject:
    return {key: value for key, value in body.items() if key != "metadata"}


def check_preconditions(
    kind: ResourceType, current: JsonObject, *, uid: str, version: str, exact: bool = False
) -> None:
    """Raise 409 if the caller means another object (uid) or another state (resourceVersion); "" = any.

    `exact` uses the wording of a deletion's precondition.
    """
    own = metadata(current)
    name = text(own, "name")
    if uid and uid != text(own, "uid"):
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {text(own, 'uid')}"
        raise kind.conflict(name, why)
    actual = lookup(own, "resourceVersion")
    if version and version != actual:
        if exact:
            why = f"the ResourceVersion in the precondition ({version}) does not match ({actual})"
            raise kind.conflict(name, why)
        why = "the object has been modified; please apply your changes to the latest version and try again"
        raise kind.conflict(name, why)


def required_version(kind: ResourceType, name: str, version: str) -> None:
    """Raise 422 for an update of a custom resource without a resourceVersion."""
    if kind.custom and not version:
        why = "Invalid value: 0: must be specified for an update"
        raise ApiError(
            422,
            f'{kind.qualified} "{name}" is invalid: metadata.resourceVersion: {why}',
            group=kind.group,
            kind=kind.plural,
            name=name,
            causes=(Cause("FieldValueInvalid", why, "metadata.resourceVersion"),),
        )
