"""Corrections, observed time and the pause switch in a real Redis."""

import json
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from services.contract.names import (
    OBSERVED_TIME_KEY,
    PAUSED_KEY,
    SENDING_KEY,
    corrections_key,
    written_key,
)
from services.network.write.disputes import MAX_CORRECTIONS, Written
from services.runtime.stored.guarded_redis import connect_guarded
from services.runtime.stored.verdict_scripts import LONGEST_TICK_S
from services.runtime.stored.verdict_store import VerdictStore
from services.updater.hosts import CACHED_S, PauseSwitch
from services.updater.memory.memories import BATCH, CORRECTIONS_COUNT_S, RedisMemories
from tests.support.manual_clock import ManualClock
from tests.support.redis_server import RedisServer
from tests.unit.network.builders import SEGMENT, verdict


@pytest.fixture
def memories(redis_server: RedisServer) -> RedisMemories:
    return RedisMemories(redis_server.client)


def test_corrections_count_for_an_hour(redis_server: RedisServer, memories: RedisMemories) -> None:
    """The window slides, and no more are kept than the limit needs."""
    assert memories.written([]) == {}
    for expected in (0, 1, 2, 3, 4, 4):
        assert memories.written(["uid-1"])["uid-1"].corrections == expected
        memories.remember_correction("uid-1", "c")
    key = corrections_key("uid-1")
    times = [int(at) for at in redis_server.client.lrange(key, 0, -1)]
    assert len(times) == MAX_CORRECTIONS
    redis_server.client.lset(key, 3, str(times[3] - CORRECTIONS_COUNT_S * 1000))
    redis_server.client.lset(key, 2, "junk")
    redis_server.client.lset(key, 1, str(times[1] + 10**9))
    found = memories.written(["uid-1", "uid-2"])
    assert (found["uid-1"].corrections, found["uid-2"].corrections) == (1, 0)
    assert 3_590 < found["uid-1"].room_in_s <= CORRECTIONS_COUNT_S


def test_what_was_written_is_remembered_by_uid(redis_server: RedisServer, memories: RedisMemories) -> None:
    """The newest content counts; not every write is a correction; what was told counts for an hour."""
    memories.remember_written({"uid-1": "old"})
    memories.remember_written({"uid-1": "new"})
    memories.remember_told("uid-1")
    uids = ["uid-1", *(f"other-{number}" for number in range(2 * BATCH))]
    found = memories.written(uids)
    assert list(found) == uids
    nothing = Written(room_in_s=CORRECTIONS_COUNT_S)
    assert found["uid-1"] == replace(nothing, content="new", is_told=True)
    assert set(list(found.values())[1:]) == {nothing}
    told_ms = int(str(redis_server.client.hget(written_key("uid-1"), "told_ms")))
    redis_server.client.hset(written_key("uid-1"), "told_ms", told_ms - CORRECTIONS_COUNT_S * 1000)
    assert not memories.written(["uid-1"])["uid-1"].is_told
    assert int(redis_server.client.ttl(written_key("uid-1"))) > 0


def test_a_key_of_another_type_is_set_aside(redis_server: RedisServer) -> None:
    """R17: it counts as nothing remembered and no other network is affected; the next write is remembered."""
    memories = RedisMemories(connect_guarded(redis_server.url, registry=CollectorRegistry()))
    memories.remember_correction("uid-1", "c")
    redis_server.client.set(written_key("uid-2"), "junk")
    redis_server.client.hset(corrections_key("uid-3"), "x", "1")
    uids = ["uid-1", "uid-2", "uid-3"]
    found = memories.written(uids)
    assert [(w.content, w.corrections) for w in found.values()] == [("c", 1), ("", 0), ("", 0)]
    for uid in uids[1:]:
        memories.remember_correction(uid, "d")
    assert [(w.content, w.corrections) for w in memories.written(uids[1:]).values()] == [("d", 1)] * 2


def test_the_pause_is_seen_within_a_second(redis_server: RedisServer) -> None:
    """Both changes are seen, and Redis is read once a second at most."""
    clock = ManualClock()
    switch = PauseSwitch(redis_server.client, clock)
    assert not switch.is_paused()
    redis_server.client.set(PAUSED_KEY, json.dumps({"since_ms": 1, "by": "me"}))
    assert not switch.is_paused()
    clock.seconds += CACHED_S
    assert switch.is_paused()
    redis_server.client.delete(PAUSED_KEY)
    clock.seconds += CACHED_S
    assert not switch.is_paused()


def _let_pass(server: RedisServer, seconds: float) -> None:
    """Pretend that the last tick was this long ago."""
    at_ms = int(str(server.client.hget(OBSERVED_TIME_KEY, "at_ms")))
    server.client.hset(OBSERVED_TIME_KEY, "at_ms", at_ms - round(seconds * 1000))


def _running(server: RedisServer) -> VerdictStore:
    """Return a store whose observed time runs: from the second tick on."""
    store = VerdictStore(server.client)
    store.tick()
    store.tick()
    return store


