"""A server of HTTP whose responses are bytes that the test wrote."""

import re
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
WAIT_S = 5.0
_LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)


class Answer(NamedTuple):
    """One response, and whether the server closes the connection after it."""

    data: bytes = OK
    closes: bool = False
    after: threading.Event | None = None
    """What to wait for before."""


class ScriptedHttp:
    """Answers each request, on whatever connection, with the next answer; then with OK."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        self.requests: list[tuple[int, bytes]] = []
        """Number of the connection, from 1, and the request."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._accepted: list[socket.socket] = []
        self._open = threading.Condition()
        self._count = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_open(self, count: int, *, seconds: float = WAIT_S) -> bool:
        """Wait until so many connections are open; return whether they are."""
        with self._open:
            return self._open.wait_for(lambda: self._count == count, seconds)

    def serve(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for each in self._accepted:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._accepted.append(connection)
            self._opened(1)
            args = (connection, len(self._accepted))
            threading.Thread(target=self._answer, args=args, daemon=True).start()

    def _answer(self, connection: socket.socket, number: int) -> None:
        with connection, connection.makefile("rb") as lines:
            while request := _read(lines):
                self.requests.append((number, request))
                answer = self.answers.popleft() if self.answers else Answer()
                if answer.after is not None:
                    answer.after.wait(WAIT_S)
                connection.sendall(answer.data)
                if answer.closes:
                    connection.shutdown(socket.SHUT_RDWR)
                    break
        self._opened(-1)

    def _opened(self, more: int) -> None:
        with self._open:
            self._count += more
            self._open.notify_all()


def _read(lines: BinaryIO) -> bytes:
    """Return the next request; nothing at the end of the connection."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        try:
            line = lines.readline()
        except (OSError, ValueError):
            return b""
        if not line:
            return b""
        head += line
    length = _LENGTH.search(head)
    body = lines.read(int(length[1])) if length else b""
    return head + body


@contextmanager
def scripted_http() -> Iterator[ScriptedHttp]:
    """Start a server on loopback; stop it at the end."""
    server = ScriptedHttp()
    server.serve()
    try:
        yield server
    finally:
        server.close()
