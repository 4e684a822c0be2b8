"""The conclusions' records in a real Redis, which anyone may have written."""

import json

import pytest
import redis

from services.contract.conclusions import MAX_RECORD_BYTES, ConclusionRecord, Hindrance, Unwritten
from services.contract.names import UNWRITTEN_KEY, conclusion_key
from services.network.parse.status import Status
from services.runtime.connection.redis_client import connect
from services.runtime.stored.conclusion_store import BATCH, KEPT_S, ConclusionStore
from tests.support.redis_server import RedisServer
from tests.support.seen_networks import record_of
from tests.unit.network.builders import network

STATUS = Status("Active", "GatewayAnswers", since="2026-11-23T00:00:00Z", digest="0" * 16)
REFUSED = Unwritten(
    why=Hindrance.DENIED, detail="HTTP 500: no", route={"cidr": None, "connectivity": "true"}, status=True
)


@pytest.fixture
def store(redis_server: RedisServer) -> ConclusionStore:
    return ConclusionStore(connect(redis_server.url))


def made(uid: str, unwritten: Unwritten | None = None) -> ConclusionRecord:
    return record_of(network(uid=uid), STATUS, unwritten)


@pytest.mark.parametrize("unwritten", [None, REFUSED, Unwritten(why=Hindrance.OBSERVE_ONLY)])
def test_a_record_is_read_back_as_it_was_stored(
    redis_server: RedisServer, store: ConclusionStore, unwritten: Unwritten | None
) -> None:
    """Otherwise every review would store it again."""
    record = made("uid-1", unwritten)
    store.put([record])
    for reader in (store, ConclusionStore(connect(redis_server.url))):
        assert reader.read(["uid-1", "uid-2"]) == {"uid-1": record}
    assert Status.from_fields(record.status) == STATUS


def test_only_what_has_changed_in_redis_is_read_again(
    redis_server: RedisServer, store: ConclusionStore
) -> None:
    """The updater compares all its records with Redis again and again: a forged one alone is sent."""
    first = {f"uid-{n}": made(f"uid-{n}") for n in range(100)}
    store.put(list(first.values()))
    key, other = conclusion_key("uid-7"), ConclusionStore(connect(redis_server.url))
    genuine = redis_server.client.get(key)
    redis_server.client.set(key, str(genuine).replace("Active", "Forged"))
    redis_server.client.delete(conclusion_key("uid-8"))
    for reader in (store, store, other, other):
        found = reader.read(first)
        assert found.pop("uid-7").status["state"] == "Forged"
        assert found == {uid: record for uid, record in first.items() if uid not in ("uid-7", "uid-8")}
    redis_server.client.config_resetstat()
    again = other.read(found)
    assert all(again[uid] is record for uid, record in found.items())
    assert redis_server.client.info("stats")["total_net_output_bytes"] < len(found) * len(str(genuine))
    redis_server.client.set(key, str(genuine))
    assert store.read(["uid-7"]) == {"uid-7": first["uid-7"]}


def test_many_records_are_stored_renewed_and_deleted(
    redis_server: RedisServer, store: ConclusionStore
) -> None:
    """In batches; a record that is not renewed vanishes."""
    records = {f"uid-{n}": made(f"uid-{n}") for n in range(BATCH + 1)}
    store.put(list(records.values()))
    assert store.read(records) == records
    last = conclusion_key(f"uid-{BATCH}")
    assert 0 < int(redis_server.client.ttl(last)) <= KEPT_S
    redis_server.client.expire(last, 5)
    store.renew(records)
    assert int(redis_server.client.ttl(last)) > 5
    store.delete(records)
    assert store.read(records) == {}
    store.put([])
    store.renew([])
    store.delete([])


