"""Label and field selectors of list and watch."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from lab.kube.errors import bad_request
from lab.kube.jsontypes import JsonObject, metadata, strings
from lab.kube.resource_type import ResourceType

Predicate = Callable[[JsonObject], bool]

_SET = re.compile(r"^(?P<key>[-\w./]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUAL = re.compile(r"^(?P<key>[-\w./]+)\s*(?P<op>==|!=|=)\s*(?P<value>[^\s,!=()]*)$")
_EXISTS = re.compile(r"^(?P<absent>!)?\s*(?P<key>[-\w./]+)$")


@dataclass(frozen=True, slots=True)
class Selection:
    """The objects of a type that are requested: a namespace (None = all) and every predicate."""

    namespace: str | None
    predicates: tuple[Predicate, ...]

    def matches(self, body: JsonObject) -> bool:
        """Return whether an object of the type is in the selection."""
        if self.namespace is not None and metadata(body).get("namespace") != self.namespace:
            return False
        return all(predicate(body) for predicate in self.predicates)


def select(kind: ResourceType, *, namespace: str | None, labels: str, fields: str) -> Selection:
    """Parse a selection from the query. Raises 400 for an invalid or unsupported selector."""
    predicates = (*parse_labels(labels), *parse_fields(kind, fields))
    return Selection(namespace=namespace, predicates=predicates)


def _split(selector: str) -> list[str]:
    """Return the requirements of a label selector: split at commas outside parentheses."""
    return [part.strip() for part in re.split(r",(?![^()]*\))", selector) if part.strip()]


def parse_labels(selector: str) -> list[Predicate]:
    """Parse one predicate per requirement: `a=b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`."""
    return [_requirement(part) for part in _split(selector)]


def _requirement(part: str) -> Predicate:
    if found := _SET.match(part):
        key = found["key"]
        values = frozenset(value.strip() for value in found["values"].split(","))
        if found["op"] == "in":
            return lambda body: _labels(body).get(key) in values
        return lambda body: _labels(body).get(key) not in values
    if found := _EQUAL.match(part):
        key, value = found["key"], found["value"]
        if found["op"] == "!=":
            return lambda body: _labels(body).get(key) != value
        return lambda body: _labels(body).get(key) == value
    if found := _EXISTS.match(part):
        key, absent = found["key"], bool(found["absent"])
        return lambda body: (key in _labels(body)) is not absent
    raise bad_request(f'unable to parse requirement: "{part}"')


def _labels(body: JsonObject) -> dict[str, str]:
    return strings(metadata(body), "labels")


def parse_fields(kind: ResourceType, selector: str) -> list[Predicate]:
    """Parse one predicate per `path=value` or `path!=value`. Raises 400 for an unknown field."""
    return [_field(kind, part.strip()) for part in selector.split(",") if part.strip()]


def _field(kind: ResourceType, part: str) -> Predicate:
    found = _EQUAL.match(part)
    if found is None:
        raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    path, value, negated = found["key"], found["value"], found["op"] == "!="
    read = kind.field(path)
    if read is None:
        raise bad_request(f'field label not supported: "{path}"')
    return lambda body: (read(body) == value) is not negated
