"""R20: verdicts that no prober can have sent, against a real Redis."""

import json

import pytest

from services.contract.host_claims import HostClaim
from services.contract.messages import Segment, Verdict
from services.contract.names import DEAD_LETTERS_KEY, HOST_TTL_S, host_lock_key, verdicts_key
from services.contract.reports import Repeats
from services.runtime.connection.redis_client import time_ms
from services.runtime.stored.verdict_store import VerdictStore
from tests.support.redis_server import RedisServer
from tests.unit.network.builders import verdict

SEGMENT = Segment(cluster_network="extra", vlan=100)
PRINT = "0" * 16
FUTURE = 2**53 - 1


@pytest.fixture
def store(redis_server: RedisServer) -> VerdictStore:
    return VerdictStore(redis_server.client)


def said(incarnation: int, counter: int) -> Verdict:
    """Return a verdict of node1."""
    return verdict(PRINT, host="node1", segment=SEGMENT).model_copy(
        update={"incarnation": incarnation, "counter": counter, "fingerprint": PRINT}
    )


def hold(server: RedisServer, since_ms: int, *, lifetime_s: int | None = HOST_TTL_S) -> None:
    """Have a prober of node1 work since then."""
    claim = HostClaim(host="node1", process="x", machine="node1", pid=1, since_ms=since_ms)
    server.client.set(host_lock_key("node1"), json.dumps(claim.to_wire()), ex=lifetime_s)


def stored(store: VerdictStore) -> list[tuple[int, int]]:
    return [(s.verdict.incarnation, s.verdict.counter) for s in store.read([SEGMENT])[SEGMENT].latest]


def forge(server: RedisServer, incarnation: int, counter: int) -> None:
    """Store a verdict without the updater."""
    now = time_ms(server.client)
    body = said(incarnation, counter).to_json()
    entry = (
        f'{{"incarnation":{incarnation},"counter":{counter},"at_ms":{now},"observed_ms":{now},'
        f'"full_ms":{now},"fingerprint":"{PRINT}","verdict":{body}}}'
    )
    server.client.hset(verdicts_key(SEGMENT), "node1", entry)


@pytest.mark.parametrize(
    ("incarnation_ahead_ms", "counter_ahead_ms"), [(FUTURE, 0), (60_000, 0), (0, FUTURE), (0, 60_000), (1, 0)]
)
def test_what_no_prober_can_have_sent_is_refused_and_told(
    redis_server: RedisServer, store: VerdictStore, incarnation_ahead_ms: int, counter_ahead_ms: int
) -> None:
    """R20: an incarnation newer than that of the prober at work, or a counter beyond Redis' time."""
    now = time_ms(redis_server.client)
    hold(redis_server, now)
    incarnation = min(FUTURE, now + incarnation_ahead_ms)
    counter = min(FUTURE, (now + counter_ahead_ms) * 1000)
    assert store.put([said(incarnation, counter)]) == frozenset()
    repeats = Repeats(
        cluster_network="extra", incarnation=incarnation, verdicts=((100, counter, PRINT, False),)
    )
    assert not store.confirm("node1", repeats).gaps_s
    assert redis_server.client.llen(DEAD_LETTERS_KEY) == 2
    letter = json.loads(str(redis_server.client.lindex(DEAD_LETTERS_KEY, 1)))
    assert (letter["where"], str(incarnation) in letter["reason"]) == (verdicts_key(SEGMENT), True)
    # The host is not silenced.
    assert store.put([said(now, 1)]) == {SEGMENT}


def test_a_prober_reports_on_when_redis_clock_was_set_back(
    redis_server: RedisServer, store: VerdictStore
) -> None:
    """W7: its incarnation is from the future until it restarts, and what was stored before gives way."""
    now = time_ms(redis_server.client)
    hold(redis_server, now + 3_600_000)
    forge(redis_server, now + 3_600_000, (now + 3_600_000) * 1000)
    assert store.put([said(now + 3_600_000, now * 1000)]) == {SEGMENT}
    assert stored(store) == [(now + 3_600_000, now * 1000)]
    # The next prober's is smaller.
    hold(redis_server, now)
    assert store.put([said(now, now * 1000)]) == {SEGMENT}


@pytest.mark.parametrize("of", ["incarnation", "counter"])
def test_what_was_stored_without_the_updater_silences_no_host(
    redis_server: RedisServer, store: VerdictStore, of: str
) -> None:
    """R20: the host's own next verdict replaces it."""
    now = time_ms(redis_server.client)
    hold(redis_server, now)
    forge(redis_server, FUTURE if of == "incarnation" else now, FUTURE if of == "counter" else 1)
    assert store.put([said(now, 1)]) == {SEGMENT}
    assert stored(store) == [(now, 1)]


def test_without_a_prober_at_work_redis_time_decides(redis_server: RedisServer, store: VerdictStore) -> None:
    """R20: also beside a key for ever in place of the lock."""
    hold(redis_server, 1, lifetime_s=None)
    now = time_ms(redis_server.client)
    assert store.put([said(now + 60_000, 1)]) == frozenset()
    assert store.put([said(now, now * 1000)]) == {SEGMENT}


@pytest.mark.parametrize(
    "junk", ["", "{}", "[", "5", '{"since_ms": "x"}', '{"since_ms": -1e308}', "[" * 9999]
)
def test_junk_in_place_of_a_lock_stops_no_report(
    redis_server: RedisServer, store: VerdictStore, junk: str
) -> None:
    """R17: what is no claim counts for none; a claim of the past holds for its lifetime."""
    redis_server.client.set(host_lock_key("node1"), junk, ex=HOST_TTL_S)
    assert store.put([said(1, 1)]) == (frozenset() if "e308" in junk else {SEGMENT})
    redis_server.client.delete(host_lock_key("node1"))
    redis_server.client.lpush(host_lock_key("node1"), junk)
    redis_server.client.expire(host_lock_key("node1"), HOST_TTL_S)
    assert store.put([said(1, 2)]) == {SEGMENT}
