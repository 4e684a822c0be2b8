"""The mark that a request is on its way, which the prober takes back when it is done with a segment."""

from collections.abc import Iterable

import redis
import structlog

from services.contract.messages import Segment
from services.contract.names import outstanding_key

log = structlog.get_logger(__name__)

DELETE_IF_EQUAL = (
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"
)
"""A newer request for the same segment has its own id there, and keeps it."""


def clear(client: redis.Redis, *, host: str, done: Iterable[tuple[Segment, str]]) -> None:
    """Take back the marks of (segment, request id); one that stays ends by its TTL, so nothing is raised."""
    try:
        with client.pipeline(transaction=False) as pipe:
            for segment, request_id in done:
                pipe.eval(DELETE_IF_EQUAL, 1, outstanding_key(host, segment), request_id)
            pipe.execute()
    except redis.RedisError as error:
        log.warning("marks of finished requests stay until they expire", error=str(error))
