"""Mutations of messages: octets, and values inside of the JSON of an envelope and of its body."""

import base64
import contextlib
import json
import random
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2**53, 2**63, 1e308, "", "x", "\x00", "\ud800", "report", [], {}, [[]], {"": None},
)  # fmt: skip
LARGEST = 4_096
"""Octets that are inserted at once."""


def mutate(message: bytes, dice: random.Random) -> bytes:
    """Return the message with one to three changes."""
    for _ in range(dice.randint(1, 3)):
        message = dice.choice((_octets, _envelope, _body))(message, dice)
    return message


def _octets(message: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(message) + 1)
    end = min(len(message), start + dice.choice((0, 1, 1, 2, 16, LARGEST)))
    new = dice.choice(
        (b"", dice.randbytes(1), b'"', b"\\", b"[" * dice.randrange(LARGEST), message[start:end] * 2)
    )
    return message[:start] + new + message[end:]


def _envelope(message: bytes, dice: random.Random) -> bytes:
    try:
        fields = json.loads(message)
    except (ValueError, RecursionError):
        return _octets(message, dice)
    return json.dumps(_changed(fields, dice)).encode()


def _body(message: bytes, dice: random.Random) -> bytes:
    with contextlib.suppress(ValueError, RecursionError, TypeError, KeyError, AttributeError):
        fields = json.loads(message)
        text = base64.b64decode(fields["body"])
        changed = _octets(text, dice) if dice.random() < 0.3 else _envelope(text, dice)
        return json.dumps({**fields, "body": base64.b64encode(changed).decode()}).encode()
    return _octets(message, dice)


def _changed(value: Any, dice: random.Random) -> Any:
    """Return the value with one of its parts replaced, left out, or added."""
    if isinstance(value, dict) and value and dice.random() < 0.85:
        key = dice.choice(list(value))
        match dice.randrange(8):
            case 0:
                return {name: part for name, part in value.items() if name != key}
            case 1:
                return {**value, f"{key}x": value[key]}
            case _:
                return {**value, key: _changed(value[key], dice)}
    if isinstance(value, list) and value and dice.random() < 0.85:
        at = dice.randrange(len(value))
        return [*value[:at], _changed(value[at], dice), *value[at + dice.randrange(2) :]]
    if isinstance(value, str) and value[:1] in "{[" and dice.random() < 0.85:
        # A report travels as JSON in a string.
        with contextlib.suppress(ValueError, RecursionError):
            return json.dumps(_changed(json.loads(value), dice))
    return dice.choice(ODD)
