"""The verbs get and list."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from lab.kube.errors import ApiError, Cause
from lab.kube.faults import StaleView
from lab.kube.jsontypes import JsonObject, encode
from lab.kube.negotiation import Page, accepted, number
from lab.kube.objects import Stored
from lab.kube.requests import Request
from lab.kube.selectors import Selection, select
from lab.kube.store import Store
from lab.kube.tables import table


@dataclass(frozen=True, slots=True)
class Reading:
    """Serves reads from the store, or from an older view of it."""

    store: Store

    def one(self, http: web.Request, request: Request, stale: StaleView | None) -> web.Response:
        """Return one object, or a Table of it."""
        form = accepted(http.headers.get("Accept", ""))
        source = stale or self.store
        stored = source.get(request.kind, request.namespace or "", request.name)
        if form == "table":
            meta: JsonObject = {"resourceVersion": str(stored.version)}
            return _json(encode(self._table(http, request, [stored], meta)))
        return _json(stored.encoded)

    def many(self, http: web.Request, request: Request, stale: StaleView | None) -> web.Response:
        """Return a list, or a page of one. Raises 410 for a page too old, 504 for a future version."""
        form = accepted(http.headers.get("Accept", ""))
        selection = selection_of(http, request)
        snapshot = (stale or self.store).snapshot(request.kind)
        check_version(number(http, "resourceVersion"), snapshot.version)
        items, version = snapshot.items, snapshot.version
        if token := http.query.get("continue", ""):
            page = Page.parse(token, oldest=self.store.oldest)
            version = page.version
            items = [each for each in items if (each.key.namespace, each.key.name) > page.after]
        items = [each for each in items if selection.matches(each.body)]
        meta: JsonObject = {"resourceVersion": str(version)}
        limit = number(http, "limit")
        if limit and len(items) > limit:
            last = items[limit - 1].key
            meta["continue"] = Page(version=version, after=(last.namespace, last.name)).token()
            meta["remainingItemCount"] = len(items) - limit
            items = items[:limit]
        if form == "table":
            return _json(encode(self._table(http, request, items, meta)))
        head: JsonObject = {
            "kind": request.kind.kind + "List",
            "apiVersion": request.kind.api_version,
            "metadata": meta,
        }
        body = encode(head)[:-1] + b',"items":[' + b",".join(each.encoded for each in items) + b"]}"
        return _json(body)

    def _table(
        self, http: web.Request, request: Request, items: list[Stored], meta: JsonObject
    ) -> JsonObject:
        include = http.query.get("includeObject", "Metadata")
        return table(request.kind, items, meta=meta, now=self.store.now(), include=include)


def check_version(wanted: int | None, present: int) -> None:
    """Raise 504 for a version in the future."""
    if wanted is not None and wanted > present:
        message = f"Too large resource version: {wanted}, current: {present}"
        cause = Cause("ResourceVersionTooLarge", "Too large resource version", "")
        raise ApiError(504, message, causes=(cause,), retry_after=1)


def selection_of(http: web.Request, request: Request) -> Selection:
    """Return the selection of a list or watch; the name in its path counts as a field selector."""
    fields = http.query.get("fieldSelector", "")
    if request.name:
        fields = f"metadata.name={request.name}" + ("," + fields if fields else "")
    labels = http.query.get("labelSelector", "")
    return select(request.kind, namespace=request.namespace, labels=labels, fields=fields)


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")
