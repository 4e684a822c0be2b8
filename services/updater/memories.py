"""What is remembered of networks beside them, in Redis: what was told by Events, what was corrected.

It outlives a restart, and all updaters share it. Without it an Event is told twice, and nothing worse.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, cast

import redis

from services.contract.names import corrections_key, told_key
from services.network.parse.status import Status
from services.network.write.writing import MAX_CORRECTIONS
from services.runtime.redis_client import time_ms

CORRECTIONS_COUNT_S = 3_540
"""Seconds for which a correction counts: an hour, less a minute.

Harvester's controller writes every 15 minutes, to the second. In a whole hour the first of four corrections
would still count when its fifth write comes: that would stand until the next look, and longer each time.
"""
TOLD_KEPT_S = 7 * 86_400
"""Seconds after which what an Event told is told once more, if it still is so."""


class Memories(Protocol):
    """What updater.memories.RedisMemories remembers."""

    def told(self, uids: Collection[str]) -> Mapping[str, Status]:
        """What was told of these networks by Events alone, where anything was."""
        ...

    def remember_told(self, uid: str, status: Status) -> None:
        """This is told of the network now."""
        ...

    def corrections(self, uids: Collection[str]) -> Mapping[str, int]:
        """How often another writer's result was taken back on these networks in the last hour."""
        ...

    def remember_correction(self, uid: str) -> None:
        """It was, just now."""
        ...


class RedisMemories:
    """Memories in Redis. Safe to share by threads. Every method may raise redis.RedisError."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def told(self, uids: Collection[str]) -> Mapping[str, Status]:
        """What was told of these networks by Events alone, where anything was."""
        ordered = list(uids)
        if not ordered:
            return {}
        texts = cast("Sequence[str | None]", self._client.mget([told_key(uid) for uid in ordered]))
        read = {uid: Status.parse(text) for uid, text in zip(ordered, texts, strict=True) if text is not None}
        return {uid: status for uid, status in read.items() if status is not None}

    def remember_told(self, uid: str, status: Status) -> None:
        """This is told of the network now."""
        self._client.set(told_key(uid), status.dump(), ex=TOLD_KEPT_S)

    def corrections(self, uids: Collection[str]) -> Mapping[str, int]:
        """How often another writer's result was taken back on these networks in the last hour."""
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
        """It was, just now."""
        key, now_ms = corrections_key(uid), time_ms(self._client)
        with self._client.pipeline(transaction=True) as pipe:
            pipe.lpush(key, now_ms)
            pipe.ltrim(key, 0, MAX_CORRECTIONS - 1)
            pipe.expire(key, CORRECTIONS_COUNT_S)
            pipe.execute()