def _age(store: VerdictStore) -> int:
    (seen,) = store.read([SEGMENT])[SEGMENT].latest
    return round(seen.age_s)


@pytest.fixture(autouse=True)
def _sending(redis_server: RedisServer) -> None:
    """Let a watcher send: while none does, no time is observed."""
    redis_server.client.set(SENDING_KEY, "1")


def test_ages_grow_with_observed_time(redis_server: RedisServer) -> None:
    """They grow between two ticks and before the next one."""
    store = _running(redis_server)
    store.put([verdict("0" * 16)])
    assert _age(store) == 0
    for expected in (4, 8):
        _let_pass(redis_server, 4)
        assert _age(store) == expected
        store.tick()
        assert _age(store) == expected


@pytest.mark.parametrize("gap_s", [LONGEST_TICK_S + 1, 86_400])
def test_ages_hardly_grow_in_a_gap(redis_server: RedisServer, gap_s: float) -> None:
    """Redis was away, no updater ran or all was paused, so no report could come."""
    store = _running(redis_server)
    store.put([verdict("0" * 16)])
    _let_pass(redis_server, gap_s)
    for _ in range(3):
        store.tick()
        assert _age(store) == LONGEST_TICK_S
    _let_pass(redis_server, 4)
    assert _age(store) == LONGEST_TICK_S + 4


@pytest.mark.parametrize("how", ["lost", "junk"])
def test_lost_observed_time_makes_no_verdict_younger(redis_server: RedisServer, how: str) -> None:
    """It continues from what a process knows; for one that starts it is Redis' own time, never behind."""
    _running(redis_server)
    redis_server.client.hincrby(OBSERVED_TIME_KEY, "observed_ms", -100_000)
    late = VerdictStore(redis_server.client)
    late.put([verdict("0" * 16)])
    assert _age(late) == 0
    if how == "lost":
        redis_server.client.delete(OBSERVED_TIME_KEY)
    else:
        redis_server.client.hset(OBSERVED_TIME_KEY, "observed_ms", "junk")
    assert _age(late) == 0
    late.tick()
    late.tick()
    _let_pass(redis_server, 4)
    assert _age(late) == 4
    redis_server.client.delete(OBSERVED_TIME_KEY)
    assert _age(VerdictStore(redis_server.client)) >= 100


def test_observed_time_never_goes_back(redis_server: RedisServer) -> None:
    """A Redis that came back with an older copy of its data does not reopen what is over."""
    store = _running(redis_server)
    before = store.tick().now_ms
    redis_server.client.hincrby(OBSERVED_TIME_KEY, "observed_ms", -60_000)
    store.put([verdict("0" * 16)])
    assert store.observed_ms() >= before
    (seen,) = store.read([SEGMENT])[SEGMENT].latest
    assert seen.age_s < 30
    assert store.tick().now_ms >= before


def test_no_time_is_observed_while_no_watcher_sends(redis_server: RedisServer) -> None:
    """W14: without the API server nobody leads and nobody probes, so no verdict ages."""
    store = _running(redis_server)
    store.put([verdict("0" * 16)])
    redis_server.client.delete(SENDING_KEY)
    for _ in range(900):
        _let_pass(redis_server, 4)
        store.tick()
    assert _age(store) == 4
    redis_server.client.set(SENDING_KEY, "1")
    store.tick()
    _let_pass(redis_server, 4)
    assert _age(store) == 8


@pytest.mark.parametrize("gap", ["nobody sends", "no tick"])
def test_what_arrived_before_time_stood_still_is_known_to_be_old(redis_server: RedisServer, gap: str) -> None:
    """W14: it may be outdated by hours, although it has not aged. That time stands still is known as well."""
    store = _running(redis_server)
    assert store.read([SEGMENT])[SEGMENT].time_runs
    store.put([verdict("0" * 16)])
    if gap == "nobody sends":
        redis_server.client.delete(SENDING_KEY)
    else:
        _let_pass(redis_server, 3_600)
    store.tick()
    store.put([verdict("0" * 16, host="node2")])
    assert not store.read([SEGMENT])[SEGMENT].time_runs
    redis_server.client.set(SENDING_KEY, "1")
    store.tick()
    store.put([verdict("0" * 16, host="node3")])
    found = store.read([SEGMENT])[SEGMENT]
    assert found.time_runs
    old = {seen.verdict.host for seen in found.latest if found.arrived_ms(seen) < found.resumed_ms}
    assert old == {"node1", "node2"}


def test_a_clock_set_back_takes_no_observed_time_away(redis_server: RedisServer) -> None:
    """Ages stay and grow again from there."""
    store = _running(redis_server)
    store.put([verdict("0" * 16)])
    _let_pass(redis_server, 4)
    store.tick()
    _let_pass(redis_server, -3_600)
    assert _age(store) == 4
    store.tick()
    store.tick()
    _let_pass(redis_server, 3)
    assert _age(store) == 7
