"""The error of each response, and the backoff after it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cluster import errors
from services.cluster.errors import (
    ClusterError,
    Conflict,
    Denied,
    Expired,
    Forbidden,
    NotFound,
    PatchRefused,
    Throttled,
    Unauthorized,
    Unavailable,
    backoff_s,
)

JITTER = st.floats(0, 1)
DENIAL = 'Internal error occurred: admission webhook "validator.harvesterhci.io" denied the request: no'
WEBHOOK_AWAY = (
    'Internal error occurred: failed calling webhook "validator.harvesterhci.io": connection refused'
)


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (400, "bad", Denied),
        (401, "Unauthorized", Unauthorized),
        (403, "is forbidden", Forbidden),
        (403, DENIAL, Denied),
        (408, "timeout", Unavailable),
        (409, "the object has been modified", Conflict),
        (410, "too old resource version", Expired),
        (413, "too large", Denied),
        (422, "testing /metadata/uid failed", PatchRefused),
        (422, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", Denied),
        (429, "slow down", Throttled),
        (500, DENIAL, Denied),
        (500, WEBHOOK_AWAY, Unavailable),
        (500, "etcdserver: request timed out", Unavailable),
        (502, "", Unavailable),
        (503, "", Unavailable),
        (504, "", Unavailable),
        (301, "moved", Unavailable),
        (700, "nonsense", Unavailable),
    ],
)
def test_each_status_is_one_error(status: int, message: str, expected: type[ClusterError]) -> None:
    """A status and its text map to exactly one error, which names the status."""
    body = json.dumps({"kind": "Status", "message": message, "code": status}).encode()
    error = errors.from_response(status, body, {})
    assert type(error) is expected
    assert str(status) in str(error)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"kind": "Status", "reason": "NotFound", "details": {"name": "net"}}, NotFound),
        ({"message": "the server could not find the requested resource", "details": {}}, Unavailable),
        ("404 page not found", Unavailable),
    ],
)
def test_only_an_answer_that_names_the_object_says_that_it_is_gone(
    body: object, expected: type[ClusterError]
) -> None:
    """Any other 404 is of the path: the network would be forgotten, and no list would bring it back."""
    error = errors.from_response(404, json.dumps(body).encode(), {})
    assert type(error) is expected
    assert "404" in str(error)


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b"5", b"[" * 5_000, b"<html>denied the request", b"{}"]
)
def test_any_body_is_read(body: bytes) -> None:
    """A body that is not a Status becomes text, cut to one line; a page that says "denied the request" is a
    denial."""
    error = errors.from_response(500, body, {})
    assert isinstance(error, (Unavailable, Denied))
    assert len(str(error)) < 600


@pytest.mark.parametrize(
    ("headers", "details", "expected"),
    [
        ({"Retry-After": "7"}, {}, 7.0),
        ({}, {"retryAfterSeconds": 3}, 3.0),
        ({"Retry-After": "soon"}, {"retryAfterSeconds": 3}, 3.0),
        ({"Retry-After": "Mon, 23 Nov 2026 03:00:00 GMT"}, {}, errors.DEFAULT_RETRY_AFTER_S),
        ({"Retry-After": "-5"}, {}, errors.DEFAULT_RETRY_AFTER_S),
        ({"Retry-After": "nan"}, {}, errors.DEFAULT_RETRY_AFTER_S),
        ({"Retry-After": "inf"}, {}, errors.MAX_RETRY_AFTER_S),
        ({}, {}, errors.DEFAULT_RETRY_AFTER_S),
    ],
)
def test_a_pause_is_read_from_header_or_status(
    headers: dict[str, str], details: dict[str, object], expected: float
) -> None:
    """A 429 carries the pause in its header or else in its body; a number comes out in any case."""
    body = json.dumps({"message": "x", "details": details}).encode()
    error = errors.from_response(429, body, headers)
    assert isinstance(error, Throttled)
    assert error.retry_after_s == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"code": 410, "message": "too old"}, Expired),
        ({"code": 500, "message": "x"}, Unavailable),
        ({"code": "410"}, Unavailable),
        ({}, Unavailable),
        ("gone", Unavailable),
    ],
)
def test_an_error_event_becomes_an_error(document: object, expected: type[ClusterError]) -> None:
    """The Status in a watch's ERROR event is read like one in a response; junk counts as a server error."""
    assert type(errors.from_error_event(document)) is expected


@given(attempt=st.integers(1, 10_000), jitter=JITTER)
def test_a_delay_has_full_jitter_under_a_cap(attempt: int, jitter: float) -> None:
    """It is between 0 and the cap, in proportion to the random number."""
    delay = backoff_s(attempt, Unavailable("x"), jitter=jitter)
    assert 0 <= delay <= errors.BACKOFF_CAP_S
    assert delay == jitter * backoff_s(attempt, Unavailable("x"), jitter=1)
    assert backoff_s(attempt + 1, Unavailable("x"), jitter=1) >= backoff_s(
        attempt, Unavailable("x"), jitter=1
    )


@given(attempt=st.integers(1, 100), jitter=JITTER, pause=st.floats(0, 3_600))
def test_a_throttled_client_is_never_early(attempt: int, jitter: float, pause: float) -> None:
    """The server's pause is the minimum, whatever the jitter."""
    assert backoff_s(attempt, Throttled("x", retry_after_s=pause), jitter=jitter) >= pause


def test_only_the_first_expiry_has_no_delay() -> None:
    """A fresh list is wanted at once, but a server that says 410 to everything is not asked in a tight
    loop."""
    assert backoff_s(1, Expired("x"), jitter=1) == 0
    assert backoff_s(2, Expired("x"), jitter=1) > 0
