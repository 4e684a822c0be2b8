"""What is no envelope of ours, in the queues of real workers, and among their unacknowledged messages."""

import contextlib
import itertools
import json
import random
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from lab.namespaces import python_environment
from services.contract.messages import ProbeRequest, Segment, SegmentProbe, Target
from services.contract.names import (
    DEAD_LETTERS_KEPT,
    DEAD_LETTERS_KEY,
    PROBE_TASK,
    REPORT_QUEUE,
    REPORT_TASK,
    host_key,
    outstanding_key,
    probe_queue,
)
from services.contract.reports import Report
from services.runtime.connection.redis_client import time_ms
from services.runtime.queues.celery_app import make_app
from tests.support.mutating import mutate
from tests.support.poison import POISON
from tests.support.redis_server import RedisServer, running_redis
from tests.support.updater_site import UpdaterSite, own_updater_site, wait_until
from tests.unit.network.builders import verdict

HOST = "node1"
DELAYED = 5_000


def segment(number: int) -> Segment:
    """Return a segment of which the worker knows nothing yet, so that what is said of it is news."""
    return Segment(cluster_network="extra", vlan=number + 1)


def mark(number: int) -> str:
    """Return the key of the mark that a request is outstanding."""
    return outstanding_key(HOST, segment(number))


class Worker(ABC):
    """A real worker, and good messages to see that it takes what comes."""

    task: str
    argument: str
    scope: str
    """Of its unacknowledged messages."""

    def __init__(self, app: Celery, client: redis.Redis, queue: str) -> None:
        self.app, self.redis, self.queue = app, client, queue
        self.numbers = itertools.count(1)

    @abstractmethod
    def body(self, number: int) -> str:
        """Return a good message with this number."""

    @abstractmethod
    def has_taken(self, number: int) -> bool:
        """Whether that message was taken."""

    @abstractmethod
    def process(self) -> subprocess.Popen[bytes]:
        """Return its process."""

    @abstractmethod
    def restart(self) -> None:
        """Start another process."""

    def send(self, body: object, *, queue: str | None = None, **options: Any) -> None:
        """Send a message as our senders do."""
        arguments = {self.argument: body}
        self.app.send_task(
            self.task, kwargs=arguments, queue=queue or self.queue, ignore_result=True, **options
        )

    def good(self, number: int) -> dict[str, Any]:
        """Return a good message as it is in the queue."""
        self.send(self.body(number), queue="apart")
        envelope: dict[str, Any] = json.loads(str(self.redis.rpop("apart")))
        envelope["properties"]["delivery_info"]["routing_key"] = self.queue
        return envelope

    def takes_the_next(self) -> None:
        """Assert that a good message is taken, by the same process, and that nothing is held."""
        process, number = self.process(), next(self.numbers)
        self.send(self.body(number))
        wait_until(lambda: self.has_taken(number) or process.poll() is not None)
        assert process.poll() is None
        wait_until(lambda: not self.redis.exists(self.queue, *self.unacked))

    @property
    def unacked(self) -> tuple[str, str]:
        """The keys of what is not acknowledged: a hash, and its index by time."""
        return f"unacked:{self.scope}", f"unacked_index:{self.scope}"

    def newest_letter(self) -> dict[str, Any]:
        """Return the newest dead letter."""
        letter: dict[str, Any] = json.loads(str(self.redis.lindex(DEAD_LETTERS_KEY, 0)))
        return letter


class UpdaterWorker(Worker):
    """The updater, whose good messages are reports."""

    task, argument, scope = REPORT_TASK, "report", "updater"

    def __init__(self, site: UpdaterSite) -> None:
        super().__init__(site.app, site.redis, REPORT_QUEUE)
        self.site = site

    def body(self, number: int) -> str:
        said = verdict("0" * 16, host=HOST, segment=segment(number))
        return Report(host=HOST, verdicts=(said,)).to_json()

    def has_taken(self, number: int) -> bool:
        return self.site.stored(segment(number), HOST) is not None

    def process(self) -> subprocess.Popen[bytes]:
        return self.site.process

    def restart(self) -> None:
        self.site.restart()


