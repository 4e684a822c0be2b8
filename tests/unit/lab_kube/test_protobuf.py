"""The part of protobuf that kubectl requires."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.kube.errors import ApiError
from lab.kube.protobuf import MAGIC, decode, fields, preconditions


def field(number: int, value: bytes) -> bytes:
    """Encode a length-delimited field."""
    size = len(value)
    length = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
    return bytes([number << 3 | 2]) + length + value


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    """Encode an object as client-go sends it."""
    return MAGIC + field(1, field(1, api_version.encode()) + field(2, kind.encode())) + field(2, raw)


def refusal(call: Callable[[], object]) -> int | None:
    """Return the status with which a call is refused; None if it succeeds."""
    try:
        call()
    except ApiError as error:
        return error.code
    return None


META = (
    field(1, b"site-a")
    + field(11, field(1, b"team") + field(2, b"net"))
    + bytes([7 << 3 | 0, 0xFF, 0x01])
    + field(12, field(1, b"note") + field(2, b"x" * 200))
)


def test_a_namespace() -> None:
    """Name, labels and annotations are read; numbers in between are skipped."""
    body = decode(envelope("v1", "Namespace", field(1, META)))
    assert body["metadata"] == {
        "name": "site-a",
        "generateName": "",
        "labels": {"team": "net"},
        "annotations": {"note": "x" * 200},
    }


def test_a_secret() -> None:
    """Its data are base64, as in JSON; its type and the version that it replaces are read."""
    meta = field(1, b"s") + field(6, b"17")
    raw = field(1, meta) + field(2, field(1, b"k") + field(2, b"\x00v")) + field(3, b"Opaque")
    body = decode(envelope("v1", "Secret", raw))
    assert (body["data"], body["type"]) == ({"k": "AHY="}, "Opaque")
    assert body["metadata"] == {
        "name": "s",
        "generateName": "",
        "labels": {},
        "annotations": {},
        "resourceVersion": "17",
    }


def test_what_a_deletion_requires() -> None:
    """The uid and the version of the object, if any."""
    options = field(2, field(1, b"uid-1") + field(2, b"17"))
    assert preconditions(envelope("meta.k8s.io/v1", "DeleteOptions", options)) == ("uid-1", "17")
    assert preconditions(envelope("meta.k8s.io/v1", "DeleteOptions", b"")) == ("", "")


def test_anything_else_is_to_be_json() -> None:
    """A ConfigMap as protobuf gets a 415."""
    with pytest.raises(ApiError) as caught:
        decode(envelope("v1", "ConfigMap", b""))
    assert caught.value.code == 415


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        MAGIC + b"\x0a\x05a",
        MAGIC + b"\x0a",
        MAGIC + b"\xff" * 11,
        MAGIC + b"\x0b\x00",
        MAGIC + b"\x09\x00",
    ],
)
def test_what_is_none(data: bytes) -> None:
    """A missing envelope or a truncated message gets a 400."""
    with pytest.raises(ApiError) as caught:
        decode(data)
    assert caught.value.code in (400, 415)


@pytest.mark.parametrize("size", range(len(META)))
def test_a_message_cut_anywhere(size: int) -> None:
    """A truncated message is refused or read as a shorter one, and never crashes."""
    assert refusal(lambda: fields(META[:size])) in (None, 400)


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    """Any bytes after the magic give an object or a 4xx."""
    assert refusal(lambda: decode(MAGIC + data)) in (None, 400, 415)
