"""Messages that are no envelopes of ours, each made from a good one: shapes that end or hold a worker."""

import base64
import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from services.contract.envelopes import MAX_ENVELOPE_BYTES, Refusal

Good = Mapping[str, Any]
"""An envelope as a sender leaves it in the queue."""
Poison = Callable[[Good], bytes]
DELETED = object()
DEEP = 200_000
LONG_NUMBER = "9" * 5_000


def _changed(good: Good, path: str, value: object) -> dict[str, Any]:
    """Return the envelope with the field at this path set or, with DELETED, deleted."""
    made: dict[str, Any] = copy.deepcopy(dict(good))
    *above, last = path.split(".")
    place = made
    for name in above:
        place = place[name]
    if value is DELETED:
        del place[last]
    else:
        place[last] = value
    return made


def _with(path: str, value: object) -> Poison:
    return lambda good: json.dumps(_changed(good, path, value)).encode()


def encoded(body: bytes) -> str:
    """Return a body as it travels."""
    return base64.b64encode(body).decode()


def _body(body: object) -> Poison:
    return _raw_body(json.dumps(body).encode())


def _raw_body(body: bytes) -> Poison:
    return _with("body", encoded(body))


def _embedded(**tasks: object) -> Poison:
    def poison(good: Good) -> bytes:
        args, kwargs, embedded = json.loads(base64.b64decode(good["body"]))
        return _body([args, kwargs, {**embedded, **tasks}])(good)

    return poison


def _literally(path: str, literal: str) -> Poison:
    """The field's value as JSON text that Python would not write."""
    return lambda good: json.dumps(_changed(good, path, "<here>")).replace('"<here>"', literal).encode()


def _constant(raw: bytes) -> Poison:
    return lambda _: raw


_DEEP_LIST = "[" * DEEP + "]" * DEEP
_SIGNATURE = {"task": "celery.backend_cleanup", "args": [], "kwargs": {}, "options": {}}
_TYPED = {"__type__": "uuid", "__value__": "none"}
"""What kombu's JSON turns into an object, or fails at."""

