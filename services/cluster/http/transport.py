"""HTTP to the API server with the official client's credentials: JSON in and out, our own errors, no retries.

The client handles what is hard: kubeconfigs, certificates, tokens, proxies. Its methods are not used: the
generated ones check nothing that we do not, and build a model of every object, and what they call takes half
of a request's time.
"""

import json
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import structlog

from services.cluster.errors import ClusterError, Unauthorized, Unavailable
from services.cluster.http.connections import Timeouts
from services.cluster.http.event_stream import EventStream
from services.cluster.http.failures import Untrusted
from services.cluster.http.session import JSON, Query, Request, Session
from services.contract.errors import ConfigurationError
from services.runtime.process.clock import Clock

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

JSON_PATCH = "application/json-patch+json"

_Result = TypeVar("_Result")

log = structlog.get_logger(__name__)


class Transport:
    """One API server. Thread-safe."""

    def __init__(self, load: Callable[[], "ApiClient"], clock: Clock) -> None:
        """load reads the credentials and returns a client; it may raise ConfigurationError."""
        self._load = load
        self._clock = clock
        self._lock = threading.Lock()
        self._session = Session(load(), clock)

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
        request = Request(method, path, Timeouts(*timeout_s), query, body, content_type)
        data = self._with_session(lambda session: session.exchange(request))
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise Unavailable(f"{request}: the response is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise Unavailable(f"{request}: the response is not a JSON object")
        return document

    def stream(self, path: str, *, timeout_s: tuple[float, float], query: Query) -> EventStream:
        """Open a watch; the caller closes it."""
        request = Request("GET", path, Timeouts(*timeout_s), query)
        return EventStream(self._with_session(lambda session: session.open(request)))

    def close(self) -> None:
        """Close the kept connections."""
        with self._lock:
            self._session.close()

    def _with_session(self, call: Callable[[Session], _Result]) -> _Result:
        with self._lock:
            session = self._session
        try:
            return call(session)
        except (Unauthorized, Untrusted) as error:
            # A rotated token or CA: the client reads their files only once, so make a new client.
            session = self._renew(session, error)
        return call(session)

    def _renew(self, refused: Session, why: ClusterError) -> Session:
        with self._lock:
            if self._session is refused:
                try:
                    fresh = self._load()
                except ConfigurationError as error:
                    raise type(why)(f"{why}; the credentials cannot be read again: {error}") from None
                # Streams of the old client end by themselves: they hold their own sockets.
                self._session = Session(fresh, self._clock)
                refused.close()
                log.info("credentials read again", error=str(why))
            return self._session
