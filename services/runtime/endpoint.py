"""A very small HTTP server: a few pages, GET alone, one request a connection.

Whoever reaches the port may send anything: what is read is bounded in size and in time, and so is the number
of connections. A port that is taken is tried again: telling of the work must not stop the work.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

import structlog

from services.runtime.clock import Clock

MAX_REQUEST_BYTES = 8_192
REQUEST_TIMEOUT_S = 5.0
"""For a whole request and for its whole answer, however slowly they trickle."""
MAX_CONNECTIONS = 32
RETRY_S = 5.0
LOOK_S = 1.0
STOP_TIMEOUT_S = 5.0
TEXT = "text/plain; charset=utf-8"

log = structlog.get_logger(__name__)


class Answer(NamedTuple):
    """What a page says."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = TEXT


Page = Callable[[], Answer]
"""Called for each GET, by a thread of its own."""


class Endpoint:
    """Serves pages by their paths, from threads of its own."""

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
        """Begin to listen, as soon as the port is free."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._stopping.set()
        listener = self._listener
        if listener is not None:
            # Ends a wait for connections; one that was closed meanwhile has ended it already.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        where = f"{self._address}:{self._port}"
        told = False
        while not self._stopping.is_set():
            try:
                listener = self._listen()
            except OSError as error:
                if not told:
                    log.warning("no metrics and no health yet", address=where, error=str(error))
                    told = True
                self._clock.wait(self._stopping, RETRY_S)
                continue
            log.info("metrics and health", address=where)
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
            listener.settimeout(LOOK_S)
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
                # Out of descriptors, perhaps: whatever it is, it passes or it comes back.
                log.warning("connection not accepted", error=str(error))
                self._clock.wait(self._stopping, LOOK_S)
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
                answer = self._answer(request)
                connection.settimeout(REQUEST_TIMEOUT_S)
                connection.sendall(_head(answer) + answer.body)
                # What was sent would be lost if something unread were still there at the close.
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
        except OSError:
            # Gone or too slow: nobody is left to be told.
            pass
        finally:
            self._room.release()

    def _read(self, connection: socket.socket) -> bytes:
        """The request's first line and headers; raises OSError when they do not come in time."""
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

    def _answer(self, request: bytes) -> Answer:
        words = request.split(b"\r\n", 1)[0].split(b" ")
        if b"\r\n\r\n" not in request or len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return Answer(b"expected an HTTP/1.1 request\n", HTTPStatus.BAD_REQUEST)
        if words[0] != b"GET":
            return Answer(b"expected GET\n", HTTPStatus.METHOD_NOT_ALLOWED)
        page = self._pages.get(words[1].split(b"?", 1)[0].decode("ascii", "replace"))
        if page is None:
            known = ", ".join(sorted(self._pages))
            return Answer(f"expected one of {known}\n".encode(), HTTPStatus.NOT_FOUND)
        try:
            return page()
        except Exception:
            log.exception("page failed", path=words[1].decode("ascii", "replace")[:100])
            return Answer(b"failed: the log says why\n", HTTPStatus.INTERNAL_SERVER_ERROR)


def _head(answer: Answer) -> bytes:
    return (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
        f"Content-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    ).encode("ascii")
