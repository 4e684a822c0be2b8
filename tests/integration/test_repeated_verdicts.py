"""Repeated verdicts in a real Redis: the store is as if each had come in full."""

import contextlib
import json
from collections.abc import Iterator
from math import inf

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from services.contract.messages import Segment, Verdict
from services.contract.names import DEAD_LETTERS_KEY, OBSERVED_TIME_KEY, SENDING_KEY, verdicts_key
from services.contract.outcomes import Fault, ReachOutcome
from services.contract.reports import Repeats, Report
from services.runtime.connection.redis_client import connect
from services.runtime.stored.guarded_redis import connect_guarded
from services.runtime.stored.verdict_scripts import LONGEST_TICK_MS
from services.runtime.stored.verdict_store import BATCH, VerdictStore
from tests.support.redis_server import RedisServer
from tests.support.reporting import Reporting, Sent
from tests.unit.network.builders import SEGMENT, dhcp, offer, verdict

DIGEST, PRINT, OTHER = "0" * 16, "a" * 16, "b" * 16
LONG = (
    f'{{"incarnation":1,"counter":1,"at_ms":1,"observed_ms":1,"full_ms":{"9" * 400},'
    f'"fingerprint":"{PRINT}","verdict":{{}}}}'
)
CONTENTS = (ReachOutcome.REACHABLE, ReachOutcome.SILENT)


@pytest.fixture
def store(redis_server: RedisServer) -> Iterator[VerdictStore]:
    with contextlib.closing(connect(redis_server.url)) as client:
        yield VerdictStore(client)


def made(counter: int, *, content: int = 0, incarnation: int = 1, asked: bool = False) -> Verdict:
    """Return a verdict of node1 that says one of two things."""
    plain = verdict(
        DIGEST, counter=counter, vlan=CONTENTS[content % 2], dhcp=dhcp(offer()) if asked else None
    )
    fault = Fault.UPLINK_DOWN if content == 2 else Fault.STOPPED if content == 3 else None
    return plain.model_copy(update={"incarnation": incarnation, "fault": fault})


def named(counter: int, *, fingerprint: str = PRINT, incarnation: int = 1, asked: bool = False) -> Repeats:
    return Repeats(
        cluster_network="extra",
        incarnation=incarnation,
        verdicts=((SEGMENT.vlan, counter, fingerprint, asked),),
    )


def full(counter: int, *, fingerprint: str = PRINT, asked: bool = False) -> Verdict:
    return made(counter, asked=asked).model_copy(update={"fingerprint": fingerprint})


Stored = dict[str, tuple[tuple[int, int], object]]


def stored(server: RedisServer) -> Stored:
    """Return by field the order of what is stored, and what it says."""
    found: Stored = {}
    for field, text in server.client.hgetall(verdicts_key(SEGMENT)).items():
        kept = json.loads(text)
        said = Verdict.from_wire(kept["verdict"])
        found[str(field)] = (kept["incarnation"], kept["counter"]), says(said)
    return found


def says(verdict: Verdict) -> object:
    return verdict.dhcp, verdict.targets, verdict.fault


def test_a_repeat_finds_what_is_no_hash_and_sets_it_aside(redis_server: RedisServer) -> None:
    """R17: it is told, and the verdict is asked for in full; other repeats of the message are taken."""
    neighbour = Segment(cluster_network="extra", vlan=SEGMENT.vlan + 1)
    with connect_guarded(redis_server.url, registry=CollectorRegistry()) as client:
        store = VerdictStore(client)
        store.put([full(1), full(2).model_copy(update={"segment": neighbour})])
        redis_server.client.delete(verdicts_key(SEGMENT))
        redis_server.client.rpush(verdicts_key(SEGMENT), "x")
        verdicts = ((SEGMENT.vlan, 3, PRINT, False), (neighbour.vlan, 4, PRINT, False))
        repeats = Repeats(cluster_network="extra", incarnation=1, verdicts=verdicts)
        confirmed = store.confirm("node1", repeats)
    assert (confirmed.unknown, list(confirmed.gaps_s)) == ((SEGMENT,), [neighbour])
    assert redis_server.client.llen(DEAD_LETTERS_KEY) == 1
    assert not redis_server.client.exists(verdicts_key(SEGMENT))


