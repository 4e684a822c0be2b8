"""Strict reading of YAML mappings: unknown keys, duplicate keys and wrong values are errors."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import TypeVar

import yaml

from lab.site import ServerKind, SiteError, parse_vlan_set

T = TypeVar("T")
D = TypeVar("D")


class StrictLoader(yaml.SafeLoader):
    """A YAML loader that refuses a duplicate key, of which the plain loader silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        keys: set[object] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else id(key_node)
            if key in keys:
                problem = f"key {key!r} is given twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            keys.add(key)
        mapping: dict[Hashable, object] = super().construct_mapping(node, deep)
        return mapping


class Section:
    """A mapping with only the `known` keys (None: any); `path` is its place in the document."""

    def __init__(self, path: str, value: object, known: Iterable[str] | None) -> None:
        if not isinstance(value, dict):
            raise wrong(path, value, "a mapping")
        self.path = path
        self._values: Mapping[object, object] = value
        allowed = None if known is None else sorted(known)
        for key in value:
            if not isinstance(key, str):
                raise wrong(self.field(key), key, "text as a key")
            if allowed is not None and key not in allowed:
                raise SiteError(f"{self.field(key)}: unknown key{_hint(key, allowed)}")

    def field(self, key: object) -> str:
        """Return the full path of `key`, for errors."""
        return f"{self.path}.{key}" if self.path else str(key)

    def required(self, key: str, convert: Callable[[str, object], T]) -> T:
        """Return the value of `key` through `convert`. Raises SiteError if it is missing."""
        if key not in self._values:
            raise SiteError(f"{self.field(key)}: missing")
        return convert(self.field(key), self._values[key])

    def optional(self, key: str, convert: Callable[[str, object], T], default: D) -> T | D:
        """Return the value of `key` through `convert`, or `default` if it is absent or null."""
        return default if self._values.get(key) is None else self.required(key, convert)

    def items(self) -> Iterator[tuple[str, object]]:
        """Yield all keys with their raw values, in the order of the file."""
        return ((str(key), value) for key, value in self._values.items())


def wrong(field: str, value: object, expected: str) -> SiteError:
    """Build the error for a `value` that is not what `field` expects."""
    shown = repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}..."
    return SiteError(f"{field or 'document'}: {shown}: expected {expected}")


def _hint(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; expected one of {', '.join(known)}"


def text(field: str, value: object) -> str:
    """Convert `value` to text."""
    if not isinstance(value, str):
        raise wrong(field, value, "text")
    return value


def integer(field: str, value: object) -> int:
    """Convert `value` to a whole number."""
    # bool is an int in Python, and `vlan: yes` is not VLAN 1.
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong(field, value, "a whole number")
    return value


def boolean(field: str, value: object) -> bool:
    """Convert `value` to true or false."""
    if not isinstance(value, bool):
        raise wrong(field, value, "true or false")
    return value


def address(field: str, value: object) -> IPv4Address:
    """Convert `value` to an IPv4 address."""
    try:
        return IPv4Address(text(field, value))
    except ValueError:
        raise wrong(field, value, "an IPv4 address") from None


def network(field: str, value: object) -> IPv4Network:
    """Convert `value` to an IPv4 network without host bits."""
    try:
        return IPv4Network(text(field, value))
    except ValueError:
        raise wrong(field, value, "an IPv4 network such as 10.0.112.0/20, no host bits") from None


def pool(field: str, value: object) -> tuple[IPv4Address, IPv4Address]:
    """Convert `value`, FIRST-LAST, to two addresses."""
    first, _, last = text(field, value).partition("-")
    try:
        return IPv4Address(first.strip()), IPv4Address(last.strip())
    except ValueError:
        raise wrong(field, value, "FIRST-LAST, two IPv4 addresses") from None


def vlan_set(field: str, value: object) -> frozenset[int]:
    """Convert `value` to a set of VLAN IDs."""
    try:
        return parse_vlan_set(str(value))
    except ValueError as error:
        raise wrong(field, value, f"all, or 7,10-20 ({error})") from None


def server_kind(field: str, value: object) -> ServerKind:
    """Convert `value` to the kind of a DHCP server."""
    try:
        return ServerKind(text(field, value))
    except ValueError:
        raise wrong(field, value, f"one of {', '.join(ServerKind)}") from None