class ProberWorker(Worker):
    """A prober without its uplink, which it reports for each good request."""

    task, argument, scope = PROBE_TASK, "request", HOST

    def __init__(self, server: RedisServer, app: Celery, log: Path) -> None:
        super().__init__(app, server.client, probe_queue(HOST))
        self.server, self.log = server, log
        self.running = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.redis.delete(host_key(HOST))
        flags = ["--host", HOST, "--uplink", "extra=absent0", "--metrics-port", "0"]
        nadroute = [
            sys.executable,
            "-m",
            "services.cli.main",
            "prober",
            *flags,
            "--redis-url",
            self.server.url,
        ]
        with self.log.open("ab") as log:
            started = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *nadroute], stderr=log, env=python_environment()
            )
        wait_until(
            lambda: bool(self.redis.exists(host_key(HOST))) or started.poll() is not None, self.log.read_text
        )
        return started

    def body(self, number: int) -> str:
        # The prober deletes the mark of a request with its report, which waits for the absent updater.
        self.redis.set(mark(number), f"good-{number}")
        request = ProbeRequest(
            id=f"good-{number}",
            host=HOST,
            cluster_network=segment(number).cluster_network,
            sent_at_ms=time_ms(self.redis),
            max_age_ms=60_000,
            segments=(SegmentProbe(vlan=segment(number).vlan, targets=(Target(digest="0" * 16),)),),
        )
        return json.dumps(request.to_wire())

    def has_taken(self, number: int) -> bool:
        return not self.redis.exists(mark(number))

    def process(self) -> subprocess.Popen[bytes]:
        return self.running

    def restart(self) -> None:
        self.running.terminate()
        self.running.wait(60)
        self.running = self._start()


@contextlib.contextmanager
def prober_worker() -> Iterator[ProberWorker]:
    with (
        tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as folder,
        running_redis(Path(folder)) as server,
        contextlib.closing(make_app(server.url)) as app,
    ):
        worker = ProberWorker(server, app, Path(folder) / "prober.log")
        try:
            yield worker
        finally:
            worker.running.kill()
            worker.running.wait()


@pytest.fixture(scope="module", params=["updater", pytest.param("prober", marks=pytest.mark.root)])
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    """One worker process for the whole table."""
    if request.param == "prober":
        with prober_worker() as running:
            yield running
    else:
        with own_updater_site(HOST) as site:
            yield UpdaterWorker(site)


@pytest.mark.parametrize("name", POISON)
def test_poison_becomes_a_dead_letter_and_the_next_message_is_taken(worker: Worker, name: str) -> None:
    """R9 to R12: the worker stays up, and nothing stays unacknowledged."""
    worker.redis.delete(DEAD_LETTERS_KEY)
    worker.redis.rpush(worker.queue, POISON[name][1](worker.good(0)))
    worker.takes_the_next()
    assert worker.redis.llen(DEAD_LETTERS_KEY) == 1
    letter = worker.newest_letter()
    assert letter["where"] == worker.queue
    assert letter["reason"]


@pytest.mark.parametrize("body", [{"schema_version": 2}, '{"schema_version": 2}', "[" * 200_000, 5, None])
def test_another_schema_becomes_a_dead_letter_and_the_next_message_is_taken(
    worker: Worker, body: object
) -> None:
    """R11: its envelope is one of ours, so the task refuses it."""
    worker.redis.delete(DEAD_LETTERS_KEY)
    worker.send(body)
    worker.takes_the_next()
    wait_until(lambda: worker.redis.llen(DEAD_LETTERS_KEY) == 1)
    assert worker.newest_letter()["where"] != worker.queue


def test_poison_among_unacknowledged_messages_ends_no_worker_at_its_start(worker: Worker) -> None:
    """R10, R14: it becomes dead letters; the good message among them is redelivered."""
    number = next(worker.numbers)
    good = worker.good(number)
    values = [poison(good) for _, poison in POISON.values()]
    stored = [b'[%b, "", "%b"]' % (value, worker.queue.encode()) for value in values]
    stored += [json.dumps(shape).encode() for shape in (5, None, [], [good], [good, "nowhere", worker.queue])]
    stored += [json.dumps([good, "", "celery"]).encode(), b"hello", b"\xff"]
    worker.redis.delete(DEAD_LETTERS_KEY)
    hash_key, index = worker.unacked
    with worker.redis.pipeline() as pipe:
        for tag, value in enumerate([*stored, json.dumps([good, "", worker.queue]).encode()]):
            pipe.hset(hash_key, str(tag), value)
            pipe.zadd(index, {str(tag): tag})
        pipe.execute()
    worker.restart()
    process = worker.process()
    wait_until(lambda: worker.has_taken(number) or process.poll() is not None)
    worker.takes_the_next()
    assert worker.redis.llen(DEAD_LETTERS_KEY) == len(stored)


