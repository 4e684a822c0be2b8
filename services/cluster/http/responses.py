"""Reading one response of HTTP/1.1 (RFC 9112) from a socket, as a JSON API sends it.

http.client reads the fields with the parser of e-mails, which takes longer than all the rest of a request.
What is unusual is refused: who reads on after a response whose end is not certain takes a part of it for the
next one.
"""

import re
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import NamedTuple

MAX_HEAD_BYTES = 65_536
"""Limit of the status line and all fields, as in http.client; of the trailers too."""
MAX_BODY_BYTES = 1_000_000_000
"""More than a page of 500 objects of 1.5 MB, etcd's limit."""
_RECEIVED_AT_ONCE = 65_536
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: .*)?", re.DOTALL)
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?", re.DOTALL)
_WITHOUT_BODY = frozenset({204, 304})

Receive = Callable[[int], bytes]
"""Returns up to so many bytes, and none at the end of the connection, as socket.recv does."""


class BrokenResponse(HTTPException):
    """The response is cut off, or not one of HTTP/1.1."""


class Response(NamedTuple):
    """A whole response."""

    status: int
    fields: Mapping[str, str]
    """The header, by names in lower case."""
    body: bytes
    is_last: bool = False
    """Whether no other response may be read from this connection."""


class _Received:
    """What has been received and not been read yet."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._bytes = bytearray()

    @property
    def is_empty(self) -> bool:
        return not self._bytes

    def until(self, mark: bytes, *, limit: int) -> bytes:
        """Take all before the mark, and the mark."""
        while (end := self._bytes.find(mark)) < 0:
            if len(self._bytes) > limit:
                raise BrokenResponse(f"a part of more than {limit} bytes without its end")
            self._receive_more()
        taken = bytes(self._bytes[:end])
        del self._bytes[: end + len(mark)]
        return taken

    def take(self, count: int) -> bytes:
        while len(self._bytes) < count:
            self._receive_more()
        taken = bytes(self._bytes[:count])
        del self._bytes[:count]
        return taken

    def rest(self) -> bytes:
        """Take all until the end of the connection."""
        more = b""
        while True:
            self._bytes += more
            _check_size(len(self._bytes))
            more = self._receive(_RECEIVED_AT_ONCE)
            if not more:
                return self.take(len(self._bytes))

    def _receive_more(self) -> None:
        more = self._receive(_RECEIVED_AT_ONCE)
        if not more:
            raise BrokenResponse("the server closed the connection before the end of its response")
        self._bytes += more


def read_response(receive: Receive) -> Response:
    """Read the response to a request other than HEAD and CONNECT.

    Raise BrokenResponse, and what receive raises.
    """
    received = _Received(receive)
    while True:
        minor, status, fields = _read_head(received)
        if status == 101:
            raise BrokenResponse("the server changes the protocol, which nobody asked for")
        if status >= 200:
            break
    body, has_end = _read_body(received, status, fields)
    options = {option.strip() for option in fields.get("connection", "").lower().split(",")}
    # With both, one of two servers on the way may have meant another end (RFC 9112 section 6.3).
    is_unsure = "transfer-encoding" in fields and "content-length" in fields
    is_last = not has_end or is_unsure or minor == 0 or "close" in options or not received.is_empty
    return Response(status, fields, body, is_last)


def _read_head(received: _Received) -> tuple[int, int, dict[str, str]]:
    """Return the minor version, the status and the fields."""
    first, *lines = received.until(b"\r\n\r\n", limit=MAX_HEAD_BYTES).split(b"\r\n")
    match = _STATUS_LINE.fullmatch(first)
    if match is None:
        raise BrokenResponse(f"not HTTP/1.1: {first[:100]!r}")
    fields: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise BrokenResponse(f"not a field of HTTP: {line[:100]!r}")
        name, value = field[1].decode("ascii").lower(), field[2].decode("latin-1")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return int(match[1]), int(match[2]), fields


def _read_body(received: _Received, status: int, fields: Mapping[str, str]) -> tuple[bytes, bool]:
    """Return the body, and whether it ended before the connection did."""
    if fields.get("content-encoding", "identity").lower() != "identity":
        raise BrokenResponse(f"Content-Encoding: {fields['content-encoding'][:100]}, which nobody asked for")
    if status in _WITHOUT_BODY:
        return b"", True
    coding, length = fields.get("transfer-encoding"), fields.get("content-length")
    if coding is not None:
        if coding.lower() != "chunked":
            raise BrokenResponse(f"Transfer-Encoding: expected chunked, got {coding[:100]!r}")
        return _read_chunks(received), True
    if length is None:
        return received.rest(), False
    # The same length twice is one length; two lengths are none.
    (text, *others) = {each.strip() for each in length.split(",")}
    if others or not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise BrokenResponse(f"Content-Length: expected one number, got {length[:100]!r}")
    count = int(text)
    _check_size(count)
    return received.take(count), True


def _read_chunks(received: _Received) -> bytes:
    chunks, total = [], 0
    while True:
        line = received.until(b"\r\n", limit=MAX_HEAD_BYTES)
        match = _CHUNK_SIZE.fullmatch(line)
        if match is None:
            raise BrokenResponse(f"expected the size of a chunk, got {line[:100]!r}")
        size = int(match[1], 16)
        if not size:
            break
        total += size
        _check_size(total)
        chunks.append(received.take(size))
        if received.take(2) != b"\r\n":
            raise BrokenResponse("a chunk is longer than its size")
    left = MAX_HEAD_BYTES
    while trailer := received.until(b"\r\n", limit=MAX_HEAD_BYTES):
        left -= len(trailer)
        if left < 0:
            raise BrokenResponse(f"trailers of more than {MAX_HEAD_BYTES} bytes")
    return b"".join(chunks)


def _check_size(count: int) -> None:
    if count > MAX_BODY_BYTES:
        raise BrokenResponse(f"a body of more than {MAX_BODY_BYTES} bytes")
