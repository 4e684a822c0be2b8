"""The lines of a watch."""

from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException

import urllib3

from services.cluster.errors import Unavailable
from services.cluster.http.failures import describe

MAX_LINE_BYTES = 16_000_000
"""Limit of one watch event; etcd stores up to 1.5 MB per object."""


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
                raise Unavailable(f"watch: {describe(error)}") from None

    def abort(self) -> None:
        """End the stream for its reader."""
        self._aborted = True
        with suppress(OSError, ValueError, RuntimeError, AttributeError):
            self._response.shutdown()

    def close(self) -> None:
        """Close the connection: after an unfinished stream it cannot be reused."""
        with suppress(OSError, ValueError):
            self._response.close()
