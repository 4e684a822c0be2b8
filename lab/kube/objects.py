"""Stored objects: immutable, keyed, with their JSON encoded once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab.kube.jsontypes import JsonObject, clone_object, encode, lookup, metadata, text
from lab.kube.resource_type import ResourceType

EventType = Literal["ADDED", "MODIFIED", "DELETED"]
WriteVerb = Literal["create", "update", "patch", "delete"]


@dataclass(frozen=True, slots=True)
class Key:
    """The place of an object: its type, namespace ("" for cluster-scoped types) and name."""

    kind: ResourceType
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Stored:
    """One state of one object. `body` is shared and never changed: use `copy()` to change it."""

    key: Key
    version: int
    body: JsonObject
    encoded: bytes

    @classmethod
    def of(cls, kind: ResourceType, body: JsonObject, *, version: int) -> Stored:
        """Build the state `body` at `version`; sets its metadata.resourceVersion."""
        own = metadata(body)
        own["resourceVersion"] = str(version)
        key = Key(kind, text(own, "namespace"), text(own, "name"))
        return cls(key=key, version=version, body=body, encoded=encode(body))

    @property
    def uid(self) -> str:
        """Return metadata.uid."""
        return lookup(self.body, "metadata", "uid")

    @property
    def terminating(self) -> bool:
        """Return whether the object is deleted but held by a finalizer."""
        return "deletionTimestamp" in metadata(self.body)

    def copy(self) -> JsonObject:
        """Return a private copy of the body."""
        return clone_object(self.body)


@dataclass(frozen=True, slots=True)
class Change:
    """One committed write, as watchers receive it. `before` is None if the object was created."""

    type: EventType
    version: int
    after: Stored
    before: Stored | None

    @property
    def kind(self) -> ResourceType:
        """Return the type of the object."""
        return self.after.key.kind


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of a write: user of the token, user agent of the program, and the field manager it names."""

    user: str = "lab"
    agent: str = "lab"
    manager: str = ""

    @property
    def field_manager(self) -> str:
        """Return the field manager: without a name of its own, the user agent up to the first slash."""
        return self.manager or self.agent.partition("/")[0] or "unknown"
