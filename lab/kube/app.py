"""The web application: authentication, routing, faults and error responses."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from lab.kube import discovery
from lab.kube.control import Control
from lab.kube.credentials import Tokens
from lab.kube.errors import ApiError
from lab.kube.faults import Action, Faults, StaleView
from lab.kube.jsontypes import encode
from lab.kube.negotiation import flag
from lab.kube.objects import Actor
from lab.kube.reading import Reading
from lab.kube.requests import Request, RequestLog, parse
from lab.kube.reviews import Reviews
from lab.kube.store import Store
from lab.kube.streaming import Streaming
from lab.kube.watches import Watches
from lab.kube.writing import Writing

BODY_LIMIT = 3 * 1024 * 1024
OPEN_PATHS = ("/healthz", "/livez", "/readyz", "/version")
PROTOBUF_V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
log = logging.getLogger(__name__)


def error_response(error: ApiError) -> web.Response:
    """Build the HTTP response with a Status object."""
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return web.Response(
        body=encode(error.status()), status=error.code, headers=headers, content_type="application/json"
    )


@dataclass(frozen=True, slots=True)
class App:
    """The state that requests need. `tokens` None disables authentication; `control` enables /_lab/."""

    store: Store
    faults: Faults
    watches: Watches
    requests: RequestLog
    tokens: Tokens | None
    control: Control | None
    bookmark_seconds: float
    monotonic: Callable[[], float] = field(default=time.monotonic)

    def build(self) -> web.Application:
        """Build the aiohttp application."""
        app = web.Application(client_max_size=BODY_LIMIT, middlewares=[self._errors])
        app.router.add_route("GET", "/{path:healthz|livez|readyz}", _healthy)
        app.router.add_route("GET", "/version", _version)
        app.router.add_route("GET", "/api", _core_versions)
        app.router.add_route("GET", "/apis", _groups)
        app.router.add_route("GET", "/api/{version}", _resources)
        app.router.add_route("GET", "/apis/{group}", _group)
        app.router.add_route("GET", "/apis/{group}/{version}", _resources)
        app.router.add_route("GET", "/openapi/v2", _openapi_v2)
        app.router.add_route("GET", "/openapi/v3", _openapi_v3)
        Reviews(self.faults).add_routes(app.router)
        if self.control is not None:
            self.control.add_routes(app.router)
        app.router.add_route("*", "/{path:.*}", self._resource)
        return app

    @web.middleware
    async def _errors(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Authenticate by token, and turn every error into a Status."""
        try:
            if self.control is None or not request.path.startswith("/_lab/"):
                self._authenticate(request)
            return await handler(request)
        except ApiError as error:
            return error_response(error)
        except web.HTTPRequestEntityTooLarge:
            return error_response(ApiError(413, f"Request entity too large: limit is {BODY_LIMIT}"))
        except RecursionError:
            return error_response(ApiError(400, "the body is nested too deeply"))
        except ConnectionError:
            return error_response(ApiError(400, "the client has gone"))  # nobody reads this
        except Exception as error:
            log.exception("%s %s failed", request.method, request.path)
            return error_response(ApiError(500, f"Internal error occurred: {error!r}"))

    def _authenticate(self, http: web.Request) -> str:
        if self.tokens is None or http.path in OPEN_PATHS:
            return "anonymous"
        user = self.tokens.user(http.headers.get("Authorization", ""))
        if user is None:
            raise ApiError(401, "Unauthorized")
        return user

    async def _resource(self, http: web.Request) -> web.StreamResponse:
        agent = http.headers.get("User-Agent", "")
        request = parse(
            method=http.method,
            path=http.raw_path.partition("?")[0],
            watch=flag(http, "watch"),
            user_agent=agent,
        )
        self.requests.add(request, at=self.monotonic(), query=http.query_string)
        actor = Actor(self._authenticate(http), agent, http.query.get("fieldManager", ""))
        await http.read()  # A delayed request takes effect even if its client gives up.
        await self.faults.gate(request)
        actions = self.faults.take(request)
        stale = await self._strike_before(request, actions)
        drop = any(action.drop for action in actions)
        if request.verb == "watch":
            streaming = Streaming(self.store, self.faults, self.watches, self.bookmark_seconds)
            return await streaming.watch(http, request, drop=drop)
        try:
            response = await self._answer(http, request, actor, stale)
        except ApiError as error:
            response = error_response(error)
        for action in actions:
            if action.after is not None:
                await asyncio.to_thread(action.after, request)
        await self.faults.gate(request)
        if drop and http.transport is not None:
            http.transport.abort()
        return response

    async def _strike_before(self, request: Request, actions: list[Action]) -> StaleView | None:
        """Apply the faults that precede the request's effect; raise the error that is to be returned."""
        stale = None
        for action in actions:
            if action.delay:
                await asyncio.sleep(action.delay)
            if action.before is not None:
                await asyncio.to_thread(action.before, request)
            if action.error is not None:
                raise action.error
            stale = action.stale or stale
        return stale

    async def _answer(
        self, http: web.Request, request: Request, actor: Actor, stale: StaleView | None
    ) -> web.Response:
        reading, writing = Reading(self.store), Writing(self.store)
        match request.verb:
            case "get":
                return reading.one(http, request, stale)
            case "list":
                return reading.many(http, request, stale)
            case "create":
                return await writing.create(http, request, actor)
            case "update":
                return await writing.update(http, request, actor)
            case "patch":
                return await writing.patch(http, request, actor)
            case "delete":
                return await writing.delete(http, request, actor)
            case _:
                return await writing.delete_all(http, request, actor)


async def _healthy(_http: web.Request) -> web.Response:
    return web.Response(text="ok")


async def _version(_http: web.Request) -> web.Response:
    return web.json_response(discovery.version())


async def _core_versions(http: web.Request) -> web.Response:
    return web.json_response(discovery.core_versions(address=http.host))


async def _groups(_http: web.Request) -> web.Response:
    return web.json_response(discovery.group_list())


async def _group(http: web.Request) -> web.Response:
    return web.json_response(discovery.group(http.match_info["group"]))


async def _resources(http: web.Request) -> web.Response:
    group = http.match_info.get("group", "")
    return web.json_response(discovery.resource_list(group, http.match_info["version"]))


async def _openapi_v2(http: web.Request) -> web.Response:
    if "protobuf" in http.headers.get("Accept", ""):
        return web.Response(body=discovery.openapi_v2_protobuf(), headers={"Content-Type": PROTOBUF_V2})
    return web.json_response(discovery.openapi_v2())


async def _openapi_v3(_http: web.Request) -> web.Response:
    return web.json_response(discovery.openapi_v3())
