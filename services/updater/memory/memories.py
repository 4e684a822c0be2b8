"""What Redis remembers of a network beside its annotations: its conclusion, what was written last, and recent
corrections of another writer.

It survives a restart. A process that runs knows its own part whatever Redis loses (kept_memories). Losing
both costs a duplicate Event or a few more corrections.
"""

from collections.abc import Collection, Mapping, Sequence
from math import inf
from typing import Protocol

import redis
import structlog
from redis.client import Pipeline

from services.contract.conclusions import ConclusionRecord
from services.contract.names import corrections_key, written_key
from services.network.write.disputes import MAX_CORRECTIONS, Written
from services.runtime.connection.redis_client import time_ms
from services.runtime.process.outside_log import tell
from services.runtime.stored.conclusion_store import ConclusionStore

CORRECTIONS_COUNT_S = 3_600
"""Seconds for which a correction counts."""
WRITTEN_KEPT_S = 30 * 86_400
"""Seconds since the last write. What another writer takes back later is written as if it were new."""
BATCH = 256
"""Networks per round trip: bounded, so that no reply blocks the server for long."""

log = structlog.get_logger(__name__)


class Memories(Protocol):
    """The methods of RedisMemories."""

    def conclusions(self, uids: Collection[str]) -> Mapping[str, ConclusionRecord]:
        """Return the present records of these networks, by uid."""
        ...

    def conclude(self, records: Collection[ConclusionRecord]) -> None:
        """Replace the records of these networks."""
        ...

    def name_unwritten(self, uids: Collection[str]) -> None:
        """Have it stand that the conclusions of these networks have something that is not written."""
        ...

    def renew(self, uids: Collection[str]) -> None:
        """Keep the records of these networks, which still exist."""
        ...

    def forget(self, uids: Collection[str]) -> None:
        """Delete the records of networks that are gone."""
        ...

    def written(self, uids: Collection[str]) -> Mapping[str, Written]:
        """Return what is remembered of the writes to these networks, by uid."""
        ...

    def remember_written(self, contents: Mapping[str, str]) -> None:
        """Remember what was written to these networks, by uid."""
        ...

    def remember_correction(self, uid: str, content: str) -> None:
        """Remember what was written now to correct another writer, and count it."""
        ...

    def remember_told(self, uid: str) -> None:
        """Remember that it is being told now that another writer is corrected no more."""
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

    def name_unwritten(self, uids: Collection[str]) -> None:
        self._store.name_unwritten(uids)

    def renew(self, uids: Collection[str]) -> None:
        self._store.renew(uids)

    def forget(self, uids: Collection[str]) -> None:
        self._store.delete(uids)
        ordered = list(uids)
        for start in range(0, len(ordered), BATCH):
            batch = ordered[start : start + BATCH]
            self._client.delete(*map(written_key, batch), *map(corrections_key, batch))

    def written(self, uids: Collection[str]) -> Mapping[str, Written]:
        ordered = list(uids)
        found: dict[str, Written] = {}
        for start in range(0, len(ordered), BATCH):
            found |= self._written(ordered[start : start + BATCH])
        return found

    def remember_written(self, contents: Mapping[str, str]) -> None:
        ordered = list(contents.items())
        for start in range(0, len(ordered), BATCH):
            with self._client.pipeline(transaction=False) as pipe:
                for uid, content in ordered[start : start + BATCH]:
                    _put_content(pipe, uid, content)
                pipe.execute()

    def remember_correction(self, uid: str, content: str) -> None:
        now_ms = time_ms(self._client)
        with self._client.pipeline(transaction=True) as pipe:
            _put_content(pipe, uid, content)
            pipe.lpush(corrections_key(uid), now_ms)
            pipe.ltrim(corrections_key(uid), 0, MAX_CORRECTIONS - 1)
            pipe.expire(corrections_key(uid), CORRECTIONS_COUNT_S)
            pipe.execute()

    def remember_told(self, uid: str) -> None:
        now_ms = time_ms(self._client)
        with self._client.pipeline(transaction=True) as pipe:
            pipe.hset(written_key(uid), "told_ms", now_ms)
            # Redis may have lost the key meanwhile.
            pipe.expire(written_key(uid), WRITTEN_KEPT_S)
            pipe.execute()

    def _written(self, uids: Sequence[str]) -> dict[str, Written]:
        now_ms = time_ms(self._client)
        keys = [key for uid in uids for key in (written_key(uid), corrections_key(uid))]
        with self._client.pipeline(transaction=False) as pipe:
            for uid in uids:
                pipe.hmget(written_key(uid), "content", "told_ms")
                pipe.lrange(corrections_key(uid), 0, MAX_CORRECTIONS - 1)
            replies = [
                self._usable(*pair) for pair in zip(keys, pipe.execute(raise_on_error=False), strict=True)
            ]
        found = {}
        for uid, fields, times in zip(uids, replies[::2], replies[1::2], strict=True):
            content, told_ms = fields or (None, None)
            ages_s = [age_s for at_ms in times if (age_s := _age_s(at_ms, now_ms)) < CORRECTIONS_COUNT_S]
            room_in_s = CORRECTIONS_COUNT_S - max(ages_s, default=0.0)
            is_told = _age_s(told_ms, now_ms) < CORRECTIONS_COUNT_S
            found[uid] = Written(content or "", len(ages_s), room_in_s, is_told=is_told)
        return found

    def _usable(self, key: str, reply: Sequence[str | None] | Exception) -> Sequence[str | None]:
        """Return the reply; nothing for a key of another type."""
        if not isinstance(reply, Exception):
            return reply
        if "WRONGTYPE" not in str(reply):
            raise reply
        tell(log, "key of another type ignored", key=key, error=str(reply))
        return ()


def _put_content(pipe: Pipeline, uid: str, content: str) -> None:
    pipe.hset(written_key(uid), "content", content)
    pipe.expire(written_key(uid), WRITTEN_KEPT_S)


def _age_s(at_ms: str | None, now_ms: int) -> float:
    """Return the age of a time of Redis; infinity for what is none, or lies in the future."""
    age_ms = now_ms - int(at_ms) if at_ms is not None and at_ms.isdecimal() else -1
    return age_ms / 1000 if age_ms >= 0 else inf
