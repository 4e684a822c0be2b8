"""What Redis remembers of a network beside its annotations: the status posted by Events, recent corrections.

It survives a restart and is shared by all updaters. Losing it costs a duplicate Event at worst.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, cast

import redis

from services.contract.names import corrections_key, posted_status_key
from services.network.parse.status import Status
from services.network.write.writing import MAX_CORRECTIONS
from services.runtime.redis_client import time_ms

CORRECTIONS_COUNT_S = 3_540
"""Seconds for which a correction counts: an hour, less a minute.

Harvester's controller writes every 15 minutes, to the second. Over a whole hour the first of four corrections
would still count at its fifth write, which would then stand until the next review, and longer each time.
"""
POSTED_KEPT_S = 7 * 86_400
"""Seconds after which a status posted by an Event is posted again, if it still holds."""


class Memories(Protocol):
    """The methods of RedisMemories."""

    def posted(self, uids: Collection[str]) -> Mapping[str, Status]:
        """Return the last status of these networks that was posted by an Event alone, by uid."""
        ...

    def remember_posted(self, uid: str, status: Status) -> None:
        """Remember the status that is being posted."""
        ...

    def corrections(self, uids: Collection[str]) -> Mapping[str, int]:
        """Return how often another writer's result was corrected on these networks in the last hour."""
        ...

    def remember_correction(self, uid: str) -> None:
        """Count a correction made now."""
        ...


class RedisMemories:
    """Memories in Redis. Thread-safe. Every method may raise redis.RedisError."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def posted(self, uids: Collection[str]) -> Mapping[str, Status]:
        ordered = list(uids)
        if not ordered:
            return {}
        texts = cast("Sequence[str | None]", self._client.mget([posted_status_key(uid) for uid in ordered]))
        read = {uid: Status.parse(text) for uid, text in zip(ordered, texts, strict=True) if text is not None}
        return {uid: status for uid, status in read.items() if status is not None}

    def remember_posted(self, uid: str, status: Status) -> None:
        self._client.set(posted_status_key(uid), status.dump(), ex=POSTED_KEPT_S)

    def corrections(self, uids: Collection[str]) -> Mapping[str, int]:
        ordered = list(uids)
        if not ordered:
            return {}
        since_ms = time_ms(self._client) - CORRECTIONS_COUNT_S * 1000
        with self._client.pipeline(transaction=False) as pipe:
            for uid in ordered:
                pipe.lrange(corrections_key(uid), 0, MAX_CORRECTIONS - 1)
            lists = cast("Sequence[Sequence[str]]", pipe.execute())
        return {
            uid: sum(at.isdecimal() and int(at) > since_ms for at in times)
            for uid, times in zip(ordered, lists, strict=True)
        }

    def remember_correction(self, uid: str) -> None:
        key, now_ms = corrections_key(uid), time_ms(self._client)
        with self._client.pipeline(transaction=True) as pipe:
            pipe.lpush(key, now_ms)
            pipe.ltrim(key, 0, MAX_CORRECTIONS - 1)
            pipe.expire(key, CORRECTIONS_COUNT_S)
            pipe.execute()
