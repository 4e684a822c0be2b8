"""Each key of ours with another type or an impossible value, before real services and while they run."""

import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
import redis

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
    outstanding_key,
    verdicts_key,
    written_key,
)
from services.runtime.stored.conclusion_store import ConclusionStore
from services.runtime.stored.key_kinds import kind_of
from tests.faults.refusing import HOST, OTHERS, SERVICES, Fault, Site, site
from tests.support.updater_site import digest_of, wait_until

pytestmark = pytest.mark.root

VLAN = 3_000
SEGMENT = Site.segment(VLAN, OTHERS)
RECOVERY_S = 30.0
UNKNOWN = "11111111-2222-4333-8444-555555555555"
"""The uid of a network that does not exist."""
SINGLE = (DEAD_LETTERS_KEY, DOUBTS_KEY, OBSERVED_TIME_KEY, SENDING_KEY, UNWRITTEN_KEY, WATCHED_KEY)
Put = Callable[[redis.Redis, str], object]

TYPES: Mapping[str, Put] = {
    "string": lambda client, key: client.set(key, "junk"),
    "list": lambda client, key: client.rpush(key, "junk", "inf"),
    "hash": lambda client, key: client.hset(key, "junk", "nan"),
    "set": lambda client, key: client.sadd(key, "junk"),
    "zset": lambda client, key: client.zadd(key, {"junk": -1}),
    "stream": lambda client, key: client.xadd(key, {"junk": "1"}),
}
MOMENTS = ("inf", "nan", "-1", "1e999", "9" * 400, "", "253402300799000", "\x1b[2J")
"""Values that no time of Redis has; one of them is in the year 9999."""


def keys_of(uid: str) -> list[str]:
    """Return every key of ours."""
    of_hosts = [host_key(HOST), host_lock_key(HOST), host_waiting_key(HOST), outstanding_key(HOST, SEGMENT)]
    of_networks = [conclusion_key(uid), written_key(uid), corrections_key(uid), verdicts_key(SEGMENT)]
    return [*SINGLE, *of_hosts, *of_networks]


def spoil(client: redis.Redis, keys: list[str], *, turn: int) -> None:
    """Replace each of these keys by one of another type, not all by the same."""
    for at, key in enumerate(keys):
        kind = kind_of(key)
        assert kind is not None
        others = [name for name in TYPES if name != kind.type]
        client.delete(key)
        TYPES[others[(at + turn) % len(others)]](client, key)


def told(client: redis.Redis) -> set[str]:
    """Return the keys of which a dead letter says that they were set aside."""
    try:
        letters = [json.loads(str(letter)) for letter in client.lrange(DEAD_LETTERS_KEY, 0, -1)]
    except redis.ResponseError:
        return set()
    return {letter["where"] for letter in letters if letter["reason"].startswith("set aside")}


def counted(running: Site) -> float:
    """Return how many keys the services have set aside."""
    pages = [running.services[name].get("/metrics")[1] for name in SERVICES]
    found = [re.search(r"^nadroute_keys_set_aside_total (\S+)$", page, re.MULTILINE) for page in pages]
    return sum(float(match[1]) for match in found if match)


def wait_until_told(running: Site, keys: list[str], *, since: float) -> None:
    """Wait until all of these keys are set aside, told and counted, within RECOVERY_S."""
    client, began = running.server.admin, time.monotonic()
    wait_until(lambda: told(client) >= set(keys), lambda: f"not told: {set(keys) - told(client)}")
    assert time.monotonic() - began < RECOVERY_S
    assert counted(running) - since >= len(keys)
    for key in keys:
        kind = kind_of(key)
        assert kind is not None
        assert client.type(key) in (kind.type, "none"), key


@pytest.fixture(scope="module")
def running() -> Iterator[Site]:
    """Start the services at a Redis in which each key is of another type; return when all are set aside."""
    junk = Fault("", lambda server: spoil(server.admin, keys_of(UNKNOWN), turn=0), lambda _: None)
    with (
        tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as folder,
        site(Path(folder), refusing=junk) as started,
    ):
        started.wait_ready()
        wait_until_told(started, keys_of(UNKNOWN), since=0)
        yield started


@pytest.fixture(scope="module")
def uid(running: Site) -> str:
    """Create a network that is Active; return its uid."""
    running.announce()
    network = running.create("net", vlan=VLAN)
    running.report(SEGMENT, digest_of(network))
    wait_until(lambda: running.state("net") == "Active")
    return network.uid


def states_are_right(running: Site, uid: str) -> None:
    """Assert that everything works, and the network is concluded and told as before."""
    running.works()
    store = ConclusionStore(running.server.admin)
    wait_until(lambda: {found.status["state"] for found in store.read([uid]).values()} == {"Active"})
    assert running.state("net") == "Active"


def test_keys_that_were_wrong_before_the_start_are_set_aside(running: Site) -> None:
    """R17: the services start, tell of each key, which the fixture has seen, and work."""
    running.works()


def test_keys_that_become_wrong_are_set_aside(running: Site, uid: str) -> None:
    """R17: each key of ours, of another type: it alone is set aside, in the processes that ran before."""
    client, keys = running.server.admin, keys_of(uid)
    running.works()
    other = verdicts_key(Site.segment(1))
    before, since = client.hgetall(other), counted(running)
    assert before
    client.delete(DEAD_LETTERS_KEY)
    spoil(client, keys, turn=2)
    wait_until_told(running, keys, since=since)
    states_are_right(running, uid)
    assert client.hgetall(other) == before


def test_a_time_that_redis_never_had_does_not_count(running: Site, uid: str) -> None:
    """R17: whatever it is, it is told, and observed time goes on from where it was."""
    client = running.server.admin
    for moment in MOMENTS:
        known_ms = int(str(client.hget(OBSERVED_TIME_KEY, "observed_ms")))
        since = counted(running)
        client.hset(OBSERVED_TIME_KEY, mapping=dict.fromkeys(("observed_ms", "resumed_ms"), moment))
        running.services["updater"].wait(partial(_grew, running, since))
        now_ms = int(str(client.hget(OBSERVED_TIME_KEY, "observed_ms")))
        assert known_ms <= now_ms < known_ms + RECOVERY_S * 1000
    states_are_right(running, uid)


def test_values_that_are_not_ours_are_set_aside(running: Site, uid: str) -> None:
    """R17: of the right type, but junk, of a wrong shape or huge; all at once.

    A conclusion may be stored anew before anybody reads it: then nobody tells, and it is right again.
    """
    client, since = running.server.admin, counted(running)
    client.delete(DEAD_LETTERS_KEY)
    key = verdicts_key(SEGMENT)
    values = {
        WATCHED_KEY: "\x1b[2J",
        conclusion_key(uid): '{"uid": []}',
        host_key("ghost"): "[]",
        host_key("giant"): "x" * 300_000,
        written_key(uid): "x" * 2_000_000,
    }
    for wrong, value in values.items():
        if wrong == written_key(uid):
            client.hset(wrong, "content", value)
        else:
            client.set(wrong, value)
    client.hset(OBSERVED_TIME_KEY, mapping={f"field-{number}": "x" for number in range(3_000)})
    client.sadd(UNWRITTEN_KEY, *range(20_001))
    client.hset(key, mapping={f"field-{number}": "x" for number in range(4_001)})
    told_of = [*(values.keys() - {conclusion_key(uid)}), OBSERVED_TIME_KEY, UNWRITTEN_KEY, key]
    wait_until_told(running, told_of, since=since)
    states_are_right(running, uid)


def _grew(running: Site, since: float) -> bool:
    return counted(running) > since
