"""Access reviews: whether a user may do something. What a standing fault answers with 403 is not allowed."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from lab.kube.errors import ApiError
from lab.kube.faults import Faults
from lab.kube.jsontypes import JsonObject, section, text
from lab.kube.negotiation import read_object
from lab.kube.requests import Request
from lab.kube.resources import BY_PLURAL, NAMESPACES

ROOT = "/apis/authorization.k8s.io/v1"
SELF, OTHERS = "SelfSubjectAccessReview", "SubjectAccessReview"


@dataclass(frozen=True, slots=True)
class Reviews:
    """Serves the creation of reviews, which are not stored.

    A SubjectAccessReview asks for the faults that match its user in place of a user agent.
    """

    faults: Faults

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the routes of both kinds of review."""
        router.add_route("POST", f"{ROOT}/selfsubjectaccessreviews", self._of_caller)
        router.add_route("POST", f"{ROOT}/subjectaccessreviews", self._of_user)

    async def _of_caller(self, http: web.Request) -> web.Response:
        return await self._review(http, SELF)

    async def _of_user(self, http: web.Request) -> web.Response:
        return await self._review(http, OTHERS)

    async def _review(self, http: web.Request, kind: str) -> web.Response:
        spec = section(await read_object(http), "spec")
        asked = section(spec, "resourceAttributes")
        user = text(spec, "user") if kind == OTHERS else http.headers.get("User-Agent", "")
        refusal = self._refusal(asked, user)
        status: JsonObject = {"allowed": refusal is None}
        if refusal is not None:
            status["reason"] = str(refusal)
        body: JsonObject = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": kind,
            "spec": spec,
            "status": status,
        }
        return web.json_response(body, status=201)

    def _refusal(self, asked: JsonObject, user: str) -> ApiError | None:
        request = Request(
            verb=text(asked, "verb"),  # type: ignore[arg-type]  # any word: it only has to be equal
            kind=BY_PLURAL.get(text(asked, "resource"), NAMESPACES),
            namespace=text(asked, "namespace") or None,
            name=text(asked, "name"),
            user_agent=user,
        )
        for fault in self.faults.active():
            error = fault.action.error
            if error is not None and error.code == 403 and fault.match(request):
                return error
        return None