def valid(**changed: object) -> str:
    return json.dumps({**made("uid-1").to_wire(), **changed})


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "junk",
        "[]",
        "[" * 100_000,
        b"\xff\xfe{}",
        valid(schema_version=2),
        valid(surprise=1),
        valid(uid="uid-2"),
        valid(uid="x" * 65),
        valid(status=[]),
        valid(unwritten={"why": "bad mood"}),
        valid(unwritten={"why": "denied", "route": {"cidr": 7}}),
        valid(unwritten={"why": "denied", "route": {str(n): "x" for n in range(17)}}),
        valid(unwritten={"why": "denied", "detail": "x" * 501}),
        valid(status={"state": "Active", "detail": "x" * MAX_RECORD_BYTES}),
    ],
)  # fmt: skip
def test_an_invalid_record_counts_as_missing(
    redis_server: RedisServer, store: ConclusionStore, stored: str | bytes
) -> None:
    """It hides no other, and the next record replaces it."""
    redis_server.client.set(conclusion_key("uid-1"), stored)
    store.put([made("uid-2")])
    assert store.read(["uid-1", "uid-2"]) == {"uid-2": made("uid-2")}
    store.put([made("uid-1")])
    assert set(store.read(["uid-1", "uid-2"])) == {"uid-1", "uid-2"}


def test_a_key_of_another_type_counts_as_missing(redis_server: RedisServer, store: ConclusionStore) -> None:
    """Redis refuses to read it as a text, which fails no other."""
    redis_server.client.lpush(conclusion_key("uid-1"), "x")
    store.put([made("uid-2")])
    assert set(store.read(["uid-1", "uid-2"])) == {"uid-2"}
    store.put([made("uid-1")])
    assert set(store.read(["uid-1"])) == {"uid-1"}


def test_records_of_unwritten_networks_are_found_without_their_uids(store: ConclusionStore) -> None:
    """The watcher reads them, and there are none where everything is written."""
    observed = made("uid-2", Unwritten(why=Hindrance.OBSERVE_ONLY, status=True))
    nothing_to_write = made("uid-3", Unwritten(why=Hindrance.OBSERVE_ONLY))
    assert store.read_unwritten() == {}
    store.put([made("uid-1", REFUSED), observed, nothing_to_write, made("uid-4")])
    assert store.read_unwritten() == {"uid-1": made("uid-1", REFUSED), "uid-2": observed}
    store.put([made("uid-1")])
    assert store.read_unwritten() == {"uid-2": observed}
    store.delete(["uid-2"])
    assert store.read_unwritten() == {}


def test_whatever_is_in_place_of_the_unwritten_networks_hinders_no_record(
    redis_server: RedisServer, store: ConclusionStore
) -> None:
    """Anyone may write Redis: a key of another type is replaced, and unknown networks are ignored."""
    redis_server.client.set(UNWRITTEN_KEY, "x")
    assert store.read_unwritten() == {}
    store.delete(["uid-1"])
    store.put([made("uid-1", REFUSED), made("uid-2")])
    assert store.read(["uid-1", "uid-2"]) == {"uid-1": made("uid-1", REFUSED), "uid-2": made("uid-2")}
    redis_server.client.sadd(UNWRITTEN_KEY, "uid-2", "uid-9", "x" * 1000)
    assert set(store.read_unwritten()) == {"uid-1"}


def test_only_a_limited_part_of_a_record_is_read(redis_server: RedisServer, store: ConclusionStore) -> None:
    """A giant value must not fill the reader's memory."""
    redis_server.client.setrange(conclusion_key("uid-1"), 64_000_000, "x")
    redis_server.client.config_resetstat()
    assert store.read(["uid-1"]) == {}
    assert redis_server.client.info("stats")["total_net_output_bytes"] < 4 * MAX_RECORD_BYTES


def test_a_redis_that_is_away_is_an_error(store: ConclusionStore) -> None:
    """It is not the same as no record."""
    away = ConclusionStore(redis.Redis.from_url("unix:///nonexistent/redis.sock"))
    with pytest.raises(redis.RedisError):
        away.read(["uid-1"])
