"""Manifests in YAML or JSON, as people write them, and where each of their values stands."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from services.network.lint.manifests import Manifest, Path

MAX_BYTES = 16_777_216
"""Of one file: far larger than any real one."""


@dataclass(frozen=True)
class Position:
    """Line and column, from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Placed:
    """A manifest and its place in a file."""

    manifest: Manifest
    file: str
    text: str
    node: yaml.Node

    def position(self, path: Path) -> Position:
        """Return where the value at this path stands, or what of it there is."""
        node: yaml.Node = self.node
        for at, key in enumerate(path):
            child = _child(node, key)
            if child is None:
                return self._inside(node, path[at:])
            node = child
        return _position(node)

    def _inside(self, node: yaml.Node, rest: Path) -> Position:
        """Return where the last of these keys stands in the text of a JSON value; else where that begins."""
        begin, end = node.start_mark, node.end_mark
        if isinstance(node, yaml.ScalarNode) and rest:
            place = self.text.find(f'"{rest[-1]}"', begin.index, end.index)
            if place >= 0:
                before = self.text[:place]
                return Position(before.count("\n") + 1, place - (before.rfind("\n") + 1) + 1)
        return _position(node)


class Unreadable(ValueError):
    """A file is no YAML from some place on."""

    def __init__(self, message: str, position: Position) -> None:
        super().__init__(message)
        self.position = position


def read_manifests(file: str, text: str) -> Iterator[Placed]:
    """Yield each object of a text: of several documents, and of Lists. Raises Unreadable where that ends."""
    loader = yaml.SafeLoader(text)
    try:
        while loader.check_node():
            node: yaml.Node = loader.get_node()  # type: ignore[assignment]
            yield from _objects(file, text, node, loader.construct_document(node))
    except yaml.YAMLError as error:
        mark: Any = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        position = Position(mark.line + 1, mark.column + 1) if mark is not None else Position(1, 1)
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise Unreadable(f"not YAML: {problem}", position) from None
    except (RecursionError, ValueError) as error:
        raise Unreadable(f"not YAML: {' '.join(str(error).split())[:200]}", Position(1, 1)) from None
    finally:
        loader.dispose()


def _objects(file: str, text: str, node: yaml.Node, body: object) -> Iterator[Placed]:
    if not isinstance(body, Mapping) or not isinstance(node, yaml.MappingNode):
        return
    items = body.get("items")
    if str(body.get("kind", "")).endswith("List") and isinstance(items, list):
        nodes = _child(node, "items")
        if isinstance(nodes, yaml.SequenceNode):
            for child, item in zip(nodes.value, items, strict=True):
                yield from _objects(file, text, child, item)
        return
    yield Placed(Manifest(body), file, text, node)


def _child(node: yaml.Node, key: str) -> yaml.Node | None:
    """Return the value of a key; of a merged mapping (`<<`) too, as in YAML 1.1."""
    if not isinstance(node, yaml.MappingNode):
        return None
    merged: yaml.Node | None = None
    for name, value in node.value:
        if isinstance(name, yaml.ScalarNode) and name.value == key and name.tag != "tag:yaml.org,2002:merge":
            found: yaml.Node = value
            return found
        if isinstance(name, yaml.ScalarNode) and name.tag == "tag:yaml.org,2002:merge":
            sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
            merged = merged or next((c for s in sources if (c := _child(s, key)) is not None), None)
    return merged


def _position(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)
