"""A client's credentials and connections, until they are read again."""

import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPException
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast
from urllib.parse import urlencode

import urllib3

from services.cluster.errors import ClusterError, from_response
from services.cluster.http.connections import KeptConnections, Timeouts
from services.cluster.http.failures import unavailable
from services.cluster.http.responses import Response
from services.runtime.process.clock import Clock

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

JSON = "application/json"
TOKEN_KEPT_S = 10.0
"""Seconds after which a token is read again: the client does more for it than for the rest of a request."""
MAX_KEPT = 40
"""Connections kept between requests; the updater's default is 32 writers."""

Query = Sequence[tuple[str, str]]
_Result = TypeVar("_Result")
_UNUSABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""Characters that would end a field; a tab is none."""


class Request(NamedTuple):
    """A request of JSON."""

    method: str
    path: str
    timeouts: Timeouts
    query: Query = ()
    body: object = None
    content_type: str = JSON

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Session:
    """A client, the headers that it gives each request, and connections. Thread-safe."""

    def __init__(self, client: "ApiClient", clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._url = client.configuration.host
        self._pools = client.rest_client.pool_manager
        self._fields: dict[str, str] = {}
        self._head = ""
        self._until = float("-inf")
        where = urllib3.util.parse_url(self._url)
        self._host = where.netloc or ""
        self._prefix = (where.path or "").rstrip("/")
        # What a proxy needs besides is left to urllib3.
        is_direct = type(self._pools) is urllib3.PoolManager
        pool = self._pools.connection_from_url(self._url) if is_direct else None
        self._kept = None if pool is None else KeptConnections(pool, most=MAX_KEPT)

    def exchange(self, request: Request) -> bytes:
        """Send a request; return the body of a successful response. Raise ClusterError."""
        response = _in_our_errors(request, lambda: self._exchange(request))
        if response.status < 300:
            return response.body
        raise from_response(response.status, response.body, urllib3.HTTPHeaderDict(response.fields))

    def open(self, request: Request) -> urllib3.HTTPResponse:
        """Send a request; return a successful response, its body unread. Raise ClusterError."""
        response = _in_our_errors(request, lambda: self._through_urllib3(request, whole=False))
        if response.status < 300:
            return response
        raise _in_our_errors(request, lambda: _read_failure(response))

    def close(self) -> None:
        """Close the connections; those in use close after their response."""
        if self._kept is not None:
            self._kept.close()
        # The client only forgets its pools, whose connections then stay open until Python collects them.
        for key in list(self._pools.pools.keys()):
            with suppress(KeyError):
                self._pools.pools[key].close()
        self._client.close()

    def _exchange(self, request: Request) -> Response:
        if self._kept is None:
            found = self._through_urllib3(request, whole=True)
            return Response(found.status, found.headers, found.data)
        self._refresh()
        body = b"" if request.body is None else json.dumps(request.body).encode()
        head = f"{request.method} {self._prefix}{request.target} HTTP/1.1\r\n{self._head}"
        if request.body is not None:
            head = f"{head}Content-Type: {request.content_type}\r\nContent-Length: {len(body)}\r\n"
        return self._kept.exchange(f"{head}\r\n".encode("latin-1") + body, request.timeouts)

    def _through_urllib3(self, request: Request, *, whole: bool) -> urllib3.HTTPResponse:
        self._refresh()
        fields, sent = self._fields, None
        if request.body is not None:
            fields = {**fields, "Content-Type": request.content_type}
            sent = json.dumps(request.body).encode()
        response = self._pools.urlopen(
            request.method,
            f"{self._url}{request.target}",
            body=sent,
            headers=fields,
            timeout=urllib3.Timeout(connect=request.timeouts.connect_s, read=request.timeouts.read_s),
            preload_content=whole,
        )
        return cast("urllib3.HTTPResponse", response)

    def _refresh(self) -> None:
        """Read the token again after a while. Raise OSError where that fails."""
        now = self._clock.monotonic()
        if now < self._until:
            return
        given: dict[str, str] = {"Accept": JSON, **self._client.default_headers}
        self._client.update_params_for_auth(given, [], ["BearerToken"], "", "", None)
        # A token that is read from a file may end with a line break.
        fields = {name: str(value).strip() for name, value in given.items()}
        head = [f"Host: {self._host}\r\n", "Accept-Encoding: identity\r\n"]
        for name, value in fields.items():
            if _UNUSABLE.search(value) or not value.isascii():
                raise OSError(
                    f"{name}: expected printable ASCII characters on one line; check the credentials"
                )
            head.append(f"{name}: {value}\r\n")
        self._fields, self._head, self._until = fields, "".join(head), now + TOKEN_KEPT_S


def _in_our_errors(request: Request, call: Callable[[], _Result]) -> _Result:
    try:
        return call()
    except (urllib3.exceptions.HTTPError, HTTPException, OSError) as failed:
        error = unavailable(str(request), failed)
    raise error from None


def _read_failure(response: urllib3.HTTPResponse) -> ClusterError:
    try:
        return from_response(response.status, response.data, response.headers)
    finally:
        response.release_conn()
