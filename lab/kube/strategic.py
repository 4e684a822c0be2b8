"""Strategic merge patches, as kubectl and Helm send them for built-in types, without I/O.

They are merge patches in which the elements of some lists have a key and are merged by it. Which lists is in
the types' Go tags (k8s.io/api); here by the lists' names, which is as good for the objects of a chart.
"""

from __future__ import annotations

from typing import cast

from lab.kube.jsontypes import JsonObject, JsonValue, clone

_KEYS: dict[str, tuple[str, ...]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "ports": ("containerPort", "port"),
    "secrets": ("name",),
    "topologySpreadConstraints": ("topologyKey",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""The key of the elements of these lists: the first of which a patch's elements have."""
_SETS = frozenset({"finalizers"})
"""Lists of plain values that are added to."""
_ORDER, _DELETE, _RETAIN = "$setElementOrder/", "$deleteFromPrimitiveList/", "$retainKeys"


def merge(target: JsonValue, patch: JsonObject) -> JsonObject:
    """Return the target with the patch, a copy."""
    if patch.get("$patch") == "replace":
        return cast("JsonObject", clone({key: value for key, value in patch.items() if key != "$patch"}))
    result: JsonObject = dict(target) if isinstance(target, dict) else {}
    retained = patch.get(_RETAIN)
    if isinstance(retained, list):
        result = {key: value for key, value in result.items() if key in retained}
    for key, value in patch.items():
        if key.startswith(_DELETE):
            name = key.removeprefix(_DELETE)
            gone = value if isinstance(value, list) else []
            result[name] = [each for each in _list(result.get(name)) if each not in gone]
        elif key.startswith("$"):
            continue
        elif value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merge(result.get(key), value)
        elif isinstance(value, list) and (key in _KEYS or key in _SETS):
            result[key] = _merge_lists(key, _list(result.get(key)), value)
        else:
            result[key] = clone(value)
    for key, value in patch.items():
        name = key.removeprefix(_ORDER)
        if name != key and name in result:
            result[name] = _ordered(name, _list(result[name]), _list(value))
    return result


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _key(name: str, element: JsonValue) -> JsonValue:
    """Return what an element of the list of this name is found by: itself, if it is a plain value."""
    if not isinstance(element, dict):
        return element
    return next((element[key] for key in _KEYS.get(name, ()) if key in element), None)


def _merge_lists(name: str, present: list[JsonValue], patch: list[JsonValue]) -> list[JsonValue]:
    if any(isinstance(each, dict) and each.get("$patch") == "replace" for each in patch):
        return [clone(each) for each in patch if not isinstance(each, dict) or "$patch" not in each]
    result = list(present)
    for element in patch:
        places = [at for at, each in enumerate(result) if _key(name, each) == _key(name, element)]
        if isinstance(element, dict) and element.get("$patch") == "delete":
            result = [each for at, each in enumerate(result) if at not in places]
        elif not places:
            result.append(clone(element))
        elif isinstance(element, dict):
            result[places[0]] = merge(result[places[0]], element)
    return result


def _ordered(name: str, present: list[JsonValue], order: list[JsonValue]) -> list[JsonValue]:
    """Return the elements in this order of their keys; those that it does not name stay at the end."""
    keys = [_key(name, each) for each in order]
    places = {at: keys.index(_key(name, each)) for at, each in enumerate(present) if _key(name, each) in keys}
    return [present[at] for at in sorted(range(len(present)), key=lambda at: places.get(at, len(keys)))]
