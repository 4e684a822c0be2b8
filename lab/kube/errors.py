"""Errors of the API: objects of kind Status (apimachinery, metav1.Status)."""

from __future__ import annotations

from dataclasses import dataclass

from lab.kube.jsontypes import JsonObject, JsonValue

REASONS: dict[int, str] = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """The fault of one field: reason, message and the field's path."""

    reason: str
    message: str
    field: str

    def to_json(self) -> JsonObject:
        """Return the entry of `details.causes`."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


class ApiError(Exception):
    """A refused request; it becomes a Status object with the HTTP status `code`.

    `retry_after` is in whole seconds, and is sent as a header and in `details`.
    """

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str | None = None,
        group: str = "",
        kind: str = "",
        name: str = "",
        causes: tuple[Cause, ...] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = REASONS.get(code, "") if reason is None else reason
        self.group = group
        self.kind = kind
        self.name = name
        self.causes = causes
        self.retry_after = retry_after

    def status(self) -> JsonObject:
        """Return the Status object of this error."""
        details: JsonObject = {}
        for key, value in (("name", self.name), ("group", self.group), ("kind", self.kind)):
            if value:
                details[key] = value
        if self.causes:
            causes: list[JsonValue] = [cause.to_json() for cause in self.causes]
            details["causes"] = causes
        if self.retry_after is not None:
            details["retryAfterSeconds"] = self.retry_after
        body: JsonObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if details:
            body["details"] = details
        return body


def success(*, group: str, kind: str, name: str, uid: str) -> JsonObject:
    """Return the Status that answers a completed deletion."""
    details: JsonObject = {"name": name, "kind": kind, "uid": uid}
    if group:
        details["group"] = group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def bad_request(message: str) -> ApiError:
    """Build a 400: the request cannot be understood."""
    return ApiError(400, message)


def expired(message: str = "The resourceVersion for the provided watch is too old.") -> ApiError:
    """Build a 410: the requested version has been compacted."""
    return ApiError(410, message)


def unknown_path() -> ApiError:
    """Build a 404 for a path that no resource type serves."""
    return ApiError(404, "the server could not find the requested resource")
