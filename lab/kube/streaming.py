"""The verb watch: the stream of changes, bookmarks, and its possible ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from lab.kube.errors import ApiError, Cause
from lab.kube.faults import Faults
from lab.kube.jsontypes import encode
from lab.kube.negotiation import Form, accepted, flag, number
from lab.kube.objects import EventType, Stored
from lab.kube.reading import check_version, selection_of
from lab.kube.requests import Request
from lab.kube.selectors import Selection
from lab.kube.signals import Listener
from lab.kube.store import Store
from lab.kube.tables import table
from lab.kube.watches import OpenWatch, Watches, bookmark_line, error_line, event_type, line

DEFAULT_SECONDS = 1_800.0
LONGEST_NAP = 5.0  # how late a closed connection may be noticed on a silent watch


@dataclass(frozen=True, slots=True)
class Streaming:
    """Serves watches. `bookmark_seconds` is the interval between bookmarks."""

    store: Store
    faults: Faults
    watches: Watches
    bookmark_seconds: float

    async def watch(self, http: web.Request, request: Request, *, drop: bool = False) -> web.StreamResponse:
        """Stream the changes after a version, or from the present state if none is given.

        Raises 410 (as an HTTP status or an ERROR event, as `faults.gone_style` says) if they were dropped,
        504 for a future version, 422 for sendInitialEvents, which is not supported.
        """
        form = accepted(http.headers.get("Accept", ""))
        if "sendInitialEvents" in http.query:
            why = "Forbidden: sendInitialEvents is forbidden for watch without the WatchList feature gate"
            raise request.kind.invalid("", Cause("FieldValueForbidden", why, "sendInitialEvents"))
        selection = selection_of(http, request)
        since = number(http, "resourceVersion")
        check_version(since, self.store.version)
        if since and self.faults.gone_style == "status":
            self.store.since(since)
        loop = asyncio.get_running_loop()
        seconds = float(number(http, "timeoutSeconds") or DEFAULT_SECONDS)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        watch = OpenWatch(request, loop, http.transport)
        session = _Session(self, http, request, selection, form, response, watch, loop.time() + seconds)
        with self.store.changed.listening() as listener:
            watch.wake = listener.wake
            self.watches.enter(watch)
            try:
                await response.prepare(http)
                if drop and http.transport is not None:
                    http.transport.abort()
                await session.run(since, listener)
            finally:
                self.watches.leave(watch)
        return response


@dataclass(slots=True)
class _Session:
    """One stream from its headers to its end."""

    streaming: Streaming
    http: web.Request
    request: Request
    selection: Selection
    form: Form
    response: web.StreamResponse
    watch: OpenWatch
    until: float
    header: bool = True

    async def run(self, since: int | None, listener: Listener) -> None:
        """Send changes until the timeout, until the client is gone, or until a fault ends the stream."""
        bookmarks = flag(self.http, "allowWatchBookmarks")
        pause = self.streaming.bookmark_seconds
        cursor, lines = self._begin(since)
        bookmark_due = self._now() + pause
        while True:
            await self.streaming.faults.gate(self.request)
            try:
                cursor, fresh = self._changes(cursor)
            except ApiError as error:
                await self._send([*lines, error_line(error)])
                return
            lines += fresh
            over = self.watch.closing or self._now() >= self.until
            if bookmarks and (over or self._now() >= bookmark_due):
                lines.append(bookmark_line(self.request, cursor))
                bookmark_due = self._now() + pause
            if not await self._send(lines) or over:
                return
            lines = []
            await listener.wait(seconds=self._nap(bookmark_due if bookmarks else self.until))

    def _begin(self, since: int | None) -> tuple[int, list[bytes]]:
        """Return the starting version, and the present objects if the watch begins with them."""
        if since:
            return since, []
        snapshot = self.streaming.store.snapshot(self.request.kind)
        matching = [each for each in snapshot.items if self.selection.matches(each.body)]
        return snapshot.version, [self._line("ADDED", each) for each in matching]

    def _changes(self, cursor: int) -> tuple[int, list[bytes]]:
        """Return the new version and the lines up to it; raise what ends the stream."""
        if self.watch.ending is not None:
            raise self.watch.ending
        lines: list[bytes] = []
        for change in self.streaming.store.since(cursor):
            cursor = change.version
            event = event_type(change, self.request, self.selection)
            if event is not None:
                lines.append(self._line(event, change.after))
        return cursor, lines

    def _line(self, event: EventType, stored: Stored) -> bytes:
        if self.form == "json":
            return line(event, stored.encoded)
        header, self.header = self.header, False
        include = self.http.query.get("includeObject", "Metadata")
        body = table(
            self.request.kind,
            [stored],
            meta={"resourceVersion": str(stored.version)},
            now=self.streaming.store.now(),
            include=include,
            header=header,
        )
        return line(event, encode(body))

    async def _send(self, lines: list[bytes]) -> bool:
        """Send whole lines, waiting for a slow client; return False if the client is gone."""
        if lines:
            try:
                await self.response.write(b"".join(lines))
            except (ConnectionError, RuntimeError):
                return False
        transport = self.http.transport
        return transport is not None and not transport.is_closing()

    def _now(self) -> float:
        return self.watch.loop.time()

    def _nap(self, due: float) -> float:
        return max(0.0, min(LONGEST_NAP, due - self._now(), self.until - self._now()))
