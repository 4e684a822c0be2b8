"""What Redis remembers of a network beside its annotations: its conclusion, and recent corrections.

It survives a restart and is shared by all updaters. Without it the annotations count; losing it costs a
duplicate Event at worst.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, cast

import redis

from services.contract.conclusions import ConclusionRecord
from services.contract.names import corrections_key
from services.network.write.writing import MAX_CORRECTIONS
from services.runtime.conclusion_store import ConclusionStore
from services.runtime.redis_client import time_ms

CORRECTIONS_COUNT_S = 3_540
"""Seconds for which a correction counts: an hour, less a minute.

Harvester's controller writes every 15 minutes, to the second. Over a whole hour the first of four corrections
would still count at its fifth write, which would then stand until the next review, and longer each time.
"""


class Memories(Protocol):
    """The methods of RedisMemories."""

    def conclusions(self, uids: Collection[str]) -> Mapping[str, ConclusionRecord]:
        """Return the present records of these networks, by uid."""
        ...

    def conclude(self, records: Collection[ConclusionRecord]) -> None:
        """Replace the records of these networks."""
        ...

    def renew(self, uids: Collection[str]) -> None:
        """Keep the records of these networks, which still exist."""
        ...

    def forget(self, uids: Collection[str]) -> None:
        """Delete the records of networks that are gone."""
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
        self._store = ConclusionStore(client)

    def conclusions(self, uids: Collection[str]) -> Mapping[str, ConclusionRecord]:
        return self._store.read(uids)

    def conclude(self, records: Collection[ConclusionRecord]) -> None:
        self._store.put(records)

    def renew(self, uids: Collection[str]) -> None:
        self._store.renew(uids)

    def forget(self, uids: Collection[str]) -> None:
        self._store.delete(uids)

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
