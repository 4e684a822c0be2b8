"""The verbs create, update, patch and delete."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from lab.kube import strategic
from lab.kube.errors import ApiError, bad_request, success, unknown_path
from lab.kube.jsontypes import JsonObject, JsonValue, lookup, metadata
from lab.kube.lifecycle import required_version
from lab.kube.negotiation import content_type, dry_run, read_json, read_object, read_preconditions
from lab.kube.objects import Actor, Stored
from lab.kube.patching import (
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    apply_json_patch,
    merge,
)
from lab.kube.reading import selection_of
from lab.kube.requests import Request
from lab.kube.store import Edit, Store


@dataclass(frozen=True, slots=True)
class Writing:
    """The write half of the API; reads the body before it takes the store's lock."""

    store: Store

    async def create(self, http: web.Request, request: Request, actor: Actor) -> web.Response:
        """Return 201 with the new object."""
        body = await read_object(http)
        if request.kind.namespaced and request.namespace is None:
            raise unknown_path()
        namespace = request.namespace or ""
        stored = self.store.create(request.kind, namespace, body, actor=actor, dry_run=dry_run(http))
        return _object(stored, status=201)

    async def update(self, http: web.Request, request: Request, actor: Actor) -> web.Response:
        """Return 200 with the new state."""
        body = await read_object(http)
        required_version(request.kind, request.name, lookup(metadata(body), "resourceVersion"))
        stored = self.store.change(
            request.kind,
            request.namespace or "",
            request.name,
            lambda _current: body,
            verb="update",
            actor=actor,
            dry_run=dry_run(http),
        )
        return _object(stored)

    async def patch(self, http: web.Request, request: Request, actor: Actor) -> web.Response:
        """Return 200 with the new state. Raises 415 for a patch format that the type does not support."""
        format_ = content_type(http)
        supported = [JSON_PATCH, MERGE_PATCH] + ([] if request.kind.custom else [STRATEGIC_PATCH])
        if format_ not in supported:
            message = "the body of the request was in an unknown format - accepted media types include: "
            raise ApiError(415, message + ", ".join(supported))
        edit = _edit(format_, await read_json(http))
        stored = self.store.change(
            request.kind,
            request.namespace or "",
            request.name,
            edit,
            actor=actor,
            dry_run=dry_run(http),
        )
        return _object(stored)

    async def delete(self, http: web.Request, request: Request, actor: Actor) -> web.Response:
        """Return 200 with a Status if the object is gone, or with the object if it is only terminating."""
        wanted = await read_preconditions(http)
        kind, namespace = request.kind, request.namespace or ""
        stored = self.store.delete(
            kind,
            namespace,
            request.name,
            uid=wanted.uid,
            version=wanted.version,
            actor=actor,
            dry_run=dry_run(http),
        )
        if stored.terminating:
            return _object(stored)
        done = success(group=kind.group, kind=kind.plural, name=request.name, uid=stored.uid)
        return web.json_response(done)

    async def delete_all(self, http: web.Request, request: Request, actor: Actor) -> web.Response:
        """Delete what a list with the same query would return."""
        selection = selection_of(http, request)
        with self.store.exclusive():
            for stored in self.store.snapshot(request.kind).items:
                if selection.matches(stored.body):
                    key = stored.key
                    self.store.delete(key.kind, key.namespace, key.name, actor=actor, dry_run=dry_run(http))
        kind = request.kind
        return web.json_response(success(group=kind.group, kind=kind.plural, name="", uid=""))


def _edit(format_: str, patch: JsonValue) -> Edit:
    if format_ == JSON_PATCH:
        return lambda current: apply_json_patch(current, patch)
    if not isinstance(patch, dict):
        raise bad_request("the patch is not an object")
    if format_ == STRATEGIC_PATCH:
        return lambda current: strategic.merge(current, patch)

    def merged(current: JsonObject) -> JsonObject:
        result = merge(current, patch)
        return result if isinstance(result, dict) else current

    return merged


def _object(stored: Stored, *, status: int = 200) -> web.Response:
    return web.Response(body=stored.encoded, status=status, content_type="application/json")
