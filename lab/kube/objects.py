"""Stored objects: immutable, keyed, with their JSON made once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab.kube.jsontypes import JsonObject, clone_object, encode, lookup, metadata, text
from lab.kube.resources import ResourceType

EventType = Literal["ADDED", "MODIFIED", "DELETED"]
WriteVerb = Literal["create", "update", "patch", "delete"]


@dataclass(frozen=True, slots=True)
class Key:
    """Where an object is: its type, namespace ("" for cluster-scoped types) and name."""

    kind: ResourceType
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Stored:
    """One state of one object. `body` is shared and never changed: take `copy()` to change it."""

    key: Key
    version: int
    body: JsonObject
    encoded: bytes

    @classmethod
    def of(cls, kind: ResourceType, body: JsonObject, *, version: int) -> Stored:
        """The state `body` at `version`; its metadata.resourceVersion is set here."""
        own = metadata(body)
        own["resourceVersion"] = str(version)
        key = Key(kind, text(own, "namespace"), text(own, "name"))
        return cls(key=key, version=version, body=body, encoded=encode(body))

    @property
    def uid(self) -> str:
        """metadata.uid."""
        return lookup(self.body, "metadata", "uid")

    @property
    def terminating(self) -> bool:
        """Deleted, but held by a finalizer."""
        return "deletionTimestamp" in metadata(self.body)

    def copy(self) -> JsonObject:
        """A body of one's own."""
        return clone_object(self.body)


@dataclass(frozen=True, slots=True)
class Change:
    """One committed write: what watchers are told. `before` is None when the object was created."""

    type: EventType
    version: int
    after: Stored
    before: Stored | None

    @property
    def kind(self) -> ResourceType:
        """The type of the object."""
        return self.after.key.kind


@dataclass(frozen=True, slots=True)
class Actor:
    """Who writes: the user of the token and the program's user agent."""

    user: str = "lab"
    agent: str = "lab"