_NOT_JSON: dict[str, Poison] = {
    "empty": _constant(b""),
    "text": _constant(b"hello"),
    "not UTF-8": _constant(b"\xff\xfe\x00"),
    "a pickle": _constant(b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07payload\x94."),
    "cut": lambda good: json.dumps(good).encode()[:-40],
    "a huge number": _constant(LONG_NUMBER.encode()),
    "retries huge": _literally("headers.retries", LONG_NUMBER),
    "two": lambda good: json.dumps(good).encode() * 2,
    "a control character": lambda good: json.dumps(good).encode().replace(b'"py"', b'"\x1b[2J"'),
}
_MALFORMED: dict[str, Poison] = {
    "a number": _constant(b"5"),
    "null": _constant(b"null"),
    "true": _constant(b"true"),
    "a string": _constant(b'"hello"'),
    "a list": _constant(b"[]"),
    "an empty object": _constant(b"{}"),
    "a typed object": _constant(json.dumps(_TYPED).encode()),
    "a typed object inside": _with("headers.shadow", _TYPED),
    "no body": _with("body", DELETED),
    "a body of null": _with("body", None),
    "a body that is a list": _with("body", []),
    "a body that is not base64": _with("body", "%%%"),
    "a body that is not ASCII": _with("body", "ä"),
    "a body with a list of two": _body([[], {}]),
    "a body with a list of four": _body([[], {}, {}, {}]),
    "a body with a number": _body(5),
    "a body with null": _body(None),
    "a body with an object": _body({"task": "x", "args": [], "kwargs": {}}),
    "a body with args": _body(["args", {}, {}]),
    "args null": _body([None, {}, {}]),
    "kwargs a list": _body([[], [], {}]),
    "embedded null": _body([[], {}, None]),
    "embedded a list": _body([[], {}, []]),
    "callbacks": _embedded(callbacks=[_SIGNATURE]),
    "errbacks": _embedded(errbacks=[_SIGNATURE]),
    "a chain": _embedded(chain=[_SIGNATURE]),
    "a chord": _embedded(chord=_SIGNATURE),
    "a chord of a wrong type": _embedded(chord=5),
    "no headers": _with("headers", DELETED),
    "headers null": _with("headers", None),
    "headers a list": _with("headers", []),
    "no id": _with("headers.id", DELETED),
    "id an object": _with("headers.id", {}),
    "id a list": _with("headers.id", []),
    "id null": _with("headers.id", None),
    "id with control characters": _with("headers.id", "\x1b[2J"),
    "no task": _with("headers.task", DELETED),
    "task a list": _with("headers.task", []),
    "task an object": _with("headers.task", {}),
    "task null": _with("headers.task", None),
    "eta a number": _with("headers.eta", 253_402_300_799),
    "eta a list": _with("headers.eta", ["9999-12-31T23:59:59"]),
    "expires in the past": _with("headers.expires", "2001-01-01T00:00:00"),
    "expires a list": _with("headers.expires", []),
    "expires not a date": _with("headers.expires", "never"),
    "retries a string": _with("headers.retries", "many"),
    "retries large": _literally("headers.retries", LONG_NUMBER[:400]),
    "retries infinite": _literally("headers.retries", "1e999"),
    "timelimit a number": _with("headers.timelimit", 5),
    "timelimit set": _with("headers.timelimit", [1, 1]),
    "timelimit of three": _with("headers.timelimit", [None, None, None]),
    "a group": _with("headers.group", "x"),
    "shadow an object": _with("headers.shadow", {}),
    "ignore_result a list": _with("headers.ignore_result", []),
    "root_id an object": _with("headers.root_id", {}),
    "argsrepr a list": _with("headers.argsrepr", []),
    "argsrepr huge": _with("headers.argsrepr", "x" * 100_000),
    "no properties": _with("properties", DELETED),
    "properties null": _with("properties", None),
    "properties a list": _with("properties", []),
    "no delivery_tag": _with("properties.delivery_tag", DELETED),
    "delivery_tag null": _with("properties.delivery_tag", None),
    "delivery_tag an object": _with("properties.delivery_tag", {}),
    "delivery_tag a number": _with("properties.delivery_tag", 5),
    "delivery_tag empty": _with("properties.delivery_tag", ""),
    "no delivery_info": _with("properties.delivery_info", DELETED),
    "delivery_info a list": _with("properties.delivery_info", []),
    "no exchange": _with("properties.delivery_info.exchange", DELETED),
    "an exchange that routes nowhere": _with("properties.delivery_info.exchange", "nowhere"),
    "no routing key": _with("properties.delivery_info.routing_key", DELETED),
    "another routing key": _with("properties.delivery_info.routing_key", "celery"),
    "no body_encoding": _with("properties.body_encoding", DELETED),
    "body_encoding unknown": _with("properties.body_encoding", "rot13"),
    "body_encoding a list": _with("properties.body_encoding", []),
    "reply_to an object": _with("properties.reply_to", {}),
    "correlation_id a list": _with("properties.correlation_id", []),
    "priority a string": _with("properties.priority", "high"),
    "no content-type": _with("content-type", DELETED),
    "content-type unknown": _with("content-type", "application/x-unknown"),
    "content-type pickle": _with("content-type", "application/x-python-serialize"),
    "content-type a list": _with("content-type", []),
    "content-encoding unknown": _with("content-encoding", "rot13"),
    "content-encoding null": _with("content-encoding", None),
    "a task of protocol 1": _constant(
        json.dumps(
            {
                "body": encoded(b'{"task": "celery.backend_cleanup", "id": "x", "args": [], "kwargs": {}}'),
                "content-type": "application/json",
                "content-encoding": "utf-8",
                "headers": {},
                "properties": {
                    "delivery_tag": "x",
                    "body_encoding": "base64",
                    "delivery_info": {"exchange": "", "routing_key": "report"},
                },
            }
        ).encode()
    ),
}
_BODY_NOT_JSON: dict[str, Poison] = {
    "an empty body": _with("body", ""),
    "a body that is not JSON": _raw_body(b"hello"),
    "a body that is not UTF-8": _raw_body(b"\xff\xfe"),
    "a body that is a pickle": _raw_body(b"\x80\x04N."),
    "a compressed body": lambda good: json.dumps(
        _changed(
            {**good, "body": encoded(b"x\x9c\x8b\x8e\x05\x00\x01\x15\x00\xb9")}, "headers.compression", "zlib"
        )
    ).encode(),
}
_TOO_DEEP: dict[str, Poison] = {
    "nested": _constant(_DEEP_LIST.encode()),
    "nested headers": _literally("headers.shadow", _DEEP_LIST),
    "nested unknown field": _literally("unknown", _DEEP_LIST),
    "nested arguments": _raw_body(f'[[], {{"report": {_DEEP_LIST}, "request": 1}}, {{}}]'.encode()),
    "nested deeper than Python recurses": _raw_body(
        b"[[], {}, " + b'{"x":' * 1_100 + b"1" + b"}" * 1_100 + b"]"
    ),
}
_UNKNOWN_TASK: dict[str, Poison] = {
    "an unknown task": _with("headers.task", "nadroute.unknown.v1"),
    "a newer task": lambda good: _with("headers.task", good["headers"]["task"].replace(".v1", ".v2"))(good),
    "an empty task": _with("headers.task", ""),
    "celery.backend_cleanup": _with("headers.task", "celery.backend_cleanup"),
    "celery.chain": _with("headers.task", "celery.chain"),
    "celery.chord_unlock": _with("headers.task", "celery.chord_unlock"),
    "celery.accumulate": _with("headers.task", "celery.accumulate"),
}
_DELAYED: dict[str, Poison] = {
    "eta in the year 9999": _with("headers.eta", "9999-12-31T23:59:59.999999+00:00"),
    "eta now": _with("headers.eta", "2026-01-01T00:00:00+00:00"),
    "eta not a date": _with("headers.eta", "soon"),
    "eta empty": _with("headers.eta", ""),
}
_TOO_LARGE: dict[str, Poison] = {
    "large": _constant(b"x" * (MAX_ENVELOPE_BYTES + 1)),
    "a large body": _raw_body(b'[["' + b"x" * MAX_ENVELOPE_BYTES + b'"], {}, {}]'),
}
POISON: dict[str, tuple[Refusal, Poison]] = {
    name: (refusal, poison)
    for refusal, shapes in (
        (Refusal.NOT_JSON, {**_NOT_JSON, **_BODY_NOT_JSON}),
        (Refusal.MALFORMED, _MALFORMED),
        (Refusal.TOO_DEEP, _TOO_DEEP),
        (Refusal.UNKNOWN_TASK, _UNKNOWN_TASK),
        (Refusal.DELAYED, _DELAYED),
        (Refusal.TOO_LARGE, _TOO_LARGE),
    )
    for name, poison in shapes.items()
}
"""Name to the reason for which it is refused, and the poison."""
