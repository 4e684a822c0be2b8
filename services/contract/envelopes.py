"""The envelope in which Celery sends a task through Redis: what is accepted, and what of it is kept.

Whoever reaches Redis can push anything into a queue. On much of that a Celery worker ends, again at each
redelivery, or keeps it for years. So this module decides first, on the bytes.
"""

import binascii
from collections.abc import Container
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from services.contract.errors import MessageRefused
from services.contract.wire import MAX_PROBLEMS, Identifier, describe_problem

MAX_ENVELOPE_BYTES = 1_048_576
"""Largest message that is read."""
MAX_SENT_BYTES = 524_288
"""Largest argument of a task that is sent, as JSON. Escaped and in its envelope, it is less than double."""

ANSWERED_COMMANDS = frozenset(
    {"active", "active_queues", "clock", "conf", "enable_events", "heartbeat", "ping", "query_task"}
    | {"registered", "report", "reserved", "revoked", "scheduled", "stats"}
)
"""Commands of Celery's remote control that only tell: what Flower and `celery inspect` ask. Flower repeats
enable_events, which changes nothing: events are always on. Whoever begins to receive events, as Flower does,
first asks for a heartbeat."""

Text = Annotated[str, StringConstraints(max_length=4_096)]
"""What is only shown."""
Tag = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class Refusal(StrEnum):
    """Why a message is no envelope of ours: the label of the metric."""

    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    NOT_JSON = "not_json"
    MALFORMED = "malformed"
    UNKNOWN_TASK = "unknown_task"
    DELAYED = "delayed"
    REMOTE_CONTROL = "remote_control"


class EnvelopeRefused(MessageRefused):
    """A message is no envelope of ours."""

    def __init__(self, refusal: Refusal, reason: str) -> None:
        super().__init__(reason)
        self.refusal = refusal


