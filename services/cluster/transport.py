"""HTTP to the API server through the official client: JSON in and out, our own errors, no retries.

The client handles what is hard: kubeconfigs, certificates, tokens, proxies. Its methods are not used: the
generated ones check nothing that we do not, and build a model of every object, and what they call takes half
of a request's time.
"""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from http.client import HTTPException
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlencode

import structlog
import urllib3

from services.cluster.errors import (
    MAX_MESSAGE_CHARACTERS,
    ClusterError,
    Unauthorized,
    Unavailable,
    from_response,
)
from services.contract.errors import ConfigurationError
from services.runtime.process.clock import Clock

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MAX_LINE_BYTES = 16_000_000
"""Limit of one watch event; etcd stores up to 1.5 MB per object."""

TOKEN_KEPT_S = 10.0
"""Seconds after which a token is read again: the client does more for it than for the rest of a request."""

Query = Sequence[tuple[str, str]]

log = structlog.get_logger(__name__)


class _Request(NamedTuple):
    method: str
    path: str
    timeout_s: tuple[float, float]
    """For connecting, and between two reads."""
    query: Query = ()
    body: object = None
    content_type: str = JSON


class EventStream:
    """The lines of a watch. One thread reads; any thread may abort."""

    def __init__(self, response: urllib3.HTTPResponse) -> None:
        self._response = response
        self._aborted = False

    def __iter__(self) -> Iterator[bytes]:
        """Yield each line without its end; raise Unavailable when the stream is cut or silent too long."""
        buffer = bytearray()
        try:
            for chunk in self._response.stream(65_536, decode_content=True):
                buffer += chunk
                if len(buffer) > MAX_LINE_BYTES:
                    raise Unavailable(f"watch: a line of more than {MAX_LINE_BYTES} bytes")
                *lines, rest = bytes(buffer).split(b"\n")
                buffer = bytearray(rest)
                yield from (line for line in lines if line.strip())
        except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError, AttributeError) as error:
            # ValueError and AttributeError: abort() shut the socket down during the read.
            if not self._aborted:
                raise Unavailable(f"watch: {_describe(error)}") from None

    def abort(self) -> None:
        """End the stream for its reader."""
        self._aborted = True
        with suppress(OSError, ValueError, RuntimeError, AttributeError):
            self._response.shutdown()

    def close(self) -> None:
        """Close the connection: after an unfinished stream it cannot be reused."""
        with suppress(OSError, ValueError):
            self._response.close()


class _Session:
    """A client, and the headers that it gives each request. Thread-safe."""

    def __init__(self, client: "ApiClient", clock: Clock) -> None:
        self.client = client
        self._clock = clock
        self._headers: dict[str, str] = {}
        self._until = float("-inf")

    def headers(self) -> Mapping[str, str]:
        """Return the headers; may raise OSError where the token cannot be read."""
        now = self._clock.monotonic()
        if now >= self._until:
            headers: dict[str, str] = {"Accept": JSON, **self.client.default_headers}
            self.client.update_params_for_auth(headers, [], ["BearerToken"], "", "", None)
            self._headers, self._until = headers, now + TOKEN_KEPT_S
        return self._headers

    def close(self) -> None:
        """Close the pooled connections; those in use close when they are given back."""
        # The client only forgets its pools, whose connections then stay open until Python collects them.
        pools = self.client.rest_client.pool_manager.pools
        for key in list(pools.keys()):
            with suppress(KeyError):
                pools[key].close()
        self.client.close()


class _Untrusted(Unavailable):
    """The server's certificate is not of the CA that was read: that may have been replaced since."""


