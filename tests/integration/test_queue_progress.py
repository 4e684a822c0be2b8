"""Whether the messages in a worker's queue are taken, with a real Redis."""

import contextlib
from collections.abc import Iterator

import pytest
from celery import signals

from services.runtime.telemetry.progress import QueueProgress
from tests.support.manual_clock import ManualClock
from tests.support.redis_server import RedisServer


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def queue(redis_server: RedisServer, clock: ManualClock) -> Iterator[QueueProgress]:
    redis_server.client.delete("report")
    with contextlib.closing(redis_server.client):
        made = QueueProgress(redis_server.client, "report", clock=clock)
        yield made
        made.stop()


def test_a_message_that_waits_counts_until_a_task_has_ended(
    redis_server: RedisServer, queue: QueueProgress, clock: ManualClock
) -> None:
    """The age is that of the first look that found one; each task that ends begins it anew."""
    queue.look()
    assert queue.since() is None
    redis_server.client.rpush("report", "a", "b")
    began = clock.monotonic()
    for _ in range(3):
        queue.look()
        clock.seconds += 10
    assert queue.since() == began
    signals.task_postrun.send(sender=None)
    assert queue.since() is None
    queue.look()
    assert queue.since() == clock.monotonic()
    redis_server.client.delete("report")
    queue.look()
    assert queue.since() is None


def test_a_queue_of_another_type_counts_as_it_was(redis_server: RedisServer, queue: QueueProgress) -> None:
    """R17: what waited before it could not be read still waits."""
    redis_server.client.rpush("report", "a")
    queue.look()
    redis_server.client.set("report", "junk")
    queue.look()
    assert queue.since() is not None
