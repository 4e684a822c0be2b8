"""The small HTTP server, over loopback: what it answers, and what it puts up with."""

import socket
import time
from collections.abc import Iterator
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address

import pytest

from services.runtime import endpoint as module
from services.runtime.clock import SystemClock
from services.runtime.endpoint import (
    MAX_CONNECTIONS,
    MAX_REQUEST_BYTES,
    REQUEST_TIMEOUT_S,
    Answer,
    Endpoint,
    Page,
)
from tests.support.log_lines import log_lines
from tests.support.service_process import free_port
from tests.support.updater_site import wait_until

LOOPBACK = IPv4Address("127.0.0.1")


def broken() -> Answer:
    raise KeyError("x")


PAGES: dict[str, Page] = {
    "/healthz": lambda: Answer(b"well\n"),
    "/readyz": lambda: Answer(b"not yet\n", HTTPStatus.SERVICE_UNAVAILABLE),
    "/broken": broken,
}


@pytest.fixture
def port() -> Iterator[int]:
    chosen = free_port()
    server = Endpoint(LOOPBACK, chosen, pages=PAGES, clock=SystemClock())
    server.start()
    wait_until(lambda: is_open(chosen))
    yield chosen
    server.stop()


def is_open(port: int, host: str = "127.0.0.1") -> bool:
    try:
        with socket.create_connection((host, port), 5):
            return True
    except OSError:
        return False


def ask(port: int, request: bytes, host: str = "127.0.0.1") -> bytes:
    """Everything that comes back until the server closes."""
    with socket.create_connection((host, port), 10) as connection:
        connection.sendall(request)
        connection.settimeout(10)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        ("GET /healthz HTTP/1.1", "200 OK", "well\n"),
        ("GET /healthz?verbose HTTP/1.0", "200 OK", "well\n"),
        ("GET /readyz HTTP/1.1", "503 Service Unavailable", "not yet\n"),
        ("GET / HTTP/1.1", "404 Not Found", "expected one of /broken, /healthz, /readyz\n"),
        ("GET /../etc/passwd HTTP/1.1", "404 Not Found", "expected one of /broken, /healthz, /readyz\n"),
        ("GET /broken HTTP/1.1", "500 Internal Server Error", "failed: the log says why\n"),
        ("POST /healthz HTTP/1.1", "405 Method Not Allowed", "expected GET\n"),
        ("GET /healthz", "400 Bad Request", "expected an HTTP/1.1 request\n"),
        ("\x16\x03\x01 \x00 \xff", "400 Bad Request", "expected an HTTP/1.1 request\n"),
    ],
)
def test_each_request_has_its_answer(port: int, request_line: str, status: str, body: str) -> None:
    """The page, or what is wrong with the request; one answer, and the connection is closed."""
    answer = ask(port, request_line.encode("latin-1") + b"\r\nHost: x\r\n\r\n").decode()
    head, _, told = answer.partition("\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status}\r\n")
    assert f"Content-Length: {len(body)}" in head
    assert told == body


def test_a_request_without_an_end_is_refused(port: int) -> None:
    """No more than so many bytes are taken of it."""
    answer = ask(port, b"GET /healthz HTTP/1.1\r\nX: ".ljust(MAX_REQUEST_BYTES, b"a"))
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_who_trickles_holds_up_nobody(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there is room for, each with half a request: soon there is room again."""
    monkeypatch.setattr(module, "REQUEST_TIMEOUT_S", 0.5)
    slow = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(MAX_CONNECTIONS)]
    try:
        for connection in slow:
            connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        wait_until(lambda: answers(port))
    finally:
        for connection in slow:
            connection.close()


def answers(port: int) -> bool:
    try:
        return ask(port, b"GET /healthz HTTP/1.1\r\n\r\n").endswith(b"well\n")
    except OSError:
        return False


def test_more_connections_than_there_is_room_for_are_closed(port: int) -> None:
    """While all places are taken, a further one is closed without an answer."""
    slow = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(MAX_CONNECTIONS)]
    try:
        for connection in slow:
            connection.sendall(b"GET")

        def turned_away() -> bool:
            try:
                return ask(port, b"GET /healthz HTTP/1.1\r\n\r\n") == b""
            except ConnectionError:
                return True

        wait_until(turned_away)
    finally:
        for connection in slow:
            connection.close()
    wait_until(lambda: answers(port))


def test_a_port_that_is_taken_is_taken_over_when_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is raised; the pages are told as soon as they can be."""
    monkeypatch.setattr(module, "RETRY_S", 0.05)
    lines = log_lines(monkeypatch, module)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken: int = holder.getsockname()[1]
        server = Endpoint(LOOPBACK, taken, pages=PAGES, clock=SystemClock())
        server.start()
        wait_until(lambda: bool(lines))
        assert lines[0]["event"] == "no metrics and no health yet"
    try:
        wait_until(lambda: answers(taken))
    finally:
        server.stop()
    assert not is_open(taken)


def test_ipv6_is_served() -> None:
    """A pod's address may be one."""
    if not socket.has_ipv6:
        return
    port = free_port()
    server = Endpoint(IPv6Address("::1"), port, pages=PAGES, clock=SystemClock())
    server.start()
    try:
        wait_until(lambda: is_open(port, "::1"))
        assert ask(port, b"GET /healthz HTTP/1.1\r\n\r\n", "::1").endswith(b"well\n")
    finally:
        server.stop()


def test_stopping_waits_for_no_connection() -> None:
    """A connection that says nothing does not delay the end, and nobody listens afterwards."""
    port = free_port()
    server = Endpoint(LOOPBACK, port, pages=PAGES, clock=SystemClock())
    server.start()
    wait_until(lambda: is_open(port))
    with socket.create_connection(("127.0.0.1", port), 5):
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < REQUEST_TIMEOUT_S / 2
        assert not is_open(port)
