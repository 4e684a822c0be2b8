"""The conclusion about each network, in Redis: written by the updater, read by it and by views.

Anyone with access to Redis can write these keys. So a record is read up to a limit and validated by itself:
an invalid one counts as missing, and hides no other.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from hashlib import sha1
from itertools import islice
from typing import TypeVar, cast

import redis
import structlog

from services.contract.conclusions import MAX_RECORD_BYTES, ConclusionRecord
from services.contract.errors import MessageRefused
from services.contract.names import UNWRITTEN_KEY, conclusion_key
from services.runtime.process.bounded_cache import BoundedCache
from services.runtime.process.outside_log import tell
from services.runtime.stored.given_fields import share_given
from services.runtime.stored.guarded_redis import set_aside

KEPT_S = 86_400
"""Seconds after which a record vanishes unless it is renewed, as that of a network that is gone."""
BATCH = 256
"""Commands per round trip: bounded, so that no reply blocks the server for long."""
KNOWN_BYTES = 32_000_000
"""Of the records that are kept in memory: most of what is read was read, or put, a moment ago."""
MAX_UNWRITTEN = 20_000
"""Records of unwritten networks that are read at most."""
WRONG_TYPE = "WRONGTYPE"
"""The error of a command on a key of another type."""

# Redis has the digest of each text that this process knows: most are still the same, and are not sent.
_DIFFERING = f"""
local differing = {{}}
for at, key in ipairs(KEYS) do
  local text = redis.pcall('GETRANGE', key, 0, {MAX_RECORD_BYTES})
  if type(text) ~= 'string' or redis.sha1hex(text) ~= string.sub(ARGV[1], 40 * at - 39, 40 * at) then
    differing[#differing + 1] = at
  end
end
return differing
"""

log = structlog.get_logger(__name__)
Item = TypeVar("Item")


class ConclusionStore:
    """Records by the uid of their network. Thread-safe. Every method may raise redis.RedisError."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._known = BoundedCache[tuple[str, ConclusionRecord]](max_bytes=KNOWN_BYTES)
        """By uid: the digest of what Redis had last, and the record."""

    def read(self, uids: Iterable[str]) -> dict[str, ConclusionRecord]:
        """Return the records of these networks, by uid; networks without a valid one are left out.

        While Redis has the same, that is the same object.
        """
        found: dict[str, ConclusionRecord] = {}
        for batch in _batches(uids):
            same = self._same(batch)
            found |= same | self._read([uid for uid in batch if uid not in same])
        return found

    def _same(self, uids: Iterable[str]) -> dict[str, ConclusionRecord]:
        """Return those of the known records that Redis still has."""
        known = {uid: each for uid in uids if (each := self._known.find(uid)) is not None}
        if not known:
            return {}
        digests = "".join(digest for digest, _ in known.values())
        answer = self._client.eval_ro(_DIFFERING, len(known), *map(conclusion_key, known), digests)
        differing = set(cast("list[int]", answer))
        return {uid: record for at, (uid, (_, record)) in enumerate(known.items(), 1) if at not in differing}

    def _read(self, uids: Collection[str]) -> dict[str, ConclusionRecord]:
        if not uids:
            return {}
        with self._client.pipeline(transaction=False) as pipe:
            for uid in uids:
                pipe.getrange(conclusion_key(uid), 0, MAX_RECORD_BYTES)
            answers = cast("list[str | redis.RedisError]", pipe.execute(raise_on_error=False))
        # A missing key is an empty text.
        given = ((uid, answer) for uid, answer in zip(uids, answers, strict=True) if answer)
        return {uid: record for uid, answer in given if (record := self._record(uid, answer)) is not None}

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
        texts = {record.uid: json.dumps(record.to_wire(), separators=(",", ":")) for record in records}
        with self._client.pipeline(transaction=False) as pipe:
            for uid, text in texts.items():
                pipe.set(conclusion_key(uid), text, ex=KEPT_S)
            if unwritten := [record.uid for record in records if is_unwritten(record)]:
                pipe.sadd(UNWRITTEN_KEY, *unwritten)
            if written := [record.uid for record in records if not is_unwritten(record)]:
                pipe.srem(UNWRITTEN_KEY, *written)
            pipe.execute()
        for record in records:
            self._know(texts[record.uid], record)

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
            if len(answer) > MAX_RECORD_BYTES:
                raise MessageRefused(f"ConclusionRecord: expected at most {MAX_RECORD_BYTES} bytes")
            record = ConclusionRecord.from_wire(answer)
            if record.uid != uid:
                raise MessageRefused(f"uid: expected {uid!r} as in the key, got {record.uid!r}")
        except MessageRefused as error:
            tell(log, "stored conclusion ignored", key=conclusion_key(uid), error=str(error))
            set_aside(self._client, conclusion_key(uid), str(error))
            return None
        self._know(answer, record)
        return record

    def _know(self, text: str, record: ConclusionRecord) -> None:
        """Remember that Redis has this text, and that it is this record."""
        # No secret: whoever reaches Redis may replace the text, and gains nothing by one of the same digest.
        for message in (record, record.result):
            share_given(message)
        digest = sha1(text.encode(errors="replace"), usedforsecurity=False).hexdigest()
        self._known.keep(record.uid, (digest, record), size=len(text))


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
