"""Keys that are set aside in a real Redis."""

import json

import pytest
import redis
from prometheus_client import CollectorRegistry

from services.contract.names import (
    DEAD_LETTERS_KEY,
    QUARANTINE_KEPT,
    QUARANTINE_KEY_PREFIX,
    QUARANTINE_TTL_S,
)
from services.runtime.stored.quarantine import Quarantine
from tests.support.redis_server import RedisServer


@pytest.fixture
def client(redis_server: RedisServer) -> redis.Redis:
    redis_server.client.flushall()
    return redis_server.client


def test_a_key_is_renamed_counted_and_recorded(client: redis.Redis) -> None:
    """R17: its content stays for a day; a key that is gone meanwhile is no matter."""
    registry = CollectorRegistry()
    quarantine = Quarantine(client, registry=registry)
    client.rpush("report", "a", "b")
    quarantine.set_aside("report", "expected a string, got a list")
    quarantine.set_aside("report", "expected a string, got a list")
    assert registry.get_sample_value("nadroute_keys_set_aside_total") == 1
    (name,) = client.scan_iter(f"{QUARANTINE_KEY_PREFIX}:*")
    assert client.lrange(name, 0, -1) == ["a", "b"]
    assert 0 < client.ttl(name) <= QUARANTINE_TTL_S
    (letter,) = map(json.loads, map(str, client.lrange(DEAD_LETTERS_KEY, 0, -1)))
    assert (letter["where"], letter["reason"]) == ("report", "set aside: expected a string, got a list")
    assert letter["body"] == "a list"


def test_the_last_keys_are_kept(client: redis.Redis) -> None:
    """R17: however many are set aside, also when the counter of them is of another type."""
    quarantine = Quarantine(client, registry=CollectorRegistry())
    client.rpush(QUARANTINE_KEY_PREFIX, "junk")
    for number in range(3 * QUARANTINE_KEPT):
        client.set("report", str(number))
        quarantine.set_aside("report", "for the test")
    found = {int(str(client.get(name))) for name in client.scan_iter(f"{QUARANTINE_KEY_PREFIX}:*")}
    assert found == set(range(2 * QUARANTINE_KEPT, 3 * QUARANTINE_KEPT))
