"""Requests: parsing method, path and query, and the log of requests."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import unquote

from lab.kube.errors import ApiError, unknown_path
from lab.kube.jsontypes import JsonObject
from lab.kube.resource_type import ResourceType
from lab.kube.resources import BY_PATH, BY_PLURAL, NAMESPACES

Verb = Literal["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
WRITES: frozenset[str] = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_ONE: dict[str, Verb] = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_MANY: dict[str, Verb] = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}


@dataclass(frozen=True, slots=True)
class Request:
    """One request on a resource. `namespace` is None for all or none, `name` "" for a collection."""

    verb: Verb
    kind: ResourceType
    namespace: str | None
    name: str
    user_agent: str


def parse(*, method: str, path: str, watch: bool, user_agent: str) -> Request:
    """Parse a request. Raises 404 for a path without a resource, 405 for an unsupported method."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    kind, rest = _kind(parts)
    namespace = None
    if kind is NAMESPACES and len(rest) >= 3:
        namespace = rest[1]
        kind = _named(parts, rest[2])
        rest = rest[2:]
        if not kind.namespaced:
            raise unknown_path()
    if len(rest) > 2:
        raise unknown_path()
    name = rest[1] if len(rest) == 2 else ""
    if kind.namespaced and name and namespace is None:
        raise unknown_path()
    verb = (_ONE if name else _MANY).get(method)
    if verb is None:
        raise ApiError(405, "the server does not allow this method on the requested resource")
    if watch and verb in ("get", "list"):
        verb = "watch"
    return Request(verb=verb, kind=kind, namespace=namespace, name=name, user_agent=user_agent)


def _kind(parts: list[str]) -> tuple[ResourceType, list[str]]:
    """Return the type and the path from the resource's name on; `namespaces/<ns>/…` exists in every group."""
    head = 2 if parts[0] == "api" else 3
    if parts[0] not in ("api", "apis") or len(parts) <= head:
        raise unknown_path()
    rest = parts[head:]
    if rest[0] == "namespaces" and len(rest) >= 3:
        return NAMESPACES, rest
    return _named(parts, rest[0]), rest


def _named(parts: list[str], plural: str) -> ResourceType:
    group, version = ("", parts[1]) if parts[0] == "api" else (parts[1], parts[2])
    kind = BY_PATH.get((group, version, plural))
    if kind is None:
        raise unknown_path()
    return kind


@dataclass(frozen=True, slots=True)
class Match:
    """The requests that a fault applies to; None matches all. `verb` may also be "write" or "read"."""

    verb: str | None = None
    resource: str | None = None
    namespace: str | None = None
    name: str | None = None
    user_agent: str | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a verb or resource that no request can have: the fault would never apply."""
        if self.verb not in (None, "read", "write", *get_args(Verb)):
            raise ValueError(f"no request has the verb {self.verb!r}")
        if self.resource is not None and self.resource not in BY_PLURAL:
            raise ValueError(f"no request has the resource {self.resource!r}")

    def __call__(self, request: Request) -> bool:
        """Return whether the request matches; `user_agent` matches a part."""
        verbs = {request.verb, "write" if request.verb in WRITES else "read"}
        return (
            self.verb in (None, *verbs)
            and self.resource in (None, request.kind.plural)
            and self.namespace in (None, request.namespace)
            and self.name in (None, request.name)
            and (self.user_agent is None or self.user_agent in request.user_agent)
        )


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One received request; `at` is the server's monotonic clock in seconds on arrival."""

    sequence: int
    at: float
    verb: str
    resource: str
    namespace: str
    name: str
    query: str
    user_agent: str

    def to_json(self) -> JsonObject:
        """Return the entry of `GET /_lab/requests`."""
        return {
            "sequence": self.sequence,
            "at": self.at,
            "verb": self.verb,
            "resource": self.resource,
            "namespace": self.namespace,
            "name": self.name,
            "query": self.query,
            "userAgent": self.user_agent,
        }


class RequestLog:
    """The last `limit` requests on resources, whatever their results. Thread-safe."""

    def __init__(self, *, limit: int = 100_000) -> None:
        self._records: deque[RequestRecord] = deque(maxlen=limit)
        self._sequence = 0
        self._changed = threading.Condition()

    def add(self, request: Request, *, at: float, query: str) -> None:
        """Record a request and wake those who wait for one."""
        with self._changed:
            self._sequence += 1
            record = RequestRecord(
                sequence=self._sequence,
                at=at,
                verb=request.verb,
                resource=request.kind.plural,
                namespace=request.namespace or "",
                name=request.name,
                query=query,
                user_agent=request.user_agent,
            )
            self._records.append(record)
            self._changed.notify_all()

    def all(self, *, after: int = 0) -> list[RequestRecord]:
        """Return the records with a sequence above `after`, oldest first."""
        with self._changed:
            return [record for record in self._records if record.sequence > after]

    def wait(
        self, wanted: Callable[[RequestRecord], bool], *, seconds: float, after: int = 0
    ) -> RequestRecord:
        """Return the first wanted record, now or within `seconds`. Raises TimeoutError."""
        found: list[RequestRecord] = []

        def seen() -> bool:
            found.extend(record for record in self._records if record.sequence > after and wanted(record))
            return bool(found)

        with self._changed:
            if not self._changed.wait_for(seen, seconds):
                raise TimeoutError(f"no such request within {seconds} s")
        return found[0]
