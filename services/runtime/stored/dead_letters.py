"""The list of refused messages in Redis, kept for inspection."""

import json
from collections.abc import Sequence
from typing import Annotated

import redis
import structlog
from pydantic import Field, StringConstraints

from services.contract.errors import MessageRefused
from services.contract.names import DEAD_LETTERS_KEPT, DEAD_LETTERS_KEY
from services.contract.wire import Message
from services.runtime.process.outside_log import tell
from services.runtime.process.redaction import hide_passwords

BODY_KEPT_CHARACTERS = 4_000
REASON_KEPT_CHARACTERS = 1_000
WHERE_KEPT_CHARACTERS = 300
LONGEST_PASSWORD = 512
LETTER_BYTES = 65_536
"""More than the largest letter: whoever reaches Redis can add one of any size."""

_RECORD = """
local now = redis.call('TIME')
local at_ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('LPUSH', KEYS[1], string.format('{"at_ms": %.0f, %s', at_ms, ARGV[1]))
redis.call('LTRIM', KEYS[1], 0, ARGV[2] - 1)
"""
"""In one round trip, by Redis' clock: thousands may come at once, in the thread that takes messages."""
_READ = """
local found = {}
for at = 1, math.min(redis.call('LLEN', KEYS[1]), ARGV[1]) do
  found[at] = string.sub(redis.call('LINDEX', KEYS[1], at - 1), 1, ARGV[2])
end
return found
"""
"""One after the other: each may be large."""

log = structlog.get_logger(__name__)


class DeadLetter(Message):
    """A refused message."""

    at_ms: Annotated[int, Field(ge=0)]
    """Redis' time when it was refused."""
    where: str
    """The queue, task or key that it was meant for."""
    reason: Annotated[str, StringConstraints(max_length=REASON_KEPT_CHARACTERS)]
    body: Annotated[str, StringConstraints(max_length=BODY_KEPT_CHARACTERS)]
    """Its beginning."""


def record(client: redis.Redis, *, where: str, reason: str, body: object) -> None:
    """Store a refused message with the reason. Never raises: a refusal must not stop the work.

    Passwords of URLs are left out.
    """
    try:
        text = body if isinstance(body, str) else json.dumps(body, default=repr)
    except (TypeError, ValueError, RecursionError) as error:
        text = f"not printable: {error}"
    where = where[:WHERE_KEPT_CHARACTERS]
    text, reason = _redact(text, BODY_KEPT_CHARACTERS), _redact(reason, REASON_KEPT_CHARACTERS)
    tell(log, "message refused", content=text, where=where, reason=reason)
    try:
        letter = json.dumps({"where": where, "reason": reason, "body": text})
        client.eval(_RECORD, 1, DEAD_LETTERS_KEY, letter[1:], DEAD_LETTERS_KEPT)
    except redis.RedisError as error:
        log.warning("refused message not recorded", where=where, error=str(error))


def read_raw(client: redis.Redis, count: int) -> list[str]:
    """Return the newest letters as they are stored, newest first, each cut. May raise redis.RedisError."""
    try:
        return [str(letter) for letter in client.eval(_READ, 1, DEAD_LETTERS_KEY, count, LETTER_BYTES)]
    except redis.ResponseError as error:
        raise redis.ResponseError(f"{DEAD_LETTERS_KEY}: {error}") from error


def added(letters: Sequence[str], before: Sequence[str]) -> Sequence[str]:
    """Return the letters, of those read now, that were not there when `before` was read."""
    beyond = (n for n in range(len(letters)) if letters[n:] == before[: len(letters) - n])
    return letters[: next(beyond, len(letters))]


def parse(raw: Sequence[str]) -> list[DeadLetter]:
    """Return the letters among them: whoever reaches Redis can add anything to the list."""
    letters = []
    for text in raw:
        try:
            letter = DeadLetter.from_wire(text)
        except MessageRefused:
            continue
        shown = {
            "reason": _redact(letter.reason, REASON_KEPT_CHARACTERS),
            "body": _redact(letter.body, BODY_KEPT_CHARACTERS),
        }
        letters.append(letter.model_copy(update=shown))
    return letters


def _redact(text: str, kept: int) -> str:
    """Return so many characters, without user and password of URLs, also of one at the end."""
    return hide_passwords(text[: kept + LONGEST_PASSWORD])[:kept]