class _Part(BaseModel):
    """A part of an envelope. Unknown fields are dropped: another version of Celery may send them."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _Headers(_Part):
    id: Identifier
    task: Text
    eta: Text | None = None
    expires: None = None
    """Compares the clocks of two machines; no sender sets it."""
    retries: Annotated[int, Field(ge=0, le=1_000)] = 0
    timelimit: tuple[None, None] | None = None
    group: None = None
    ignore_result: bool | None = None
    lang: Text | None = None
    shadow: Text | None = None
    root_id: Identifier | None = None
    parent_id: Identifier | None = None
    argsrepr: Text | None = None
    kwargsrepr: Text | None = None
    origin: Text | None = None


class _DeliveryInfo(_Part):
    exchange: Literal[""]
    """Celery restores a message through its exchange: one that routes to no queue would make it vanish."""
    routing_key: Text
    redelivered: bool = False


class _Properties(_Part):
    delivery_tag: Tag
    delivery_info: _DeliveryInfo
    body_encoding: Literal["base64"]
    correlation_id: Identifier | None = None
    reply_to: Tag | None = None
    priority: Annotated[int, Field(ge=0, le=9)] = 0


class _Encoded(_Part):
    """What kombu sends: a body, in base64, and how it is encoded."""

    body: str
    content_type: Literal["application/json"] = Field(alias="content-type")
    content_encoding: Literal["utf-8"] = Field(alias="content-encoding")


class _Envelope(_Encoded):
    headers: _Headers
    properties: _Properties


class _Embedded(_Part):
    """Further tasks that a worker would run: ours have none."""

    callbacks: None = None
    errbacks: None = None
    chain: None = None
    chord: None = None


class _CommandHeaders(_Part):
    compression: None = None
    clock: Annotated[int, Field(ge=0, le=2**53)] = 0


class _CommandProperties(_Part):
    delivery_tag: Tag
    delivery_info: dict[str, str]
    body_encoding: Literal["base64"]


class _Broadcast(_Encoded):
    headers: _CommandHeaders
    properties: _CommandProperties


class _ReplyTo(_Part):
    exchange: Literal["reply.celery.pidbox"]
    routing_key: Tag


class _Command(_Part):
    method: Text
    arguments: dict[str, object] | None = None
    destination: list[Text] | None = None
    pattern: None = None
    """A worker would match its name with it, perhaps for hours."""
    ticket: Tag | None = None
    reply_to: _ReplyTo | None = None


_Arguments = tuple[list[object], dict[str, object], _Embedded]
_ENVELOPE = TypeAdapter(_Envelope)
_STORED = TypeAdapter(tuple[_Envelope, Literal[""], str])
"""What kombu stores of a message until it is acknowledged."""
_ARGUMENTS = TypeAdapter(_Arguments)
_BROADCAST, _COMMAND = TypeAdapter(_Broadcast), TypeAdapter(_Command)


class Envelope(dict[str, Any]):
    """An accepted envelope as kombu takes it, with the arguments in its body."""

    __slots__ = ("arguments",)

    def __init__(
        self, fields: dict[str, object], arguments: tuple[list[object], dict[str, object], dict[str, object]]
    ) -> None:
        super().__init__(fields)
        self.arguments = arguments
        """args, kwargs, and what is embedded, which is nothing."""


def read_envelope(raw: bytes, *, queue: str, tasks: Container[str]) -> Envelope:
    """Return the envelope that was in this queue, for one of these tasks; raise EnvelopeRefused."""
    return _accept(_read(_ENVELOPE, raw, "envelope"), queue=queue, tasks=tasks)


def check_stored_envelope(raw: bytes, *, queue: str, tasks: Container[str]) -> None:
    """Raise EnvelopeRefused unless an unacknowledged message is an envelope from this queue."""
    envelope, _, source = _read(_STORED, raw, "unacknowledged message")
    if source != queue:
        reason = f"unacknowledged message: from another queue, {source[:80]!r}"
        raise EnvelopeRefused(Refusal.MALFORMED, reason)
    _accept(envelope, queue=queue, tasks=tasks)


def check_broadcast(raw: bytes) -> None:
    """Raise EnvelopeRefused unless it is a command to all workers that changes nothing."""
    command = _read(_COMMAND, _decoded(_read(_BROADCAST, raw, "broadcast").body), "command")
    if command.method not in ANSWERED_COMMANDS:
        reason = f"command: {command.method[:80]!r} is not answered"
        raise EnvelopeRefused(Refusal.REMOTE_CONTROL, reason)


def _accept(envelope: _Envelope, *, queue: str, tasks: Container[str]) -> Envelope:
    headers, properties = envelope.headers, envelope.properties
    if headers.task not in tasks:
        raise EnvelopeRefused(Refusal.UNKNOWN_TASK, f"headers.task: unknown, got {headers.task[:80]!r}")
    if headers.eta is not None:
        # It would hold a slot of the worker until then, and ours never have one.
        raise EnvelopeRefused(Refusal.DELAYED, f"headers.eta: expected none, got {headers.eta[:80]!r}")
    info = properties.delivery_info
    if info.routing_key != queue:
        reason = f"properties.delivery_info.routing_key: expected {queue}, got {info.routing_key[:80]!r}"
        raise EnvelopeRefused(Refusal.MALFORMED, reason)
    args, kwargs, _ = _read(_ARGUMENTS, _decoded(envelope.body), "body")
    fields: dict[str, object] = {
        "body": envelope.body,
        "content-type": envelope.content_type,
        "content-encoding": envelope.content_encoding,
        # Three times as fast as model_dump().
        "headers": vars(headers),
        "properties": {**vars(properties), "delivery_info": vars(info)},
    }
    return Envelope(fields, (args, kwargs, {}))


def _decoded(body: str) -> bytes:
    try:
        return binascii.a2b_base64(body, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise EnvelopeRefused(Refusal.MALFORMED, f"body: not base64: {str(error)[:80]}") from None


def _read(kind: TypeAdapter[Any], raw: bytes, what: str) -> Any:
    """Parse and validate in one pass; the parser refuses what is nested deeper than some 200 levels."""
    if len(raw) > MAX_ENVELOPE_BYTES:
        reason = f"{what}: {len(raw)} bytes, expected at most {MAX_ENVELOPE_BYTES}"
        raise EnvelopeRefused(Refusal.TOO_LARGE, reason)
    try:
        return kind.validate_json(raw)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
        raise EnvelopeRefused(
            _refusal(problems[0]["type"], problems[0]["msg"]),
            f"{what}: {'; '.join(map(describe_problem, problems[:MAX_PROBLEMS]))}",
        ) from None


def _refusal(kind: str, message: str) -> Refusal:
    if kind != "json_invalid":
        return Refusal.MALFORMED
    return Refusal.TOO_DEEP if "recursion limit" in message else Refusal.NOT_JSON
