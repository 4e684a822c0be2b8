"""A client that sets aside what is wrong, with a real Redis."""

import json
from collections.abc import Iterator

import pytest
import redis
from prometheus_client import CollectorRegistry

from services.contract import names
from services.contract.messages import Segment
from services.contract.names import (
    DEAD_LETTERS_KEY,
    DOUBTS_KEY,
    QUARANTINE_KEY_PREFIX,
    SENDING_KEY,
    WATCHED_KEY,
    conclusion_key,
    corrections_key,
    host_key,
    verdicts_key,
    written_key,
)
from services.runtime.stored.guarded_redis import GuardedRedis, connect_guarded
from services.runtime.stored.key_kinds import kind_of
from services.runtime.stored.key_patrol import INTERVAL_S, KeyPatrol
from services.runtime.stored.quarantine import HUGE_BYTES
from tests.support.manual_clock import ManualClock
from tests.support.redis_server import RedisServer

VERDICTS = verdicts_key(Segment(cluster_network="extra", vlan=7))


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def client(redis_server: RedisServer, registry: CollectorRegistry) -> Iterator[GuardedRedis]:
    redis_server.client.flushall()
    guarded = connect_guarded(redis_server.url, registry=registry, left_alone=(conclusion_key(""),))
    with guarded:
        yield guarded


def set_aside(registry: CollectorRegistry) -> int:
    return int(registry.get_sample_value("nadroute_keys_set_aside_total") or 0)


def quarantined(raw: redis.Redis) -> int:
    return len(list(raw.scan_iter(f"{QUARANTINE_KEY_PREFIX}:*")))


def test_a_batch_loses_only_the_wrong_key(
    redis_server: RedisServer, client: GuardedRedis, registry: CollectorRegistry
) -> None:
    """R17: it is as if the key had expired, for reading and for writing; it is counted and recorded once."""
    raw = redis_server.client
    raw.set(VERDICTS, "junk")
    raw.hset(corrections_key("uid"), "x", "1")
    raw.hset(written_key("uid"), "content", "c")
    with client.pipeline(transaction=True) as pipe:
        pipe.hgetall(VERDICTS)
        pipe.hmget(written_key("uid"), "content")
        pipe.lpush(corrections_key("uid"), 5)
        assert pipe.execute() == [{}, ["c"], 1]
    assert set_aside(registry) == quarantined(raw) == 2
    letters = [json.loads(str(letter)) for letter in raw.lrange(DEAD_LETTERS_KEY, 0, -1)]
    assert {(letter["where"], letter["body"]) for letter in letters} == {
        (VERDICTS, "junk"),
        (corrections_key("uid"), "a hash"),
    }
    assert client.hgetall(VERDICTS) == {}
    assert set_aside(registry) == 2


def test_scripts_find_no_key_of_another_type(redis_server: RedisServer, client: GuardedRedis) -> None:
    """R17: one wrong key among those of a script does not end the script."""
    redis_server.client.rpush(VERDICTS, "junk")
    script = client.register_script("return redis.call('HSET', KEYS[1], 'a', ARGV[1])")
    assert script(keys=[VERDICTS], args=["1"]) == 1
    with client.pipeline(transaction=False) as pipe:
        redis_server.client.delete(VERDICTS)
        redis_server.client.rpush(VERDICTS, "junk")
        script(keys=[VERDICTS], args=["2"], client=pipe)
        assert pipe.execute() == [1]
    assert redis_server.client.hgetall(VERDICTS) == {"a": "2"}


@pytest.mark.parametrize(
    ("key", "fill"),
    [
        (host_key("node1"), lambda raw, key: raw.set(key, "x" * 300_000)),
        (WATCHED_KEY, lambda raw, key: raw.set(key, "x" * 20_000)),
        (VERDICTS, lambda raw, key: raw.hset(key, mapping={f"f{n}": "x" for n in range(4_001)})),
        (corrections_key("uid"), lambda raw, key: raw.rpush(key, *range(100))),
        (written_key("uid"), lambda raw, key: raw.hset(key, "content", "x" * 20_000)),
    ],
    ids=["text", "short text", "many fields", "many elements", "one long field"],
)
def test_a_key_that_is_too_large_is_not_read(
    redis_server: RedisServer, client: GuardedRedis, registry: CollectorRegistry, key: str, fill: object
) -> None:
    """R17: whatever makes it large: one value, or the number of them."""
    fill(redis_server.client, key)  # type: ignore[operator]
    assert client.check([key, host_key("other")]) == [key]
    assert redis_server.client.exists(key) == 0
    assert set_aside(registry) == 1
    assert client.took(key)
    assert not client.took(key)