def test_messages_for_the_year_9999_hold_no_slot(worker: Worker) -> None:
    """R16: thousands of them are dead letters, of which the newest are kept."""
    delayed = worker.good(0)
    delayed["headers"]["eta"] = "9999-12-31T23:59:59.999999+00:00"
    worker.redis.lpush(worker.queue, *[json.dumps(delayed)] * DELAYED)
    worker.takes_the_next()
    assert worker.redis.llen(DEAD_LETTERS_KEY) == DEAD_LETTERS_KEPT
    assert "eta" in worker.newest_letter()["reason"]


CHANGING: list[tuple[str, dict[str, object]]] = [
    ("shutdown", {}),
    ("cancel_consumer", {"queue": REPORT_QUEUE}),
    ("cancel_consumer", {"queue": probe_queue(HOST)}),
    ("add_consumer", {"queue": "another"}),
    ("rate_limit", {"task_name": REPORT_TASK, "rate_limit": "1/h"}),
    ("rate_limit", {"task_name": PROBE_TASK, "rate_limit": "1/h"}),
    ("time_limit", {"task_name": PROBE_TASK, "hard": 0.001}),
    ("pool_shrink", {"n": 100}),
    ("pool_grow", {"n": 100}),
    ("pool_restart", {}),
    ("autoscale", {"max": 0, "min": 0}),
    ("revoke", {"task_id": "x"}),
    ("hello", {"from_node": "x", "revoked": {"x": 1}}),
    ("disable_events", {}),
    ("election", {"id": "x", "topic": "task", "action": {"task": "celery.backend_cleanup"}}),
    ("objgraph", {}),
    ("unknown", {}),
]


@pytest.mark.parametrize(("command", "arguments"), CHANGING)
def test_a_command_that_changes_a_worker_has_no_effect(
    worker: Worker, command: str, arguments: dict[str, object]
) -> None:
    """R18: it becomes a dead letter, and the worker takes the next message."""
    worker.redis.delete(DEAD_LETTERS_KEY)
    worker.app.control.broadcast(command, arguments=arguments)
    wait_until(lambda: bool(worker.redis.exists(DEAD_LETTERS_KEY)))
    assert worker.newest_letter()["reason"] == f"command: {command!r} is not answered"
    worker.takes_the_next()


@pytest.mark.parametrize(
    "question",
    ["ping", "stats", "active_queues", "registered", "scheduled", "active", "reserved", "revoked", "conf"],
)
def test_what_flower_asks_is_answered(worker: Worker, question: str) -> None:
    """Its pages of workers and tasks have no other source but events."""
    (answer,) = worker.app.control.broadcast(question, reply=True, limit=1, timeout=60)
    assert not str(*answer.values()).startswith("{'error'")


def test_a_receiver_of_events_leaves_no_dead_letter(worker: Worker) -> None:
    """Flower is one: it asks all workers for a heartbeat when it begins."""
    worker.redis.delete(DEAD_LETTERS_KEY)
    with worker.app.connection_for_read() as connection:
        receiver = worker.app.events.Receiver(connection)
        receiver.handlers["worker-heartbeat"] = lambda _: setattr(receiver, "should_stop", True)
        receiver.capture(timeout=60)
    assert receiver.should_stop
    assert not worker.redis.exists(DEAD_LETTERS_KEY)


def test_junk_in_the_channel_of_broadcasts_ends_no_worker(worker: Worker) -> None:
    """R9, R10: of every shape."""
    good = worker.good(0)
    for _, poison in POISON.values():
        assert worker.redis.publish("/0.celery.pidbox", poison(good)) == 1
    worker.takes_the_next()
    assert worker.app.control.broadcast("ping", reply=True, limit=1, timeout=60)


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_mutated_messages_end_no_worker(worker: Worker, count: int) -> None:
    """R9 to R12: mutations of what our senders send, and of poison; the next message is taken."""
    dice = random.Random(count)
    seeds = [json.dumps(worker.good(number)).encode() for number in range(20)]
    poison = [make(worker.good(0)) for _, make in POISON.values()]
    with worker.redis.pipeline(transaction=False) as pipe:
        for _ in range(count):
            seed = dice.choice(seeds if dice.random() < 0.8 else poison)
            pipe.lpush(worker.queue, mutate(seed[:65_536], dice))
        pipe.execute()
    worker.takes_the_next()
