"""One response of HTTP/1.1, whole and in single bytes, well formed and broken."""

from collections.abc import Callable

import pytest

from services.cluster.http import responses
from services.cluster.http.responses import BrokenResponse, Response, read_response

OK = b"HTTP/1.1 200 OK\r\n"


def receiving(data: bytes, step: int) -> Callable[[int], bytes]:
    """Return a function that receives so many bytes at a time; none at the end."""
    parts = iter([data[start : start + step] for start in range(0, len(data), step)])
    return lambda _: next(parts, b"")


def read(data: bytes, *, step: int = 65_536) -> Response:
    return read_response(receiving(data, step))


@pytest.mark.parametrize("step", [1, 7, 65_536])
@pytest.mark.parametrize(
    ("data", "status", "body", "is_last"),
    [
        (OK + b"Content-Length: 2\r\n\r\n{}", 200, b"{}", False),
        (OK + b"content-length:2\r\nX: \t a \t\r\n\r\n{}", 200, b"{}", False),
        (b"HTTP/1.1 409\r\nContent-Length: 0\r\n\r\n", 409, b"", False),
        (b"HTTP/1.1 201 Created\r\nContent-Length: 2, 2\r\n\r\n{}", 201, b"{}", False),
        (OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}", False),
        (OK + b"Connection: keep-alive, Close\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200, b"{}", True),
        (OK + b"\r\n{}", 200, b"{}", True),
        (OK + b"\r\n", 200, b"", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", False),
        (
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}",
            200,
            b"{}",
            False,
        ),
        (OK + b"Transfer-Encoding: Chunked\r\n\r\n1\r\n{\r\n01;a=b\r\n}\r\n0\r\n\r\n", 200, b"{}", False),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nA: b\r\nC: d\r\n\r\n", 200, b"{}", False),
        (
            OK + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            200,
            b"{}",
            True,
        ),
    ],
)
def test_a_response_is_read_to_its_end(
    data: bytes, status: int, body: bytes, is_last: bool, step: int
) -> None:
    """However it is cut into pieces; its connection serves another one only where the end is certain."""
    found = read(data, step=step)
    assert (found.status, found.body, found.is_last) == (status, body, is_last)


@pytest.mark.parametrize(
    "data",
    [
        OK + b"Content-Length: 2\r\n\r\n{}x",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nHTTP",
        b"HTTP/1.1 204 No Content\r\n\r\n{}",
    ],
)
def test_nothing_is_read_behind_a_response_with_more_than_its_end(data: bytes) -> None:
    """What came with it would be taken for the response to another request."""
    assert read(data).is_last


def test_fields_are_found_by_names_in_lower_case() -> None:
    """Those that come twice are joined, as RFC 9110 section 5.3 says."""
    fields = read(OK + b"Retry-After: 7\r\nA: b\r\na: c\r\nContent-Length: 0\r\n\r\n").fields
    assert dict(fields) == {"retry-after": "7", "a": "b, c", "content-length": "0"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "closed the connection"),
        (OK + b"Content-Length: 3\r\n\r\n{}", "closed the connection"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{", "closed the connection"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", "closed the connection"),
        (b"SSH-2.0-x\r\n\r\n", "not HTTP/1.1"),
        (b"HTTP/2 200\r\n\r\n", "not HTTP/1.1"),
        (b"HTTP/1.1 099 Low\r\n\r\n", "not HTTP/1.1"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "changes the protocol"),
        (OK + b"Content-Length : 2\r\n\r\n{}", "not a field"),
        (OK + b"A: b\r\n folded\r\n\r\n{}", "not a field"),
        (OK + b"no colon\r\n\r\n{}", "not a field"),
        (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "one number"),
        (OK + b"Content-Length: -2\r\n\r\n{}", "one number"),
        (OK + b"Content-Length: +2\r\n\r\n{}", "one number"),
        (OK + b"Content-Length: \xb2\r\n\r\n{}", "one number"),
        (OK + b"Content-Length: 1_0\r\n\r\n{}", "one number"),
        (OK + b"Content-Length: 99999999999\r\n\r\n{}", "more than"),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "expected chunked"),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "gzip"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nx\r\n{}\r\n0\r\n\r\n", "size of a chunk"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n", "size of a chunk"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n", "longer than its size"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffff\r\n", "more than"),
    ],
)
def test_a_broken_response_is_refused(data: bytes, message: str) -> None:
    """Its end is not certain, so nothing of it is taken."""
    with pytest.raises(BrokenResponse, match=message):
        read(data)


@pytest.mark.parametrize(
    "begin",
    [
        OK + b"A: ",
        OK + b"Transfer-Encoding: chunked\r\n\r\n1;",
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: ",
    ],
    ids=["head", "chunk", "trailer"],
)
def test_what_has_no_end_is_bounded(begin: bytes) -> None:
    """A server that never ends a line is not listened to for ever."""
    received = 0

    def receive(count: int) -> bytes:
        nonlocal received
        data = begin if not received else b"x" * count
        received += len(data)
        assert received < 1_000_000
        return data

    with pytest.raises(BrokenResponse, match="without its end"):
        read_response(receive)


def test_many_trailers_are_bounded() -> None:
    """However short each of them is."""
    with pytest.raises(BrokenResponse, match="trailers"):
        read(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 20_000 + b"\r\n")


@pytest.mark.parametrize(
    "framing", [b"\r\n", b"Transfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n"]
)
def test_a_body_is_bounded(monkeypatch: pytest.MonkeyPatch, framing: bytes) -> None:
    """Without a length, and of many chunks, too."""
    monkeypatch.setattr(responses, "MAX_BODY_BYTES", 10)
    with pytest.raises(BrokenResponse, match="more than 10 bytes"):
        read(OK + framing + b"12345678901")
