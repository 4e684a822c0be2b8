"""The site's causes in Redis: written by the updater, read by it after a restart, and by views."""

import json

import redis
import structlog

from services.contract.causes import MAX_CAUSES_BYTES, CausesRecord
from services.contract.errors import MessageRefused
from services.contract.names import CAUSES_KEY
from services.runtime.process.outside_log import tell
from services.runtime.stored.guarded_redis import set_aside

KEPT_S = 86_400
"""Seconds after which they vanish unless they are stored again."""

log = structlog.get_logger(__name__)


def store_causes(client: redis.Redis, causes: CausesRecord) -> None:
    """Replace the causes; may raise redis.RedisError."""
    client.set(CAUSES_KEY, json.dumps(causes.to_wire(), separators=(",", ":")), ex=KEPT_S)


def read_causes(client: redis.Redis) -> CausesRecord:
    """Return the causes; none if they are unreadable: anyone with access to Redis can write them.

    May raise redis.RedisError.
    """
    try:
        text = client.getrange(CAUSES_KEY, 0, MAX_CAUSES_BYTES)
        if not text:
            return CausesRecord()
        if len(text) > MAX_CAUSES_BYTES:
            raise MessageRefused(f"CausesRecord: expected at most {MAX_CAUSES_BYTES} bytes")
        return CausesRecord.from_wire(text)
    except (MessageRefused, redis.ResponseError) as error:
        tell(log, "stored causes ignored", key=CAUSES_KEY, error=str(error))
        set_aside(client, CAUSES_KEY, str(error))
        return CausesRecord()
