"""The store on disk, so that a killed server comes back with its objects: one JSON line per change."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lab.kube.jsontypes import JsonValue, lookup, section
from lab.kube.objects import Change, Key, Stored
from lab.kube.resource_type import ResourceType
from lab.kube.resources import BY_PATH


@dataclass(frozen=True, slots=True)
class Loaded:
    """The content of a journal: the objects and the version that the server had reached."""

    objects: dict[Key, Stored]
    version: int


class Journal:
    """An append-only file. A line torn by a kill ends the replay. Writes reach the kernel at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def open(self) -> Loaded:
        """Replay the file, compact it, and keep it open for appending."""
        loaded = self._replay()
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(_line("version", version=loaded.version, stored=None))
            for stored in loaded.objects.values():
                file.write(_line("put", version=stored.version, stored=stored))
        fresh.replace(self._path)
        self._file = self._path.open("ab", buffering=0)
        return loaded

    def append(self, change: Change) -> None:
        """Append one change."""
        if self._file is not None:
            verb = "delete" if change.type == "DELETED" else "put"
            self._file.write(_line(verb, version=change.version, stored=change.after))

    def close(self) -> None:
        """Close the file; later appends are ignored."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _replay(self) -> Loaded:
        objects: dict[Key, Stored] = {}
        version = 0
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        for line in lines:
            try:
                entry: JsonValue = json.loads(line)
            except ValueError:
                break
            if not isinstance(entry, dict):
                break
            reached = entry.get("version")
            version = reached if isinstance(reached, int) else version
            body = section(entry, "object")
            kind = _kind(lookup(body, "apiVersion"), lookup(entry, "resource"))
            if kind is None:
                continue
            stored = Stored.of(kind, body, version=version)
            if entry.get("op") == "delete":
                objects.pop(stored.key, None)
            else:
                objects[stored.key] = stored
        return Loaded(objects=objects, version=version)


def _kind(api_version: str, plural: str) -> ResourceType | None:
    group, _, version = api_version.rpartition("/")
    return BY_PATH.get((group, version, plural))


def _line(verb: str, *, version: int, stored: Stored | None) -> bytes:
    resource = stored.key.kind.plural if stored else ""
    head = json.dumps({"op": verb, "version": version, "resource": resource})[:-1].encode()
    return head + b',"object":' + (stored.encoded if stored else b"{}") + b"}\n"