def test_a_huge_key_is_not_kept(redis_server: RedisServer, client: GuardedRedis) -> None:
    """R17: it is deleted, so the quarantine takes no more memory than its places times a mebibyte."""
    redis_server.client.set(SENDING_KEY, "x" * (HUGE_BYTES + 1))
    assert client.get(SENDING_KEY) is None
    assert quarantined(redis_server.client) == 0
    assert redis_server.client.llen(DEAD_LETTERS_KEY) == 1


def test_a_stream_that_takes_no_more_entries_is_set_aside(
    redis_server: RedisServer, client: GuardedRedis, registry: CollectorRegistry
) -> None:
    """R17: after an entry with the highest ID no other can follow; the next one begins anew."""
    redis_server.client.xadd(DOUBTS_KEY, {"doubt": "{}"}, id=f"{2**64 - 1}-{2**64 - 1}")
    with pytest.raises(redis.ResponseError):
        client.xadd(DOUBTS_KEY, {"doubt": "{}"})
    assert client.xadd(DOUBTS_KEY, {"doubt": "{}"})
    assert set_aside(registry) == 1


def test_keys_of_others_are_left_alone(redis_server: RedisServer, client: GuardedRedis) -> None:
    """R17: what another service owns, kombu's keys, and keys that are not nadroute's."""
    keys = [conclusion_key("uid"), "probe.node1", "unacked", "nadroute:unknown", "nadroute:verdicts"]
    for key in keys:
        redis_server.client.zadd(key, {"x": 1})
    assert client.check(keys) == []
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.get(conclusion_key("uid"))


def test_the_patrol_finds_keys_that_nobody_reads(
    redis_server: RedisServer, client: GuardedRedis, registry: CollectorRegistry
) -> None:
    """R17: each of our keys is looked at in turn, also those whose name is not UTF-8."""
    raw = redis_server.client
    for number in range(1_200):
        raw.set(host_key(f"node{number}"), "x")
    raw.rpush(written_key("uid"), "x")
    raw.rpush(b"nadroute:written:\xff", "x")
    KeyPatrol(client, clock=ManualClock()).patrol()
    assert set_aside(registry) == 2
    assert raw.exists(written_key("uid")) == raw.exists(b"nadroute:written:\xff") == 0
    assert raw.exists(*(host_key(f"node{number}") for number in range(1_200))) == 1_200


def test_a_patrol_of_many_keys_comes_less_often(redis_server: RedisServer, client: GuardedRedis) -> None:
    """R17: those of thousands of networks are looked at every two minutes, of hundreds every ten seconds."""
    for number in range(4_500):
        redis_server.client.set(host_key(f"node{number}"), "x")
    patrol = KeyPatrol(client, clock=ManualClock())
    patrol.patrol()
    assert patrol._interval_s == 45
    redis_server.client.flushall()
    patrol.patrol()
    assert patrol._interval_s == INTERVAL_S


def test_every_key_that_is_named_has_a_kind() -> None:
    """R17: no key of ours is without a type and limits, but the pause and those that hold no value."""
    keys = {value for name, value in vars(names).items() if name.endswith("_KEY")}
    assert {key for key in keys if kind_of(key) is None} == {names.PAUSED_KEY, names.CHECK_KEY}
    made = [names.host_lock_key("h"), names.host_waiting_key("h"), conclusion_key("u"), VERDICTS]
    made += [names.outstanding_key("h", Segment(cluster_network="c", vlan=1)), host_key("h")]
    assert all(map(kind_of, [*made, written_key("u"), corrections_key("u")]))
