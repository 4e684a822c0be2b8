"""Connections to one server that serve one request after another.

urllib3 connects, with the certificates and names that the official client gave it. What it does around each
request (pools, retries, redirects, responses that are read bit by bit) takes six times what is done here.
"""

import weakref
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, cast

from urllib3 import HTTPConnectionPool
from urllib3.exceptions import SSLError
from urllib3.util.ssl_match_hostname import CertificateError

from services.cluster.http.responses import Response, read_response

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection


class Timeouts(NamedTuple):
    """Seconds."""

    connect_s: float
    read_s: float
    """Between two reads or writes."""


class KeptConnections:
    """Connections, each used by one thread at a time. Thread-safe."""

    def __init__(self, pool: HTTPConnectionPool, *, most: int) -> None:
        """pool makes the connections; so many are kept between requests."""
        self._pool = pool
        self._most = most
        self._idle: deque[HTTPConnection] = deque()
        self._closed = False
        # As urllib3 does with its own, for who does not close a client.
        weakref.finalize(self, _close_all, self._idle)

    def exchange(self, request: bytes, timeouts: Timeouts) -> Response:
        """Send a request; return the response.

        Raise OSError, http.client.HTTPException or urllib3.exceptions.HTTPError. It is not sent again: the
        server may have done what it says.
        """
        connection = self._take() or self._connect(timeouts.connect_s)
        try:
            socket = connection.sock
            assert socket is not None
            socket.settimeout(timeouts.read_s)
            # A server that refuses a request before its end tells why.
            with suppress(BrokenPipeError):
                socket.sendall(request)
            response = read_response(socket.recv)
        except BaseException:
            # The rest of the response may follow.
            connection.close()
            raise
        if response.is_last or len(self._idle) >= self._most:
            connection.close()
        else:
            self._idle.append(connection)
            if self._closed:
                self.close()
        return response

    def close(self) -> None:
        """Close those that are kept; those in use close after their response."""
        self._closed = True
        _close_all(self._idle)

    def _take(self) -> "HTTPConnection | None":
        """Return the one that was used last; those that the server has closed meanwhile are closed."""
        while self._idle:
            with suppress(IndexError):
                connection = self._idle.pop()
                if connection.is_connected:
                    return connection
                connection.close()
        return None

    def _connect(self, connect_s: float) -> "HTTPConnection":
        # Its public methods send requests as well.
        connection = cast("HTTPConnection", self._pool._new_conn())
        connection.timeout = connect_s
        try:
            connection.connect()
        except CertificateError as error:
            connection.close()
            raise SSLError(error) from None
        except BaseException:
            connection.close()
            raise
        return connection


def _close_all(connections: deque["HTTPConnection"]) -> None:
    while connections:
        with suppress(IndexError):
            connections.pop().close()