class Transport:
    """One API server. Thread-safe."""

    def __init__(self, load: Callable[[], "ApiClient"], clock: Clock) -> None:
        """load reads the credentials and returns a client; it may raise ConfigurationError."""
        self._load = load
        self._clock = clock
        self._lock = threading.Lock()
        self._session = _Session(load(), clock)

    def request(
        self,
        method: str,
        path: str,
        *,
        timeout_s: tuple[float, float],
        query: Query = (),
        body: object = None,
        content_type: str = JSON,
    ) -> Mapping[str, object]:
        """Send a request; return the response's JSON object. timeout_s: for connecting, and between reads."""
        response = self._send(_Request(method, path, timeout_s, query, body, content_type))
        try:
            data = response.read()
            document = json.loads(data)
        except (urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
            raise Unavailable(f"{method} {path}: {_describe(error)}") from None
        except (ValueError, RecursionError) as error:
            raise Unavailable(f"{method} {path}: the response is not JSON: {error}") from None
        finally:
            response.release_conn()
        if not isinstance(document, dict):
            raise Unavailable(f"{method} {path}: the response is not a JSON object")
        return document

    def stream(self, path: str, *, timeout_s: tuple[float, float], query: Query) -> EventStream:
        """Open a watch; the caller closes it."""
        return EventStream(self._send(_Request("GET", path, timeout_s, query)))

    def close(self) -> None:
        """Close the pooled connections."""
        with self._lock:
            self._session.close()

    def _send(self, request: _Request) -> urllib3.HTTPResponse:
        with self._lock:
            session = self._session
        try:
            return _send_once(session, request)
        except (Unauthorized, _Untrusted) as error:
            # A rotated token or CA: the client reads their files only once, so make a new client.
            session = self._renew(session, error)
        return _send_once(session, request)

    def _renew(self, refused: _Session, why: ClusterError) -> _Session:
        with self._lock:
            if self._session is refused:
                try:
                    fresh = self._load()
                except ConfigurationError as error:
                    raise type(why)(f"{why}; the credentials cannot be read again: {error}") from None
                # Streams of the old client end by themselves: they hold their own sockets.
                self._session = _Session(fresh, self._clock)
                refused.close()
                log.info("credentials read again", error=str(why))
            return self._session


def _send_once(session: _Session, request: _Request) -> urllib3.HTTPResponse:
    """Return the response of a successful request, its body unread; raise ClusterError otherwise."""
    method, path, (connect_s, read_s), query, body, content_type = request
    client = session.client
    try:
        headers, sent = session.headers(), None
        if body is not None:
            headers, sent = {**headers, "Content-Type": content_type}, json.dumps(body).encode()
        response = cast(
            "urllib3.HTTPResponse",
            client.rest_client.pool_manager.urlopen(
                method,
                f"{client.configuration.host}{path}{'?' if query else ''}{urlencode(query)}",
                body=sent,
                headers=headers,
                timeout=urllib3.Timeout(connect=connect_s, read=read_s),
                preload_content=False,
            ),
        )
        if response.status < 300:
            return response
        error = _read_failure(response)
    except (urllib3.exceptions.HTTPError, HTTPException, OSError) as failed:
        kind = _Untrusted if _is_untrusted(failed) else Unavailable
        error = kind(f"{method} {path}: {_describe(failed)}")
    raise error from None


def _read_failure(response: urllib3.HTTPResponse) -> ClusterError:
    try:
        return from_response(response.status, response.data, response.headers)
    finally:
        response.release_conn()


def _is_untrusted(error: BaseException) -> bool:
    """Return whether the server's certificate was not verified: urllib3 wraps that several times."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, ssl.SSLCertVerificationError):
        reason = getattr(seen, "reason", None)
        inner = next((arg for arg in seen.args if isinstance(arg, BaseException)), None)
        seen = reason if isinstance(reason, BaseException) else inner
    return seen is not None


def _describe(error: BaseException) -> str:
    """Return the innermost error: urllib3 wraps a refused connection several times."""
    where = ""
    while isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason is not None:
        where = f" to {error.pool.host}:{error.pool.port}" if error.pool else ""
        error = error.reason
    if isinstance(error, urllib3.exceptions.NewConnectionError) and isinstance(error.__cause__, OSError):
        return f"cannot connect{where}: {error.__cause__.strerror or error.__cause__}"
    return f"{type(error).__name__}: {error}"[:MAX_MESSAGE_CHARACTERS]
