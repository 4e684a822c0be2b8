"""Ten thousand mutated values and types of our keys, before every reader of them, with a real Redis."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from prometheus_client import CollectorRegistry

from services.contract.conclusions import ConclusionRecord
from services.contract.messages import HostAnnouncement
from services.contract.names import (
    DEAD_LETTERS_KEY,
    DOUBTS_KEY,
    OBSERVED_TIME_KEY,
    SENDING_KEY,
    UNWRITTEN_KEY,
    WATCHED_KEY,
    conclusion_key,
    corrections_key,
    host_key,
    host_lock_key,
    host_waiting_key,
    verdicts_key,
    written_key,
)
from services.contract.sending import SendingMark
from services.runtime.stored import announcements, dead_letters
from services.runtime.stored.conclusion_store import ConclusionStore
from services.runtime.stored.doubts import DoubtReader
from services.runtime.stored.guarded_redis import GuardedRedis, connect_guarded
from services.runtime.stored.verdict_store import VerdictStore
from services.updater.memory.memories import RedisMemories
from services.updater.sweep_check import check_sweep
from services.watcher.hosts import HostReader
from tests.support.manual_clock import ManualClock
from tests.support.redis_server import RedisServer
from tests.unit.network.builders import SEGMENT, verdict

SEED = 17
ROUNDS, VALUES = 200, 50
HOST, UID = "node1", "uid-1"
KEYS = (
    *(DEAD_LETTERS_KEY, DOUBTS_KEY, OBSERVED_TIME_KEY, SENDING_KEY, UNWRITTEN_KEY, WATCHED_KEY),
    *(host_key(HOST), host_lock_key(HOST), host_waiting_key(HOST)),
    *(conclusion_key(UID), written_key(UID), corrections_key(UID), verdicts_key(SEGMENT)),
)
FIELDS = (
    "observed_ms",
    "at_ms",
    "resumed_ms",
    "stood_still",
    "content",
    "told_ms",
    HOST,
    f"{HOST}|dhcp",
    "x",
)
JUNK = (
    *(b"", b"inf", b"-inf", b"nan", b"-1", b"1e999", b"9" * 400, b"9007199254740993", b"253402300799000"),
    *(b"{}", b"[]", b"null", b"5", b"[" * 5_000, b"\xff\xfe", b"\x1b[2J\x07", b"\x00", b"x" * 300_000),
)


class Mutator:
    """Writes to Redis what nobody of ours does, from one seed."""

    def __init__(self, server: RedisServer, good: dict[str, bytes]) -> None:
        self._raw = server.client
        self._random = random.Random(SEED)
        self._good = list(good.values())

    def mutate(self) -> None:
        """Write one value to one key: of any type, or among what the key has."""
        key, value = self._random.choice(KEYS), self._value()
        field = self._random.choice(FIELDS)
        puts: tuple[Callable[[], object], ...] = (
            lambda: self._raw.set(key, value),
            lambda: self._raw.hset(key, field, value),
            lambda: self._raw.rpush(key, value),
            lambda: self._raw.sadd(key, value),
            lambda: self._raw.zadd(key, {value: 1}),
            lambda: self._raw.xadd(key, {"doubt": value}),
        )
        if self._random.random() < 0.5:
            self._raw.delete(key)
        # Of another type than what is there: that is written elsewhere.
        try:
            self._random.choice(puts)()
        except Exception:  # noqa: BLE001 - Redis' refusal of a type
            self._raw.set(key, value)

    def _value(self) -> bytes:
        chance = self._random
        if chance.random() < 0.4:
            return chance.choice(JUNK)
        value = bytearray(chance.choice(self._good))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(value))
            match chance.randrange(4):
                case 0:
                    value[at] = chance.randrange(256)
                case 1:
                    del value[at : at + chance.randint(1, 20)]
                case 2:
                    value[at:at] = chance.choice(JUNK)[:100]
                case _:
                    value[at:at] = value[: chance.randint(1, 50)]
            if not value:
                break
        return bytes(value)


class Readers:
    """Every reader of these keys, as the services have them."""

    def __init__(self, client: GuardedRedis) -> None:
        self.client = client
        self.store = VerdictStore(client)
        self.conclusions = ConclusionStore(client)
        self.memories = RedisMemories(client)
        self.hosts = HostReader(client)
        self.doubts = DoubtReader(client, lambda _: None, clock=ManualClock())
        self._counter = 0

    def read(self) -> None:
        """Read all of it, and write what the services write; nothing may be raised."""
        self.hosts.poll()
        self.store.tick()
        self.store.read([SEGMENT])
        self.conclusions.read([UID])
        self.conclusions.read_unwritten()
        self.memories.written([UID])
        self.memories.remember_correction(UID, "c")
        self.memories.remember_told(UID)
        announcements.read_holders(self.client, [HOST])
        announcements.read_waiting(self.client, [HOST])
        check_sweep(self.client, 300.0)
        dead_letters.parse(dead_letters.read_raw(self.client, 100))
        self.client.xadd(DOUBTS_KEY, {"doubt": "{}"})
        self.doubts.read()

    def is_well(self) -> bool:
        """Return whether what is written now is read again."""
        self._counter += 1
        # Of another host: a forged incarnation orders the verdicts of one.
        said = verdict("0" * 16, host="node2", counter=self._counter)
        self.store.put([said])
        latest = self.store.read([SEGMENT])[SEGMENT].latest
        return any(seen.verdict == said and seen.age_s < 60 for seen in latest)


@pytest.fixture
def readers(redis_server: RedisServer) -> Iterator[Readers]:
    redis_server.client.flushall()
    with closing(connect_guarded(redis_server.url, registry=CollectorRegistry())) as client:
        yield Readers(client)


def test_no_mutated_value_ends_a_reader(redis_server: RedisServer, readers: Readers) -> None:
    """R17: ten thousand of them: no reader raises, and what is written afterwards is read."""
    readers.read()
    assert readers.is_well()
    announced = HostAnnouncement(host=HOST, uplinks={"extra": "bo"}, version="1", incarnation=1)
    record = ConclusionRecord(namespace="default", name="net", uid=UID, status={"state": "Active"})
    stored = redis_server.client.hget(verdicts_key(SEGMENT), "node2")
    good = {
        "verdict": str(stored).encode(),
        "host": announced.to_json().encode(),
        "conclusion": json.dumps(record.to_wire()).encode(),
        "mark": SendingMark(sweep_interval_s=300.0).to_json().encode(),
        "time": b"1700000000000",
    }
    mutator = Mutator(redis_server, good)
    for _ in range(ROUNDS):
        for _ in range(VALUES):
            mutator.mutate()
        readers.read()
        assert readers.is_well()
