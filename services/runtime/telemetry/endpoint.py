"""A minimal HTTP server: a few pages, GET only, one request per connection.

Clients are untrusted: the size and duration of a request and the number of connections are bounded. A port in
use is retried: serving telemetry must not stop the service.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

import structlog

from services.runtime.process.clock import Clock

MAX_REQUEST_BYTES = 8_192
REQUEST_TIMEOUT_S = 5.0
"""Limit for a whole request, and for its whole response, however slowly they are transferred."""
MAX_CONNECTIONS = 32
RETRY_S = 5.0
ACCEPT_TIMEOUT_S = 1.0
STOP_TIMEOUT_S = 5.0
TEXT = "text/plain; charset=utf-8"

log = structlog.get_logger(__name__)


class Response(NamedTuple):
    """The response of a page."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = TEXT


Page = Callable[[], Response]
"""Called for each GET, in a thread per request."""


class Endpoint:
    """Serves pages by path, in threads of its own."""

    def __init__(
        self, address: IPv4Address | IPv6Address, port: int, *, pages: Mapping[str, Page], clock: Clock
    ) -> None:
        self._address = address
        self._port = port
        self._pages = dict(pages)
        self._clock = clock
        self._room = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._stopping = threading.Event()
        self._listener: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)

    def start(self) -> None:
        """Start listening, as soon as the port is free."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening. Open connections are not waited for."""
        self._stopping.set()
        listener = self._listener
        if listener is not None:
            # Interrupts accept(). Raises when the listener was closed meanwhile.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        where = f"{self._address}:{self._port}"
        logged = False
        while not self._stopping.is_set():
            try:
                listener = self._listen()
            except OSError as error:
                if not logged:
                    log.warning("metrics endpoint not listening yet", address=where, error=str(error))
                    logged = True
                self._clock.wait(self._stopping, RETRY_S)
                continue
            log.info("metrics endpoint listening", address=where)
            self._listener = listener
            with listener:
                self._accept_all(listener)

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if isinstance(self._address, IPv6Address) else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((str(self._address), self._port))
            listener.listen(MAX_CONNECTIONS)
            listener.settimeout(ACCEPT_TIMEOUT_S)
        except OSError:
            listener.close()
            raise
        return listener

    def _accept_all(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError as error:
                if self._stopping.is_set():
                    return
                # For example, out of file descriptors: retry.
                log.warning("connection not accepted", error=str(error))
                self._clock.wait(self._stopping, ACCEPT_TIMEOUT_S)
                continue
            if not self._room.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(
                target=self._serve, args=(connection,), name="telemetry-request", daemon=True
            ).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                request = self._read(connection)
                response = self._respond(request)
                connection.settimeout(REQUEST_TIMEOUT_S)
                connection.sendall(_head(response) + response.body)
                # Closing with unread input would reset the connection, and lose what was sent.
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
        except OSError:
            # The client is gone or too slow.
            pass
        finally:
            self._room.release()

    def _read(self, connection: socket.socket) -> bytes:
        """Return the request line and headers; raises OSError when they do not arrive in time."""
        deadline = self._clock.monotonic() + REQUEST_TIMEOUT_S
        received = b""
        while b"\r\n\r\n" not in received and len(received) < MAX_REQUEST_BYTES:
            left_s = deadline - self._clock.monotonic()
            if left_s <= 0:
                raise TimeoutError
            connection.settimeout(left_s)
            chunk = connection.recv(MAX_REQUEST_BYTES - len(received))
            if not chunk:
                raise ConnectionAbortedError
            received += chunk
        return received

    def _respond(self, request: bytes) -> Response:
        words = request.split(b"\r\n", 1)[0].split(b" ")
        if b"\r\n\r\n" not in request or len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return Response(b"expected an HTTP/1.1 request\n", HTTPStatus.BAD_REQUEST)
        if words[0] != b"GET":
            return Response(b"expected GET\n", HTTPStatus.METHOD_NOT_ALLOWED)
        page = self._pages.get(words[1].split(b"?", 1)[0].decode("ascii", "replace"))
        if page is None:
            known = ", ".join(sorted(self._pages))
            return Response(f"expected one of {known}\n".encode(), HTTPStatus.NOT_FOUND)
        try:
            return page()
        except Exception:
            log.exception("page failed", path=words[1].decode("ascii", "replace")[:100])
            return Response(b"internal error: see the log\n", HTTPStatus.INTERNAL_SERVER_ERROR)


def _head(response: Response) -> bytes:
    return (
        f"HTTP/1.1 {response.status.value} {response.status.phrase}\r\n"
        f"Content-Type: {response.content_type}\r\n"
        f"Content-Length: {len(response.body)}\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    ).encode("ascii")
