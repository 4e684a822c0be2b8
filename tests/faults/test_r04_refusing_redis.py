"""A Redis that refuses, or whose keys are of another type: no service ends, or needs a hand to go on."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from services.contract.names import (
    DEAD_LETTERS_KEY,
    QUARANTINE_KEPT,
    QUARANTINE_KEY_PREFIX,
    REPORT_QUEUE,
    probe_queue,
    verdicts_key,
)
from tests.faults.refusing import FAULTS, HOST, OTHER_HOST, WORKERS, Site, site
from tests.support.updater_site import wait_until

pytestmark = pytest.mark.root

LONG = ("brpop", "READONLY", "every command", "every key", "subscriptions", "NOREPLICAS", "maxclients")
"""Kinds of the same, of which the others show enough."""
SCOPES = {REPORT_QUEUE: "updater", probe_queue(HOST): HOST}
"""The queues, and whose messages are unacknowledged under which name."""
SEPARATOR = "\x06\x16"
"""Between kombu's fields of a binding: routing key, pattern, queue."""


@pytest.fixture(scope="module")
def running() -> Iterator[Site]:
    """The services, which have started at a Redis that refused for one reason after the other."""
    names = iter(("every command", "READONLY", "MISCONF", "OOM"))
    fault = FAULTS[next(names)]
    with (
        tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as folder,
        site(Path(folder), refusing=fault) as starting,
    ):
        starting.wait_for(fault)
        for name in names:
            former, fault = fault, FAULTS[name]
            former.end(starting.server)
            fault.begin(starting.server)
            starting.wait_for(fault)
        fault.end(starting.server)
        starting.wait_ready()
        yield starting


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.long] if name in LONG else [])
        for name in FAULTS
        if name not in ("zadd", "eval")
    ],
)
def test_the_services_wait_while_redis_refuses(running: Site, name: str) -> None:
    """R4, R6, R7, R8: none ends. Each says why in /readyz, by a metric and once in the log, and goes on."""
    fault = FAULTS[name]
    said = {service: len(running.lines(service, "the worker waits for Redis")) for service in WORKERS}
    fault.begin(running.server)
    try:
        running.wait_for(fault)
    finally:
        fault.end(running.server)
    running.goes_on()
    for service in WORKERS:
        kinds = running.lines(service, "the worker waits for Redis")[said[service] :]
        assert len(kinds) == len(set(kinds)) > 0


def test_a_message_that_cannot_be_recorded_is_taken_all_the_same(running: Site) -> None:
    """R7: it has left its queue. After it, the workers wait."""
    fault = FAULTS["zadd"]
    fault.begin(running.server)
    try:
        running.works()
        running.wait_for(fault)
    finally:
        fault.end(running.server)
    running.goes_on()


def test_a_report_that_cannot_be_stored_is_stored_later(running: Site) -> None:
    """R4, R7: it has left its queue when Redis begins to refuse what storing it takes."""
    updater, segment, fault = running.services["updater"], running.segment(4_001), FAULTS["eval"]
    fault.begin(running.server)
    try:
        running.report(segment, "0" * 16)
        updater.wait(lambda: "not stored yet" in updater.missing().get("reports", ""))
    finally:
        fault.end(running.server)
    updater.wait(lambda: bool(running.server.admin.hexists(verdicts_key(segment), OTHER_HOST)))
    running.goes_on()


def test_the_services_start_at_a_redis_that_refuses(running: Site) -> None:
    """R19: at each reason each process waited where it had come to; now they work."""
    running.goes_on()


def set_aside(client: redis.Redis) -> set[str]:
    """Return the keys of which a dead letter says that they were set aside."""
    letters = map(str, client.lrange(DEAD_LETTERS_KEY, 0, -1))
    return {letter.split('"where": "')[1].split('"')[0] for letter in letters if "set aside" in letter}


def test_a_queue_of_another_type_is_set_aside(running: Site) -> None:
    """R17: at once, and the next message is taken."""
    client = running.server.admin
    for queue in SCOPES:
        client.set(queue, "junk")
    wait_until(lambda: set_aside(client) >= set(SCOPES))
    running.goes_on()


def test_other_keys_of_the_broker_of_another_type_are_set_aside(running: Site) -> None:
    """R17: of unacknowledged messages, of their lock, and bindings of queues, events and remote control."""
    client = running.server.admin
    exchanges = (*SCOPES, "celeryev", "celery.pidbox", "reply.celery.pidbox")
    texts = [f"_kombu.binding.{exchange}" for exchange in exchanges] + ["_kombu.binding_deadlines"]
    texts += [f"unacked:{scope}" for scope in SCOPES.values()]
    lists = [f"{name}:{scope}" for name in ("unacked_index", "unacked_mutex") for scope in SCOPES.values()]
    client.delete(*texts, *lists)
    for key in texts:
        client.set(key, "junk")
    for key in lists:
        client.rpush(key, "junk")
    wait_until(lambda: set_aside(client) >= {*texts, *lists})
    running.goes_on()
    kept = list(client.scan_iter(f"{QUARANTINE_KEY_PREFIX}:*"))
    assert 0 < len(kept) <= QUARANTINE_KEPT
    assert all(client.ttl(key) > 0 for key in kept)


def test_junk_among_the_keys_of_the_broker_is_removed(running: Site) -> None:
    """R17: what is no binding, a pattern that no queue has asked for, and a lock that never ends.

    The bindings beside it stay.
    """
    client = running.server.admin
    good = {SEPARATOR.join(fields) for fields in [("worker.#", r"^worker\..*?$", "flower"), ("x", "", "x")]}
    junk = {"junk", "", SEPARATOR, SEPARATOR.join(["#", "(a+)+$", REPORT_QUEUE]), SEPARATOR.join("abcd")}
    tables = ("_kombu.binding.celeryev", "_kombu.binding.reply.celery.pidbox")
    locks = {f"unacked_mutex:{scope}" for scope in SCOPES.values()}
    for table in tables:
        client.sadd(table, *good, *junk)
    for lock in locks:
        client.set(lock, "for ever")
    wait_until(lambda: locks <= set_aside(client))
    for table in tables:
        wait_until(lambda table=table: not junk & client.smembers(table))  # type: ignore[misc]
        assert good <= client.smembers(table)
    assert running.app.control.broadcast("ping", reply=True, limit=1, timeout=60)
    client.delete(*tables)
    running.goes_on()
