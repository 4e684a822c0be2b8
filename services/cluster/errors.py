"""Errors of the API server, how a response becomes one, and how long to back off after one.

No other exception leaves this package, neither the HTTP client's nor the Kubernetes client's. Each docstring
says whether the caller may try again, and on what.

ClusterError
├── Conflict
│   └── PatchRefused
├── NotFound
├── Denied
├── Forbidden
├── Unauthorized
├── Throttled
├── Unavailable
└── Expired
"""

import json
import re
from collections.abc import Mapping

from services.contract.errors import NadrouteError

DEFAULT_RETRY_AFTER_S = 1.0
MAX_RETRY_AFTER_S = 3_600.0
MAX_MESSAGE_CHARACTERS = 500

# Webhooks say "denied the request", admission policies "denied request", with any status.
_DENIAL = re.compile(r"\bdenied (the )?request\b")

BACKOFF_BASE_S = 0.2
BACKOFF_CAP_S = 8.0
"""Short, so that a returning API server is noticed within seconds."""


class ClusterError(NadrouteError):
    """The API server did not do what it was asked."""


class Conflict(ClusterError):
    """The object has another version by now (409, or 422 on a `test`): decide again on the fresh object."""


class PatchRefused(Conflict):
    """A patch met 422: a `test` in it failed, or its result violates the object's schema."""


class NotFound(ClusterError):
    """The object is gone, or an object with another uid has its name: nothing may be written."""


class Denied(ClusterError):
    """Admission refused this write: permanent until somebody changes the object.

    In Harvester a webhook's denial is HTTP 500 with "denied the request" in its text. A write that violates
    the object's schema is as final.
    """


class Forbidden(ClusterError):
    """RBAC does not allow the request (403): a person has to grant it."""


class Unauthorized(ClusterError):
    """The credentials are rejected (401), even after they were read again."""


class Throttled(ClusterError):
    """The server asks for a pause (429): never try again before retry_after_s."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(ClusterError):
    """Connection refused or cut, timeout, 5xx, or an unreachable webhook: try again later.

    A write may have been committed nevertheless: read the object before repeating it.
    """


class Expired(ClusterError):
    """The resourceVersion or continue token is too old (410): list again."""


_BY_STATUS: Mapping[int, type[ClusterError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    408: Unavailable,
    409: Conflict,
    410: Expired,
    422: PatchRefused,
}


def backoff_s(attempt: int, error: ClusterError, *, jitter: float, cap_s: float = BACKOFF_CAP_S) -> float:
    """Return the seconds to wait after the attempt-th failure in a row (from 1).

    Full jitter: anything from 0 to an exponentially growing cap, since all clients lose a server at the same
    time. jitter: a random number from 0 to 1. Throttled: never earlier than the server asked. First Expired:
    0, since only a fresh list is needed.
    """
    if isinstance(error, Expired) and attempt <= 1:
        return 0.0
    delay = jitter * min(cap_s, BACKOFF_BASE_S * 2.0 ** min(attempt, 16))
    return error.retry_after_s + delay if isinstance(error, Throttled) else delay


def from_response(status: int, body: bytes, headers: Mapping[str, str]) -> ClusterError:
    """Return the error for a response with a status of 300 or more."""
    document = _read_status(body)
    message = document.get("message")
    text = message if isinstance(message, str) and message else body.decode("utf-8", "replace")
    error = from_status(status, text, retry_after_s=_read_retry_after(document, headers))
    if isinstance(error, NotFound) and not _names_object(document):
        # From a proxy, or a server that does not serve the resource now: the object may exist.
        return Unavailable(str(error))
    return error


def from_error_event(document: object) -> ClusterError:
    """Return the error for an ERROR event of a watch, whose object is a Status."""
    fields = document if isinstance(document, Mapping) else {}
    code, message = fields.get("code"), fields.get("message")
    return from_status(
        code if isinstance(code, int) else 500,
        message if isinstance(message, str) else "the watch sent an ERROR without a message",
        retry_after_s=_read_retry_after(fields, {}),
    )


def from_status(status: int, message: str, *, retry_after_s: float = DEFAULT_RETRY_AFTER_S) -> ClusterError:
    """Return the error for a status code and its text (Kubernetes API conventions, "HTTP Status codes")."""
    text = f"HTTP {status}: {message.strip()[:MAX_MESSAGE_CHARACTERS]}"
    if _DENIAL.search(message):
        return Denied(text)
    if status == 429:
        return Throttled(text, retry_after_s=retry_after_s)
    # Any other 4xx is too large, malformed or not supported: the same request would fail again.
    other = Denied if 400 <= status < 500 else Unavailable
    return _BY_STATUS.get(status, other)(text)


def _read_status(body: bytes) -> Mapping[str, object]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _names_object(document: Mapping[str, object]) -> bool:
    details = document.get("details")
    return isinstance(details, Mapping) and bool(details.get("name"))


def _read_retry_after(document: Mapping[str, object], headers: Mapping[str, str]) -> float:
    details = document.get("details")
    values: list[object] = [headers.get("Retry-After")]
    if isinstance(details, Mapping):
        values.append(details.get("retryAfterSeconds"))
    for value in values:
        try:
            seconds = float(str(value))
        except ValueError:
            continue
        if seconds >= 0:
            return min(seconds, MAX_RETRY_AFTER_S)
    return DEFAULT_RETRY_AFTER_S
