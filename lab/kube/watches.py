"""Open watches, and the lines that they receive: one JSON line per change."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from lab.kube.errors import ApiError, expired
from lab.kube.jsontypes import JsonObject, encode
from lab.kube.objects import Change, EventType
from lab.kube.requests import Match, Request
from lab.kube.selectors import Selection


@dataclass(eq=False, slots=True)
class OpenWatch:
    """One open stream, as the faults see it."""

    request: Request
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport | None
    wake: Callable[[], None] = field(default=lambda: None)
    ending: ApiError | None = None
    closing: bool = False


class Watches:
    """All open watches of a server. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[OpenWatch] = set()

    def __len__(self) -> int:
        with self._lock:
            return len(self._open)

    def enter(self, watch: OpenWatch) -> None:
        """Register a stream."""
        with self._lock:
            self._open.add(watch)

    def leave(self, watch: OpenWatch) -> None:
        """Remove a stream."""
        with self._lock:
            self._open.discard(watch)

    def _matching(self, match: Match) -> list[OpenWatch]:
        with self._lock:
            return [watch for watch in self._open if match(watch.request)]

    def cut(self, match: Match) -> int:
        """Break the connections, without a last chunk."""
        found = self._matching(match)
        for watch in found:
            if watch.transport is not None:
                with contextlib.suppress(RuntimeError):
                    watch.loop.call_soon_threadsafe(watch.transport.abort)
        return len(found)

    def end(self, match: Match) -> int:
        """End the streams properly."""
        found = self._matching(match)
        for watch in found:
            watch.closing = True
            watch.wake()
        return len(found)

    def expire(self, match: Match) -> int:
        """End the streams with an ERROR event 410."""
        found = self._matching(match)
        for watch in found:
            watch.ending = expired("too old resource version: scripted by the lab")
            watch.wake()
        return len(found)


def line(event: EventType, encoded: bytes) -> bytes:
    """Encode one event of a stream."""
    return b'{"type":"' + event.encode() + b'","object":' + encoded + b"}\n"


def error_line(error: ApiError) -> bytes:
    """Encode the ERROR event that ends a stream."""
    return b'{"type":"ERROR","object":' + encode(error.status()) + b"}\n"


def bookmark_line(request: Request, version: int) -> bytes:
    """Encode a BOOKMARK: everything of this type up to this version has been sent."""
    body: JsonObject = {
        "kind": request.kind.kind,
        "apiVersion": request.kind.api_version,
        "metadata": {"resourceVersion": str(version), "creationTimestamp": None},
    }
    return b'{"type":"BOOKMARK","object":' + encode(body) + b"}\n"


def event_type(change: Change, request: Request, selection: Selection) -> EventType | None:
    """Return what a change is to a watcher with a selection: an object that leaves it is deleted."""
    if change.kind is not request.kind:
        return None
    now = change.type != "DELETED" and selection.matches(change.after.body)
    before = change.before is not None and selection.matches(change.before.body)
    if now:
        return "MODIFIED" if before else "ADDED"
    return "DELETED" if before else None
