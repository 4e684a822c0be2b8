"""The conclusion about each network, in Redis: written by the updater, read by it and by views.

Anyone with access to Redis can write these keys. So a record is read up to a limit and validated by itself:
an invalid one counts as missing, and hides no other.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import TypeVar, cast

import redis
import structlog

from services.contract.conclusions import MAX_RECORD_BYTES, ConclusionRecord
from services.contract.errors import MessageRefused
from services.contract.names import UNWRITTEN_KEY, conclusion_key
from services.runtime.process.bounded_cache import ParseCache
from services.runtime.process.outside_log import tell
from services.runtime.stored.guarded_redis import set_aside

KEPT_S = 86_400
"""Seconds after which a record vanishes unless it is renewed, as that of a network that is gone."""
BATCH = 256
"""Commands per round trip: bounded, so that no reply blocks the server for long."""
PARSED_BYTES = 32_000_000
"""Of the records whose parsed form is kept in memory: most of what is read was read a moment ago."""
MAX_UNWRITTEN = 20_000
"""Records of unwritten networks that are read at most."""
WRONG_TYPE = "WRONGTYPE"
"""The error of a command on a key of another type."""

log = structlog.get_logger(__name__)
Item = TypeVar("Item")


class ConclusionStore:
    """Records by the uid of their network. Thread-safe. Every method may raise redis.RedisError."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def read(self, uids: Iterable[str]) -> dict[str, ConclusionRecord]:
        """Return the records of these networks, by uid; networks without a valid one are left out."""
        found: dict[str, ConclusionRecord] = {}
        for batch in _batches(uids):
            with self._client.pipeline(transaction=False) as pipe:
                for uid in batch:
                    pipe.getrange(conclusion_key(uid), 0, MAX_RECORD_BYTES)
                answers = cast("list[str | redis.RedisError]", pipe.execute(raise_on_error=False))
            for uid, answer in zip(batch, answers, strict=True):
                # A missing key is an empty text.
                if answer and (record := self._record(uid, answer)) is not None:
                    found[uid] = record
        return found

    def read_unwritten(self) -> dict[str, ConclusionRecord]:
        """Return the records with something that is not written to their network, by uid."""
        try:
            uids = cast("list[str]", self._client.srandmember(UNWRITTEN_KEY, MAX_UNWRITTEN))
        except redis.ResponseError as error:
            _check_type(error)
            return {}
        return {uid: record for uid, record in self.read(uids).items() if is_unwritten(record)}

    def put(self, records: Collection[ConclusionRecord]) -> None:
        """Store these records in place of those before."""
        for batch in _batches(records):
            try:
                self._put(batch)
            except redis.ResponseError as error:
                # Anyone may have put something else in place of the set: it must not hinder a record.
                _check_type(error)
                self._client.delete(UNWRITTEN_KEY)
                self._put(batch)

    def _put(self, records: Collection[ConclusionRecord]) -> None:
        with self._client.pipeline(transaction=False) as pipe:
            for record in records:
                text = json.dumps(record.to_wire(), separators=(",", ":"))
                pipe.set(conclusion_key(record.uid), text, ex=KEPT_S)
            if unwritten := [record.uid for record in records if is_unwritten(record)]:
                pipe.sadd(UNWRITTEN_KEY, *unwritten)
            if written := [record.uid for record in records if not is_unwritten(record)]:
                pipe.srem(UNWRITTEN_KEY, *written)
            pipe.execute()

    def name_unwritten(self, uids: Collection[str]) -> None:
        """Have the set of unwritten networks name these, whatever has become of it."""
        for batch in _batches(uids):
            self._client.sadd(UNWRITTEN_KEY, *batch)

    def renew(self, uids: Iterable[str]) -> None:
        """Keep the records of these networks for another KEPT_S."""
        for batch in _batches(uids):
            with self._client.pipeline(transaction=False) as pipe:
                for uid in batch:
                    pipe.expire(conclusion_key(uid), KEPT_S)
                pipe.execute()

    def delete(self, uids: Iterable[str]) -> None:
        """Delete the records of networks that are gone."""
        for batch in _batches(uids):
            with self._client.pipeline(transaction=False) as pipe:
                pipe.delete(*map(conclusion_key, batch))
                pipe.srem(UNWRITTEN_KEY, *batch)
                # Whatever is in place of the set, put() replaces it.
                pipe.execute(raise_on_error=False)

    def _record(self, uid: str, answer: "str | redis.RedisError") -> ConclusionRecord | None:
        if isinstance(answer, redis.RedisError):
            _check_type(answer)
        try:
            if isinstance(answer, redis.RedisError):
                raise MessageRefused(str(answer))
            record = _parse(answer)
            if record.uid != uid:
                raise MessageRefused(f"uid: expected {uid!r} as in the key, got {record.uid!r}")
        except MessageRefused as error:
            tell(log, "stored conclusion ignored", key=conclusion_key(uid), error=str(error))
            set_aside(self._client, conclusion_key(uid), str(error))
            return None
        return record


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    remaining = iter(items)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def is_unwritten(record: ConclusionRecord) -> bool:
    """Return whether it has something that is not written to its network."""
    return record.unwritten is not None and bool(record.unwritten.route or record.unwritten.status)


def _check_type(error: redis.RedisError) -> None:
    """Raise any other error than that of a key of another type."""
    if WRONG_TYPE not in str(error):
        raise error


_parsed = ParseCache[ConclusionRecord](max_bytes=PARSED_BYTES)


def _parse(text: str) -> ConclusionRecord:
    """Parse one stored text, with a cache; raise MessageRefused."""
    if len(text) > MAX_RECORD_BYTES:
        raise MessageRefused(f"{ConclusionRecord.__name__}: expected at most {MAX_RECORD_BYTES} bytes")
    return _parsed.get(text.encode(errors="replace"), lambda: ConclusionRecord.from_wire(text))
