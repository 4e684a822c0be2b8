"""The list of refused messages in Redis, kept for inspection."""

import json

import redis
import structlog

from services.contract.names import DEAD_LETTERS_KEPT, DEAD_LETTERS_KEY
from services.runtime.redis_client import time_ms

BODY_KEPT_CHARACTERS = 4_000
REASON_KEPT_CHARACTERS = 1_000

log = structlog.get_logger(__name__)


def record(client: redis.Redis, *, where: str, reason: str, body: object) -> None:
    """Store a refused message with the reason. Never raises: a refusal must not stop the work."""
    reason = reason[:REASON_KEPT_CHARACTERS]
    log.warning("message refused", where=where, reason=reason)
    try:
        text = body if isinstance(body, str) else json.dumps(body, default=repr)
    except (TypeError, ValueError, RecursionError) as error:
        text = f"not printable: {error}"
    try:
        letter = {
            "at_ms": time_ms(client),
            "where": where,
            "reason": reason,
            "body": text[:BODY_KEPT_CHARACTERS],
        }
        with client.pipeline(transaction=False) as pipe:
            pipe.lpush(DEAD_LETTERS_KEY, json.dumps(letter))
            pipe.ltrim(DEAD_LETTERS_KEY, 0, DEAD_LETTERS_KEPT - 1)
            pipe.execute()
    except redis.RedisError as error:
        log.warning("refused message not recorded", where=where, error=str(error))
