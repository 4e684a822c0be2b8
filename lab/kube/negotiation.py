"""Content negotiation: Accept, Content-Type, query parameters and the body."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from lab.kube import protobuf
from lab.kube.errors import ApiError, bad_request, expired
from lab.kube.jsontypes import JsonObject, JsonValue, section, text

Form = Literal["json", "table"]


def accepted(accept: str) -> Form:
    """Return the first form of an Accept header that can be served. Raises 406."""
    for media in accept.split(",") if accept.strip() else ["*/*"]:
        kind, *options = [part.strip() for part in media.split(";")]
        if kind not in ("application/json", "application/*", "*/*"):
            continue
        params = dict(option.partition("=")[::2] for option in options)
        if "as" not in params:
            return "json"
        if params["as"] == "Table" and params.get("g") == "meta.k8s.io":
            return "table"
    message = "only the following media types are accepted: application/json"
    raise ApiError(406, message)


def flag(http: web.Request, name: str) -> bool:
    """Return a boolean query parameter."""
    return http.query.get(name, "").lower() in ("1", "true")


def number(http: web.Request, name: str) -> int | None:
    """Return a query parameter as a whole number from 0; None if absent or empty. Raises 400."""
    value = http.query.get(name, "")
    if not value:
        return None
    if not value.isascii() or not value.isdigit() or len(value) > 18:
        raise bad_request(f'{name}: Invalid value: "{value}"')
    return int(value)


def dry_run(http: web.Request) -> bool:
    """Return whether nothing is to be stored."""
    return http.query.get("dryRun") == "All"


def content_type(http: web.Request) -> str:
    """Return the media type of the body, without its parameters."""
    return http.headers.get("Content-Type", "").partition(";")[0].strip().lower()


async def read_json(http: web.Request) -> JsonValue:
    """Return the body as JSON; None if it is empty. Raises 400 if it is not JSON or too deep."""
    raw = await http.read()
    if not raw:
        return None
    try:
        value: JsonValue = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"the body is not JSON: {error}") from error
    return value


async def read_object(http: web.Request) -> JsonObject:
    """Return the body as one object. Raises 415 for another format."""
    if content_type(http) == protobuf.MEDIA_TYPE:
        return protobuf.decode(await http.read())
    if content_type(http) not in ("application/json", ""):
        message = "the body of the request was in an unknown format - accepted media types include: "
        raise ApiError(415, message + "application/json")
    value = await read_json(http)
    if not isinstance(value, dict):
        raise bad_request("the body is not an object")
    return value


@dataclass(frozen=True, slots=True)
class Preconditions:
    """The preconditions of a deletion; "" for none."""

    uid: str
    version: str


async def read_preconditions(http: web.Request) -> Preconditions:
    """Read the preconditions from DeleteOptions in the body."""
    if content_type(http) == protobuf.MEDIA_TYPE:
        uid, version = protobuf.preconditions(await http.read())
        return Preconditions(uid=uid, version=version)
    value = await read_json(http)
    wanted = section(value, "preconditions") if isinstance(value, dict) else {}
    return Preconditions(uid=text(wanted, "uid"), version=text(wanted, "resourceVersion"))


@dataclass(frozen=True, slots=True)
class Page:
    """The place where a list continues: the version of its first page and the last key returned."""

    version: int
    after: tuple[str, str]

    def token(self) -> str:
        """Return the text of `continue`."""
        raw = json.dumps([self.version, *self.after]).encode()
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    @classmethod
    def parse(cls, token: str, *, oldest: int) -> Page:
        """Parse a token. Raises 400 if it is invalid, 410 if it is older than `oldest`."""
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            version, namespace, name = json.loads(raw)
            page = cls(version=int(version), after=(str(namespace), str(name)))
        except (ValueError, TypeError, binascii.Error, RecursionError) as error:
            raise bad_request("continue key is not valid") from error
        if page.version < oldest:
            message = "The provided continue parameter is too old to display a consistent list result."
            raise expired(message)
        return page