def test_a_repeated_verdict_is_as_if_it_had_come_again(
    redis_server: RedisServer, store: VerdictStore
) -> None:
    """It has the order of the repeat; only its numbers keep their age."""
    store.put([full(1, asked=True)])
    for name in ("observed_ms", "at_ms", "full_ms"):
        age(redis_server, name, 7_000)
    confirmed = store.confirm("node1", named(2, asked=True))
    assert 7 <= confirmed.gaps_s[SEGMENT] < 12
    assert {order for order, _ in stored(redis_server).values()} == {(1, 2)}
    found = store.read([SEGMENT])[SEGMENT]
    for (seen,) in (found.latest, found.asked_dhcp):
        assert seen.age_s < 5 <= seen.full_age_s
        assert says(seen.verdict) == says(full(1, asked=True))


def age(server: RedisServer, name: str, by_ms: int) -> None:
    """Make every stored verdict older."""
    for field, text in server.client.hgetall(verdicts_key(SEGMENT)).items():
        before = json.loads(text)[name]
        older = str(text).replace(f'"{name}":{before}', f'"{name}":{before - by_ms}')
        server.client.hset(verdicts_key(SEGMENT), str(field), older)


def test_a_repeated_answer_to_dhcp_is_the_newest_verdict_again(store: VerdictStore) -> None:
    """Whatever the host checked meanwhile; that check is then unknown."""
    store.put([full(1, asked=True)])
    store.put([full(2, fingerprint=OTHER)])
    assert store.confirm("node1", named(3, asked=True)).unknown == ()
    found = store.read([SEGMENT])[SEGMENT]
    assert says(found.latest[0].verdict) == says(found.asked_dhcp[0].verdict)
    assert store.confirm("node1", named(4, fingerprint=OTHER)).unknown == (SEGMENT,)


def test_a_repeated_answer_to_dhcp_that_comes_late_is_said_to(store: VerdictStore) -> None:
    """The host's newest verdict stays, and it is no older answer to DHCP."""
    store.put([full(1, asked=True)])
    store.put([full(3, fingerprint=OTHER)])
    late, newest = store.confirm("node1", named(2, asked=True)), store.confirm("node1", named(4, asked=True))
    assert list(late.gaps_s) == list(late.partly) == list(newest.gaps_s) == [SEGMENT]
    assert not newest.partly


@pytest.mark.parametrize(
    ("host", "given"),
    [
        ("node2", named(2)),
        ("node1", named(2, fingerprint=OTHER)),
        ("node1", named(2, asked=True)),
        ("node1", Repeats(cluster_network="other", incarnation=1, verdicts=((100, 2, PRINT, False),))),
    ],
)
def test_what_is_unknown_changes_nothing(
    redis_server: RedisServer, store: VerdictStore, host: str, given: Repeats
) -> None:
    """Another host, content, kind or segment; not even the age."""
    store.put([full(1)])
    before = redis_server.client.hgetall(verdicts_key(SEGMENT))
    assert len(store.confirm(host, given).unknown) == 1
    assert redis_server.client.hgetall(verdicts_key(SEGMENT)) == before
    assert redis_server.client.keys("nadroute:verdicts:*") == [verdicts_key(SEGMENT)]


def test_an_older_repeat_is_neither_taken_nor_unknown(redis_server: RedisServer, store: VerdictStore) -> None:
    """Late, twice, or of the former process of the same host."""
    store.put([full(5)])
    before = redis_server.client.hgetall(verdicts_key(SEGMENT))
    for late in (named(4), named(5), named(9, incarnation=0), named(4, fingerprint=OTHER)):
        confirmed = store.confirm("node1", late)
        assert (confirmed.gaps_s, confirmed.unknown) == ({}, ())
    assert redis_server.client.hgetall(verdicts_key(SEGMENT)) == before


def test_an_emptied_redis_knows_no_fingerprint(redis_server: RedisServer, store: VerdictStore) -> None:
    """Also for a store that still has the verdict in its memory."""
    store.put([full(1)])
    redis_server.client.flushall()
    assert store.confirm("node1", named(2)).unknown == (SEGMENT,)
    assert store.read([SEGMENT])[SEGMENT].latest == ()


def test_a_repeat_of_what_came_before_time_stood_still_says_so(
    redis_server: RedisServer, store: VerdictStore
) -> None:
    """The updater has to look at it, however short its age is."""
    redis_server.client.set(SENDING_KEY, "1")
    store.tick()
    store.put([full(1)])
    redis_server.client.hincrby(OBSERVED_TIME_KEY, "at_ms", -2 * LONGEST_TICK_MS)
    store.tick()
    store.tick()
    assert store.confirm("node1", named(2)).gaps_s == {SEGMENT: inf}
    assert store.confirm("node1", named(3)).gaps_s[SEGMENT] < 5


