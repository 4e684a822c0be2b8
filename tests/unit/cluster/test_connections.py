"""Kept connections, against a server of sockets on loopback whose responses are scripted."""

import socket
import threading
from collections.abc import Iterator

import pytest
import urllib3
from urllib3.connection import HTTPConnection

from services.cluster.http.connections import KeptConnections, Timeouts
from services.cluster.http.responses import BrokenResponse
from tests.support.scripted_http import OK, Answer, ScriptedHttp, scripted_http

TIMEOUTS = Timeouts(5.0, 5.0)
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def server() -> Iterator[ScriptedHttp]:
    with scripted_http() as running:
        yield running


@pytest.fixture
def connections(server: ScriptedHttp) -> Iterator[KeptConnections]:
    found = KeptConnections(urllib3.HTTPConnectionPool("127.0.0.1", server.port), most=2)
    yield found
    found.close()


def numbers(server: ScriptedHttp) -> list[int]:
    return [number for number, _ in server.requests]


def test_a_connection_serves_many_requests(server: ScriptedHttp, connections: KeptConnections) -> None:
    """One after another, they need one."""
    assert [connections.exchange(REQUEST, TIMEOUTS).body for _ in range(3)] == [b"{}"] * 3
    assert numbers(server) == [1, 1, 1]


def test_a_connection_that_the_server_closed_is_not_used(
    server: ScriptedHttp, connections: KeptConnections
) -> None:
    """The next request goes out once, on another."""
    server.answers.append(Answer(closes=True))
    connections.exchange(REQUEST, TIMEOUTS)
    assert server.wait_open(0)
    connections.exchange(REQUEST, TIMEOUTS)
    assert numbers(server) == [1, 2]


@pytest.mark.parametrize(
    "data", [OK + OK, OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")], ids=["more", "close"]
)
def test_a_connection_after_whose_response_nothing_is_certain_is_closed(
    server: ScriptedHttp, connections: KeptConnections, data: bytes
) -> None:
    """What follows a response is never taken for the next one."""
    server.answers.append(Answer(data))
    connections.exchange(REQUEST, TIMEOUTS)
    assert server.wait_open(0)
    connections.exchange(REQUEST, TIMEOUTS)
    assert numbers(server) == [1, 2]


def test_a_late_response_is_not_taken_for_another(server: ScriptedHttp, connections: KeptConnections) -> None:
    """A connection whose response did not come in time is closed, and the request not repeated."""
    server.answers.append(Answer(b"HTTP/1.1 200 OK\r\n"))
    with pytest.raises(TimeoutError):
        connections.exchange(REQUEST, Timeouts(5.0, 0.05))
    assert server.wait_open(0)
    assert numbers(server) == [1]


def test_a_request_whose_response_is_lost_is_not_repeated(
    server: ScriptedHttp, connections: KeptConnections
) -> None:
    """The server may have done what it says."""
    connections.exchange(REQUEST, TIMEOUTS)
    server.answers.append(Answer(b"", closes=True))
    with pytest.raises((BrokenResponse, ConnectionError)):
        connections.exchange(REQUEST, TIMEOUTS)
    assert numbers(server) == [1, 1]


def test_few_connections_are_kept(server: ScriptedHttp, connections: KeptConnections) -> None:
    """However many were needed at a time."""
    answered = threading.Event()
    server.answers.extend([Answer(after=answered)] * 4)
    threads = [threading.Thread(target=connections.exchange, args=(REQUEST, TIMEOUTS)) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert server.wait_open(4)
    answered.set()
    for thread in threads:
        thread.join(5)
    assert server.wait_open(2)


def test_close_closes_what_is_kept_and_what_comes_back(
    server: ScriptedHttp, connections: KeptConnections
) -> None:
    """A connection that is in use meanwhile closes after its response."""
    connections.exchange(REQUEST, TIMEOUTS)
    assert server.wait_open(1)
    connections.close()
    assert server.wait_open(0)
    assert connections.exchange(REQUEST, TIMEOUTS).body == b"{}"
    assert server.wait_open(0)


def test_connections_that_nobody_closes_close_with_their_owner(server: ScriptedHttp) -> None:
    """Python's collector of cycles is not needed."""
    connections = KeptConnections(urllib3.HTTPConnectionPool("127.0.0.1", server.port), most=2)
    connections.exchange(REQUEST, TIMEOUTS)
    assert server.wait_open(1)
    del connections
    assert server.wait_open(0)


def test_a_server_that_reads_no_further_tells_why() -> None:
    """Its response is read, although the request could not be sent to its end."""
    ours, theirs = socket.socketpair()

    class Paired(HTTPConnection):
        def connect(self) -> None:
            self.sock = ours

    pool = urllib3.HTTPConnectionPool("127.0.0.1", 1)
    pool.ConnectionCls = Paired
    with theirs:
        theirs.shutdown(socket.SHUT_RD)
        theirs.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        assert KeptConnections(pool, most=1).exchange(REQUEST, TIMEOUTS).status == 413
    ours.close()
