"""HTTP to the API server through the official client: JSON in and out, our own errors, no retries.

The client's generated methods are not used: they check nothing that we do not, and build a model of every
object. The client handles what is hard: kubeconfigs, certificates, tokens, proxies.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from http.client import HTTPException
from typing import TYPE_CHECKING, NamedTuple

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

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MAX_LINE_BYTES = 16_000_000
"""Limit of one watch event; etcd stores up to 1.5 MB per object."""

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


class Transport:
    """One API server. Thread-safe."""

    def __init__(self, load: Callable[[], "ApiClient"]) -> None:
        """load reads the credentials and returns a client; it may raise ConfigurationError."""
        self._load = load
        self._lock = threading.Lock()
        self._client = load()
        self._generation = 0

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
            self._client.close()

    def _send(self, request: _Request) -> urllib3.HTTPResponse:
        with self._lock:
            client, generation = self._client, self._generation
        try:
            return _send_once(client, request)
        except Unauthorized:
            # A rotated token: the client reads a token file only once, so make a new client.
            client = self._renew(generation)
        return _send_once(client, request)

    def _renew(self, generation: int) -> "ApiClient":
        with self._lock:
            if self._generation == generation:
                try:
                    fresh = self._load()
                except ConfigurationError as error:
                    raise Unauthorized(f"401, and the credentials cannot be read again: {error}") from None
                # Streams of the old client end by themselves: they hold their own sockets.
                self._client = fresh
                self._generation += 1
                log.info("credentials read again after 401")
            return self._client


def _send_once(client: "ApiClient", request: _Request) -> urllib3.HTTPResponse:
    """Return the response of a successful request, its body unread; raise ClusterError otherwise."""
    from kubernetes.client import ApiException

    method, path, timeout_s, query, body, content_type = request
    headers = {"Accept": JSON}
    if body is not None:
        headers["Content-Type"] = content_type
    try:
        serialized = client.param_serialize(
            method,
            path,
            query_params=list(query),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        response: urllib3.HTTPResponse = client.call_api(*serialized, _request_timeout=timeout_s).response
        if response.status < 300:
            return response
        error = _read_failure(response)
    except ApiException as failed:
        # How the client reports a failed TLS handshake, which has no status.
        error = Unavailable(f"{method} {path}: {failed.reason}")
    except (urllib3.exceptions.HTTPError, HTTPException, OSError) as failed:
        error = Unavailable(f"{method} {path}: {_describe(failed)}")
    raise error from None


def _read_failure(response: urllib3.HTTPResponse) -> ClusterError:
    try:
        return from_response(response.status, response.data, response.headers)
    finally:
        response.release_conn()


def _describe(error: BaseException) -> str:
    """Return the innermost error: urllib3 wraps a refused connection several times."""
    where = ""
    while isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason is not None:
        where = f" to {error.pool.host}:{error.pool.port}" if error.pool else ""
        error = error.reason
    if isinstance(error, urllib3.exceptions.NewConnectionError) and isinstance(error.__cause__, OSError):
        return f"cannot connect{where}: {error.__cause__.strerror or error.__cause__}"
    return f"{type(error).__name__}: {error}"[:MAX_MESSAGE_CHARACTERS]
