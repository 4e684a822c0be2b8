"""The Celery app's URLs and settings, on a real Redis."""

import contextlib
import threading
from pathlib import Path

import pytest

from services.contract.names import PROBE_TASK, probe_queue
from services.runtime.celery_app import make_app
from services.runtime.redis_client import connect
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
