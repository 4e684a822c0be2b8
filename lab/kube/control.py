"""The control endpoints under /_lab/: faults and records of a server in another process.

They accept only bodies of type application/json, which a web page of another origin cannot send without
consent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from lab.kube.credentials import Tokens
from lab.kube.errors import ApiError, bad_request
from lab.kube.faults import ANY, WRITE, Fault, Faults, GoneStyle, resource_named
from lab.kube.jsontypes import JsonObject, JsonValue, section, text
from lab.kube.negotiation import content_type, number, read_object
from lab.kube.requests import Match, RequestLog
from lab.kube.rivals import Rival
from lab.kube.store import Store
from lab.kube.watches import Watches

Handler = Callable[[web.Request], Awaitable[web.Response]]


def parse_match(body: JsonObject, default: Match) -> Match:
    """Parse the `match` of a body. Raises 400 for an unknown key."""
    given = section(body, "match")
    if unknown := set(given) - set(Match.__dataclass_fields__):
        raise bad_request(f"match has no {sorted(unknown)}; it has {sorted(Match.__dataclass_fields__)}")
    if not given:
        return default
    try:
        return Match(**{key: str(value) for key, value in given.items() if value is not None})
    except ValueError as error:
        raise bad_request(str(error)) from error


def _seconds(body: JsonObject, key: str) -> float:
    value = body.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise bad_request(f"{key} is a number of seconds")
    return float(value)


def _whole(body: JsonObject, key: str, default: int | None) -> int | None:
    value = body.get(key, default)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise bad_request(f"{key} is a whole number or null")


@dataclass(slots=True)
class Control:
    """Serves faults and records over HTTP."""

    store: Store
    faults: Faults
    watches: Watches
    requests: RequestLog
    tokens: Tokens
    _scripted: dict[int, Fault] = field(default_factory=dict)
    _storms: dict[str, contextlib.ExitStack] = field(default_factory=dict)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the routes under /_lab/."""
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/_lab/writes", self._writes),
            ("GET", "/_lab/requests", self._requests),
            ("GET", "/_lab/state", self._state),
            ("POST", "/_lab/faults", self._fault),
            ("DELETE", "/_lab/faults", self._clear),
            ("GET", "/_lab/faults/{number}", self._hits),
            ("POST", "/_lab/token/rotate", self._rotate),
            ("POST", "/_lab/rival", self._rival),
        ]
        for method, path, handler in routes:
            router.add_route(method, path, handler)

    async def close(self) -> None:
        """Stop the background tasks."""
        for stack in self._storms.values():
            await asyncio.to_thread(stack.close)
        self._storms.clear()

    async def _writes(self, http: web.Request) -> web.Response:
        after = number(http, "after") or 0
        records: list[JsonValue] = [each.to_json() for each in self.store.writes.all(after=after)]
        return web.json_response({"writes": records})

    async def _requests(self, http: web.Request) -> web.Response:
        after = number(http, "after") or 0
        records: list[JsonValue] = [each.to_json() for each in self.requests.all(after=after)]
        return web.json_response({"requests": records})

    async def _state(self, _http: web.Request) -> web.Response:
        state: JsonObject = {
            "version": self.store.version,
            "oldest": self.store.oldest,
            "watches": len(self.watches),
            "faults": len(self.faults.active()),
        }
        return web.json_response(state)

    async def _hits(self, http: web.Request) -> web.Response:
        wanted = http.match_info["number"]
        fault = self._scripted.get(int(wanted)) if wanted.isdecimal() else None
        if fault is None:
            raise ApiError(404, f"no fault {wanted}")
        return web.json_response({"fault": fault.number, "hits": fault.hits, "remaining": fault.remaining})

    async def _clear(self, _http: web.Request) -> web.Response:
        self.faults.clear()
        self._scripted.clear()
        await self.close()
        return web.json_response({})

    async def _rotate(self, http: web.Request) -> web.Response:
        body = await _body(http)
        return web.json_response({"token": self.tokens.rotate(keep_old=body.get("keep_old") is True)})

    async def _fault(self, http: web.Request) -> web.Response:
        body = await _body(http)
        kind = text(body, "kind")
        if (now := self._at_once(kind, body)) is not None:
            return web.json_response(now)
        fault = self._script(kind, body)
        self._scripted[fault.number] = fault
        return web.json_response({"fault": fault.number})

    def _at_once(self, kind: str, body: JsonObject) -> JsonObject | None:
        """Do what takes effect at once; return None for another `kind`."""
        match = parse_match(body, ANY)
        match kind:
            case "freeze":
                self.faults.freeze(match)
            case "thaw":
                self.faults.thaw()
            case "compact":
                self.faults.compact()
            case "cut-watches":
                return {"watches": self.faults.cut_watches(match)}
            case "end-watches":
                return {"watches": self.faults.end_watches(match)}
            case "expire-watches":
                return {"watches": self.faults.expire_watches(match)}
            case "gone-style":
                styles: dict[str, GoneStyle] = {"event": "event", "status": "status"}
                style = styles.get(text(body, "style"))
                if style is None:
                    raise bad_request("style is event or status")
                self.faults.gone_style = style
            case _:
                return None
        return {}

    def _script(self, kind: str, body: JsonObject) -> Fault:
        """Script a fault for later requests. Raises 400 for an unknown kind."""
        count = _whole(body, "count", 1)
        match kind:
            case "respond":
                status = _whole(body, "status", None)
                if status is None or not 400 <= status <= 599:
                    raise bad_request("status is an HTTP status from 400 to 599")
                return self.faults.respond(
                    status,
                    match=parse_match(body, ANY),
                    count=count,
                    message=text(body, "message") or "scripted by the lab",
                    reason=text(body, "reason") or None,
                    retry_after=_whole(body, "retry_after", None),
                )
            case "limit":
                per_s = _seconds(body, "per_second")
                if not per_s:
                    raise bad_request("per_second is a number above 0")
                pause = _whole(body, "retry_after", 1)
                match = parse_match(body, WRITE)
                return self.faults.limit(per_s, match=match, retry_after=1 if pause is None else pause)
            case "deny":
                why = text(body, "message") or "scripted"
                return self.faults.deny(why, match=parse_match(body, WRITE), count=count)
            case "webhook-down":
                delay = _seconds(body, "delay")
                return self.faults.webhook_down(match=parse_match(body, WRITE), count=count, delay=delay)
            case "drop-response":
                return self.faults.drop_response(match=parse_match(body, WRITE), count=count)
            case "delay":
                return self.faults.delay(_seconds(body, "seconds"), match=parse_match(body, ANY), count=count)
            case "stale-reads":
                return self.faults.stale_reads(match=parse_match(body, Match(verb="list")), count=count)
        raise bad_request(f"unknown kind of fault {kind!r}")

    async def _rival(self, http: web.Request) -> web.Response:
        """Touch an object once, or `per_second` times a second until called with 0."""
        body = await _body(http)
        kind = resource_named(text(body, "resource") or "network-attachment-definitions")
        rival = Rival(self.store, text(body, "namespace"), text(body, "name"), kind)
        rate = _seconds(body, "per_second")
        running = self._storms.pop(f"{kind.plural}/{rival.namespace}/{rival.name}", None)
        if running is not None:
            await asyncio.to_thread(running.close)
        if rate:
            stack = contextlib.ExitStack()
            stack.enter_context(rival.storm(per_second=rate))
            self._storms[f"{kind.plural}/{rival.namespace}/{rival.name}"] = stack
        elif running is None:
            rival.touch()
        return web.json_response({})


async def _body(http: web.Request) -> JsonObject:
    if content_type(http) != "application/json":
        raise ApiError(415, "expected application/json")
    return await read_object(http)
