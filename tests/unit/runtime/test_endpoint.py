"""The HTTP endpoint, over loopback: its responses, and misbehaving clients."""

import socket
from collections.abc import Iterator
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address

import pytest

from services.runtime.process.clock import SystemClock
from services.runtime.telemetry import endpoint as module
from services.runtime.telemetry.endpoint import (
    MAX_CONNECTIONS,
    MAX_REQUEST_BYTES,
    Endpoint,
    Page,
    Response,
)
from tests.conftest import unavailable
from tests.support.log_lines import log_lines
from tests.support.service_process import free_port
from tests.support.updater_site import wait_until

LOOPBACK = IPv4Address("127.0.0.1")


def broken() -> Response:
    raise KeyError("x")


PAGES: dict[str, Page] = {
    "/healthz": lambda: Response(b"well\n"),
    "/readyz": lambda: Response(b"not yet\n", HTTPStatus.SERVICE_UNAVAILABLE),
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
    """Send a request; return everything received until the server closes."""
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
        ("GET /broken HTTP/1.1", "500 Internal Server Error", "internal error: see the log\n"),
        ("POST /healthz HTTP/1.1", "405 Method Not Allowed", "expected GET\n"),
        ("GET /healthz", "400 Bad Request", "expected an HTTP/1.1 request\n"),
        ("\x16\x03\x01 \x00 \xff", "400 Bad Request", "expected an HTTP/1.1 request\n"),
    ],
)
def test_each_request_gets_its_response(port: int, request_line: str, status: str, body: str) -> None:
    """The page, or the error of the request; then the connection is closed."""
    answer = ask(port, request_line.encode("latin-1") + b"\r\nHost: x\r\n\r\n").decode()
    head, _, received = answer.partition("\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status}\r\n")
    assert f"Content-Length: {len(body)}" in head
    assert received == body


def test_a_request_without_an_end_is_rejected(port: int) -> None:
    """At most MAX_REQUEST_BYTES are read."""
    answer = ask(port, b"GET /healthz HTTP/1.1\r\nX: ".ljust(MAX_REQUEST_BYTES, b"a"))
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_slow_clients_do_not_block_others(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """MAX_CONNECTIONS half requests time out, and the endpoint answers again."""
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


def test_connections_beyond_the_limit_are_closed(port: int) -> None:
    """A further connection is closed without a response."""
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


def test_a_port_in_use_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is raised; the pages are served once the port is free."""
    monkeypatch.setattr(module, "RETRY_S", 0.05)
    lines = log_lines(monkeypatch, module)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken: int = holder.getsockname()[1]
        server = Endpoint(LOOPBACK, taken, pages=PAGES, clock=SystemClock())
        server.start()
        wait_until(lambda: bool(lines))
        assert lines[0]["event"] == "metrics endpoint not listening yet"
    try:
        wait_until(lambda: answers(taken))
    finally:
        server.stop()
    assert not is_open(taken)


def test_ipv6_is_served() -> None:
    """A pod's address may be an IPv6 address."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        unavailable("needs the address ::1")
    port = free_port()
    server = Endpoint(IPv6Address("::1"), port, pages=PAGES, clock=SystemClock())
    server.start()
    try:
        wait_until(lambda: is_open(port, "::1"))
        assert ask(port, b"GET /healthz HTTP/1.1\r\n\r\n", "::1").endswith(b"well\n")
    finally:
        server.stop()


def test_stop_does_not_wait_for_open_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent connection, which could keep stop() for an hour, does not; the port is closed afterwards."""
    for timeout in ("REQUEST_TIMEOUT_S", "STOP_TIMEOUT_S"):
        monkeypatch.setattr(module, timeout, 3_600.0)
    port = free_port()
    server = Endpoint(LOOPBACK, port, pages=PAGES, clock=SystemClock())
    server.start()
    wait_until(lambda: is_open(port))
    with socket.create_connection(("127.0.0.1", port), 5):
        server.stop()
        assert not is_open(port)