def test_many_repeats_are_taken_at_once(store: VerdictStore) -> None:
    """Each for its own segment, in batches."""
    vlans = range(1, 2 * BATCH + 2)
    segments = [Segment(cluster_network="extra", vlan=vlan) for vlan in vlans]
    store.put(full(1).model_copy(update={"segment": segment}) for segment in segments[::2])
    given = tuple((vlan, 2, PRINT, False) for vlan in vlans)
    confirmed = store.confirm("node1", Repeats(cluster_network="extra", incarnation=1, verdicts=given))
    assert list(confirmed.gaps_s) == segments[::2]
    assert list(confirmed.unknown) == segments[1::2]


@pytest.mark.parametrize(
    "junk",
    [
        b"\xff\0",
        '{"incarnation":1,"counter":1,"at_ms":1,"observed_ms":1,"full_ms":1,"fingerprint":"","verdict":{}}',
        LONG,
    ],
)
def test_junk_has_no_fingerprint(redis_server: RedisServer, store: VerdictStore, junk: str | bytes) -> None:
    """Anybody with access may have written it; what is asked for in full replaces it."""
    redis_server.client.hset(verdicts_key(SEGMENT), "node1", junk)
    assert store.confirm("node1", named(2)).unknown == (SEGMENT,)
    assert store.put([full(2)]) == {SEGMENT}


def test_a_key_of_another_type_spoils_no_other_segment(
    redis_server: RedisServer, store: VerdictStore
) -> None:
    """R17: of a report, only that segment is unknown, so it is asked for in full."""
    store.put([full(1)])
    redis_server.client.set(verdicts_key(Segment(cluster_network="extra", vlan=1)), "junk")
    both = ((1, 2, PRINT, False), (SEGMENT.vlan, 2, PRINT, False))
    confirmed = store.confirm("node1", Repeats(cluster_network="extra", incarnation=1, verdicts=both))
    wrong = Segment(cluster_network="extra", vlan=1)
    assert (list(confirmed.gaps_s), confirmed.unknown) == ([SEGMENT], (wrong,))


SAYS = st.sampled_from((0, 0, 0, 0, 1, 2, 3))
STEPS = st.lists(
    st.tuples(SAYS, st.booleans(), st.integers(0, 7).map(lambda n: n == 7)), min_size=1, max_size=12
)
"""What each verdict says, whether DHCP was asked, and whether the prober restarts before it."""
DELIVERIES = st.lists(st.tuples(st.integers(0, 11), st.booleans()), max_size=24)
"""Which verdict arrives next, and whether the answer is lost where the updater asks for it in full."""


@given(steps=STEPS, in_order=st.booleans(), deliveries=DELIVERIES)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_sequence_leaves_the_store_as_if_all_had_come_in_full(
    redis_server: RedisServer,
    steps: list[tuple[int, bool, bool]],
    in_order: bool,
    deliveries: list[tuple[int, bool]],
) -> None:
    """Lost, late, doubled, in any order, over restarts; where an answer was lost, what is stored is older."""
    reporting, incarnation, sent = Reporting(), 1, list[Sent]()
    for counter, (content, asked, restarts) in enumerate(steps):
        incarnation += restarts
        said = made(counter, content=content, incarnation=incarnation, asked=asked)
        sent.append(reporting.send(said, 0.0))
    if in_order:
        deliveries = sorted(deliveries)
    arriving = [(sent[index], is_lost) for index, is_lost in deliveries if index < len(sent)]

    redis_server.client.flushall()
    store = VerdictStore(redis_server.client)
    for each, _ in arriving:
        store.put([each.verdict])
    in_full = stored(redis_server)

    redis_server.client.flushall()
    store = VerdictStore(redis_server.client)
    losses = 0
    for each, is_lost in arriving:
        if take(store, each.report):
            losses += is_lost
            if not is_lost:
                take(store, each.full)
    by_exception = stored(redis_server)

    if not losses:
        assert by_exception == in_full
    found = {(each.verdict.incarnation, each.verdict.counter): says(each.verdict) for each in sent}
    for field, (order, said_then) in by_exception.items():
        assert order <= in_full[field][0]
        assert said_then == found[order]


def take(store: VerdictStore, report: Report) -> tuple[Segment, ...]:
    """Take a report as the updater does; return what it asks for."""
    store.put(report.verdicts)
    return tuple(
        segment for repeats in report.repeats for segment in store.confirm(report.host, repeats).unknown
    )
