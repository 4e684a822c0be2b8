"""Keys that kombu keeps beside the queues, of another type or with junk in them, before real workers."""

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
)
from tests.faults.refusing import HOST, Site, site
from tests.support.updater_site import wait_until

pytestmark = pytest.mark.root

SCOPES = {REPORT_QUEUE: "updater", probe_queue(HOST): HOST}
SEPARATOR = "\x06\x16"
"""Between kombu's fields of a binding: routing key, pattern, queue."""


@pytest.fixture(scope="module")
def running() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as folder, site(Path(folder)) as started:
        started.wait_ready()
        yield started


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
    assert running.app.control.ping(timeout=5.0)
    client.delete(*tables)
    running.goes_on()
