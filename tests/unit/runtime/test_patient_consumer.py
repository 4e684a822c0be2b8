"""The consumer that waits for Redis, with a connection that the test plays."""

import gc
import weakref
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from celery.exceptions import WorkerShutdown

from services.runtime.queues import patient_consumer
from services.runtime.queues.celery_app import make_app


class Waiting:
    """Has the consumer wait so many times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def refused(self, error: BaseException) -> None:
        raise AssertionError(error)

    def waits(self, seconds: float) -> bool:
        assert seconds > 0
        self.times -= 1
        return self.times >= 0


class Hub:
    def __init__(self) -> None:
        self.on_tick: set[object] = {"of another"}


class Connection:
    """One that Redis refuses, or takes."""

    def __init__(self, refusal: redis.RedisError | None = None) -> None:
        self.refusal = refusal
        self.closed = False
        self.connection = self.transport = self.default_channel = self.cycle = self.poller = self
        self.connection_errors = self.channel_errors = ()

    def try_to_take(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    def register_with_event_loop(self, _: object, hub: Hub) -> None:
        hub.on_tick.add(object())

    def close(self) -> None:
        self.closed = True


def consumer(waiting: Waiting, *connections: Connection) -> Any:
    """Return a consumer that gets these connections, one after the other."""
    made = cast("Any", object.__new__(patient_consumer.patient_consumer(waiting)))
    left = list(connections)
    made.hub = Hub()
    made.amqheartbeat = 0
    made.connection_for_read = lambda heartbeat: left.pop(0)
    return made


def test_a_consumer_waits_before_it_connects_and_ends_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """R4: it looks for the end of the worker in between."""

    def end() -> None:
        raise WorkerShutdown(0)

    good = Connection()
    waiting = Waiting(3)
    assert consumer(waiting, good).connect() is good
    assert waiting.times == -1
    monkeypatch.setattr(patient_consumer, "maybe_shutdown", end)
    with pytest.raises(WorkerShutdown):
        consumer(Waiting(1)).connect()


def test_a_connection_on_which_redis_refuses_is_closed() -> None:
    """R4: and is not used; its error says why."""
    bad = Connection(redis.exceptions.OutOfMemoryError("full"))
    refused = consumer(Waiting(0), bad)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        refused.connect()
    assert bad.closed
    assert refused.hub.on_tick == {"of another"}


def test_what_a_connection_adds_to_the_loop_leaves_with_it() -> None:
    """R5: a worker may connect any number of times."""
    many = consumer(Waiting(0), *(Connection() for _ in range(5)))
    for _ in range(5):
        many.connect()
    assert len(many.hub.on_tick) == 2


def test_a_connection_that_was_given_up_takes_no_memory_when_the_next_is_tried(tmp_path: Path) -> None:
    """Although it is in cycles, and Python is not to collect yet: an outage may have any number of tries."""
    app = make_app(f"unix://{tmp_path}/nowhere.sock")
    gc.disable()
    try:
        lost = app.connection_for_read()
        with pytest.raises(redis.ConnectionError):
            lost.ensure_connection(max_retries=0, reraise_as_library_errors=False)
        lost.itself = lost
        gone = weakref.ref(lost)
        del lost
        assert gone() is not None
        consumer(Waiting(0), Connection()).connect()
        assert gone() is None
    finally:
        gc.enable()


def test_tries_in_vain_leave_no_descriptor(tmp_path: Path) -> None:
    """Each makes a poller, which is closed although nothing collects garbage."""
    app = make_app(f"unix://{tmp_path}/nowhere.sock")
    made = consumer(Waiting(0))

    def descriptors_after_a_try() -> int:
        connection = app.connection_for_read()
        with pytest.raises(redis.ConnectionError):
            made.ensure_connected(connection)
        tried.append(connection)
        return len(list(Path("/proc/self/fd").iterdir()))

    tried: list[object] = []
    first = descriptors_after_a_try()
    assert [descriptors_after_a_try() for _ in range(5)] == [first] * 5
