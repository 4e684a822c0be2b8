"""From what came over HTTP to an error of ours: pure, so that each row of the table can be tested."""

import json
import re
from collections.abc import Mapping

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
)

DEFAULT_RETRY_AFTER_S = 1.0
MAX_RETRY_AFTER_S = 3_600.0
MAX_MESSAGE_CHARACTERS = 500

# Webhooks say "denied the request", admission policies "denied request"; under whatever status.
_DENIAL = re.compile(r"\bdenied (the )?request\b")


def from_response(status: int, body: bytes, headers: Mapping[str, str]) -> ClusterError:
    """The error that a response of 300 or more stands for."""
    document = _read_status(body)
    message = document.get("message")
    text = message if isinstance(message, str) and message else body.decode("utf-8", "replace")
    return from_status(status, text, retry_after_s=_read_retry_after(document, headers))


def from_error_event(document: object) -> ClusterError:
    """The error that an ERROR event in a watch stands for: a Status where an object would be."""
    fields = document if isinstance(document, Mapping) else {}
    code, message = fields.get("code"), fields.get("message")
    return from_status(
        code if isinstance(code, int) else 500,
        message if isinstance(message, str) else "a watch sent an ERROR that says nothing",
        retry_after_s=_read_retry_after(fields, {}),
    )


def from_status(status: int, message: str, *, retry_after_s: float = DEFAULT_RETRY_AFTER_S) -> ClusterError:
    """The error of a status code and its text (Kubernetes API conventions, "HTTP Status codes")."""
    text = f"HTTP {status}: {message.strip()[:MAX_MESSAGE_CHARACTERS]}"
    if _DENIAL.search(message):
        return Denied(text)
    match status:
        case 401:
            return Unauthorized(text)
        case 403:
            return Forbidden(text)
        case 404:
            return NotFound(text)
        case 409:
            return Conflict(text)
        case 422:
            return PatchRefused(text)
        case 410:
            return Expired(text)
        case 429:
            return Throttled(text, retry_after_s=retry_after_s)
        case 408:
            return Unavailable(text)
        case _ if 400 <= status < 500:
            # Too large, malformed, not supported: the same request will fail the same way.
            return Denied(text)
    return Unavailable(text)


def _read_status(body: bytes) -> Mapping[str, object]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


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
