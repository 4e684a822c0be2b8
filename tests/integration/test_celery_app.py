"""The Celery app's URLs and settings, on a real Redis."""

import contextlib
import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from services.contract.envelopes import MAX_SENT_BYTES, read_envelope
from services.contract.names import PROBE_TASK, probe_queue
from services.runtime.connection.redis_client import connect
from services.runtime.queues.celery_app import make_app
from services.runtime.queues.guarded_transport import guarded_transport
from services.runtime.queues.message_guard import MessageGuard
from services.runtime.queues.task_events import SendTaskEvents
from tests.support.redis_server import RedisServer, running_redis

PATIENCE_S = 60.0


def test_an_event_that_cannot_be_sent_does_not_block(short_folder: Path) -> None:
    """Celery requests endless retries of heartbeats, in the loop that handles signals: they are disabled."""
    with (
        running_redis(short_folder) as server,
        make_app(server.url) as app,
        app.connection_for_write() as connection,
    ):
        events = app.events.Dispatcher(connection, hostname="prober@node1")
        events.send("worker-online")
        server.process.kill()
        server.process.wait()
        sending = threading.Thread(
            target=lambda: events.send("worker-heartbeat", freq=2.0, retry=True), daemon=True
        )
        sending.start()
        sending.join(PATIENCE_S)
        assert not sending.is_alive()


@pytest.mark.parametrize("database", ["", "?db=0", "?db=2"])
def test_queues_are_in_the_database_of_the_url(redis_server: RedisServer, database: str) -> None:
    """Our own clients read them there."""
    queue = probe_queue("node1")
    with make_app(redis_server.url + database) as app:
        app.send_task(PROBE_TASK, queue=queue)
    waiting = {}
    for number in (0, 2):
        with contextlib.closing(connect(f"{redis_server.url}?db={number}")) as client:
            waiting[number] = client.llen(queue)
            client.flushdb()
    assert waiting == ({0: 0, 2: 1} if database == "?db=2" else {0: 1, 2: 0})


def test_a_channel_keeps_its_client_as_long_as_its_connections(redis_server: RedisServer) -> None:
    """kombu makes a client for each command, which costs a worker nearly as much as all else about a task."""
    with make_app(redis_server.url) as app, app.connection_for_write() as connection:
        channel = connection.default_channel
        with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
            assert first is second
        channel._disconnect_pools()
        with channel.conn_or_acquire() as later:
            assert later is not first
            assert later.ping()


def test_the_events_of_tasks_are_sent_together(redis_server: RedisServer) -> None:
    """Three changes of a task are one message to Flower, when the worker's loop sends what waits."""
    with make_app(redis_server.url) as app, app.connection_for_write() as connection:
        # As a worker creates it: what waits is to be sent soon.
        asked: list[bool] = []
        events = app.events.Dispatcher(
            connection,
            hostname="updater@node1",
            buffer_group=["task"],
            on_send_buffered=lambda: asked.append(True),
        )
        parent = SimpleNamespace(event_dispatcher=events, timer=Timers())
        step = SendTaskEvents(parent)
        step.start(parent)
        before = published(redis_server)
        for change in ("received", "started", "succeeded"):
            events.send(f"task-{change}", uuid="1")
        assert (published(redis_server), asked) == (before, [])
        parent.timer.fire()
        assert published(redis_server) == before + 1
        events.send("task-received", uuid="2")
        step.stop(parent)
        assert published(redis_server) == before + 2
        assert not parent.timer.calls


def published(server: RedisServer) -> int:
    """Return how many messages were published."""
    with contextlib.closing(connect(server.url)) as client:
        return int(client.info("commandstats").get("cmdstat_publish", {"calls": 0})["calls"])


class Timers:
    """A loop's timers, which fire when asked to."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []

    def call_repeatedly(self, _every_s: float, call: Callable[[], object]) -> "SimpleNamespace":
        self.calls.append(call)
        return SimpleNamespace(cancel=lambda: self.calls.remove(call))

    def fire(self) -> None:
        for call in self.calls:
            call()


@pytest.mark.parametrize("as_text", [True, False])
def test_the_largest_argument_that_is_sent_fits_in_what_is_read(
    redis_server: RedisServer, *, as_text: bool
) -> None:
    """Escaped in its envelope, as a report is, or with JSON's blanks, as a request is."""
    reached = {"outcome": "reachable", "rtt_ms": 0.1, "attempts": 1, "mac": "00:00:00:00:00:00"}
    target = {"digest": "0" * 16, "gateway": "10.0.0.1", "vlan": reached, "routed": reached, "echo": reached}
    items: list[object] = [target] * (MAX_SENT_BYTES // len(json.dumps(target, separators=(",", ":"))))
    body: object = json.dumps(items, separators=(",", ":")) if as_text else items
    queue = probe_queue("node1")
    with make_app(redis_server.url) as app:
        app.send_task(PROBE_TASK, kwargs={"request": body}, queue=queue)
    raw = str(redis_server.client.lindex(queue, 0)).encode()
    assert len(raw) > MAX_SENT_BYTES
    read_envelope(raw, queue=queue, tasks={PROBE_TASK})


def test_an_acknowledgement_on_a_connection_that_was_given_up_is_a_connection_error(
    redis_server: RedisServer,
) -> None:
    """R5: a task may end after its worker has lost the connection. Another error would end the worker."""
    with make_app(redis_server.url) as app:
        connection = app.connection_for_read()
        channel = connection.default_channel
        connection.close()
        with pytest.raises(channel.connection_errors, match="given up"):
            channel.qos.ack("tag")


def test_a_message_that_cannot_be_acknowledged_is_no_error_of_the_worker(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """R5: kombu logs a critical error with a traceback; ours is a warning, and the task has ended."""
    transport = guarded_transport(cast("MessageGuard", None), lambda: None)
    message = transport.Channel.Message({"properties": {"delivery_tag": "tag"}}, channel=None)
    with make_app(redis_server.url) as app:
        connection = app.connection_for_read()
        message.channel = connection.default_channel
        connection.close()
        message.ack_log_error(logging.getLogger("kombu"), message.channel.connection_errors)
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]
    assert not message.acknowledged
