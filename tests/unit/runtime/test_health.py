"""Liveness and readiness checks."""

import threading

import pytest
import redis

from services.runtime.connection.settings import TelemetrySettings
from services.runtime.process.repeating import is_alive
from services.runtime.queues import worker
from services.runtime.queues.celery_app import make_app
from services.runtime.queues.worker import CALM_S, RETRY_BASE_S, RETRY_CAP_S
from services.runtime.telemetry.health import STALL_S, Health
from services.runtime.telemetry.telemetry import Telemetry
from tests.support.log_lines import log_lines
from tests.support.manual_clock import ManualClock
from tests.unit.runtime.worker_checks import FakeRedisCheck, worker_check


def test_a_loop_without_iterations_is_stalled() -> None:
    """Up to the limit it is live; later it is reported by name with the time since its last iteration."""
    clock = ManualClock()
    health = Health(clock)
    iterated_at = clock.monotonic()
    health.add_liveness_check("decider", lambda: iterated_at)
    health.add_liveness_check("waiting", lambda: None)
    clock.seconds += STALL_S
    assert health.liveness_problems() == {}
    clock.seconds += 1
    assert health.liveness_problems() == {"decider": "no iteration for 121 s"}
    iterated_at = clock.monotonic()
    assert health.liveness_problems() == {}


def test_a_thread_that_ended_by_itself_is_stalled() -> None:
    """A thread that is not started, running or asked to stop is live."""
    stopping, go = threading.Event(), threading.Event()
    thread = threading.Thread(target=go.wait, daemon=True)
    health = Health(ManualClock())
    health.add_thread_check("watch", lambda: is_alive(thread, stopping))
    assert health.liveness_problems() == {}
    thread.start()
    assert health.liveness_problems() == {}
    go.set()
    thread.join(60)
    assert health.liveness_problems() == {"watch": "the thread has ended"}
    stopping.set()
    assert health.liveness_problems() == {}


def test_a_failed_readiness_check_does_not_affect_liveness() -> None:
    """A failed readiness check is reported with its reason, and only by readiness_problems."""
    health = Health(ManualClock())
    why: str | None = "Redis does not answer"
    health.add_readiness_check("redis", lambda: why)
    assert (health.readiness_problems(), health.liveness_problems()) == (
        {"redis": "Redis does not answer"},
        {},
    )
    why = None
    assert health.readiness_problems() == {}


def test_a_worker_has_to_consume_only_while_redis_answers() -> None:
    """Live since the later of its last heartbeat and the return of Redis; None while Redis is down."""
    clock = ManualClock()
    redis_check = FakeRedisCheck(up_since=clock.monotonic())
    app = make_app("redis://127.0.0.1:1/0")
    check = worker_check(app, clock, redis_check)
    assert (check.problem(), check.iterated_at()) == ("the worker does not consume", None)
    clock.seconds += 5
    check.connected()
    check.consumed()
    assert (check.problem(), check.iterated_at()) == (None, clock.monotonic())
    check.disconnected()
    seen_at = clock.monotonic()
    redis_check.up_since = None
    clock.seconds += 1_000
    assert (check.problem(), check.iterated_at()) == ("the worker does not consume", None)
    redis_check.up_since = clock.monotonic()
    clock.seconds += 100
    assert check.iterated_at() == redis_check.up_since > seen_at
    app.close()


def test_a_worker_that_waits_for_redis_is_live_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """R7: for longer and longer, up to a cap; each kind is logged once, and counted each time."""
    clock, redis_check = ManualClock(), FakeRedisCheck(up_since=1.0)
    lines = log_lines(monkeypatch, worker)
    app = make_app("redis://127.0.0.1:1/0")
    check = worker_check(app, clock, redis_check)
    waited = []
    for error in [redis.exceptions.NoPermissionError("x")] * 8 + [redis.exceptions.ReadOnlyError("y")]:
        check.refused(error)
        began = clock.monotonic()
        while check.waits(0.5):
            assert check.iterated_at() is not None
        waited.append(clock.monotonic() - began)
        assert check.iterated_at() == clock.monotonic()
    assert waited[:5] == [RETRY_BASE_S * 2**number for number in range(5)]
    assert set(waited[5:]) == {RETRY_CAP_S}
    assert check.problem() == "the worker does not consume: READONLY: y"
    assert redis_check.counted == ["NOPERM"] * 8 + ["READONLY"]
    assert [(line["event"], line["kind"]) for line in lines] == [
        ("the worker waits for Redis", "NOPERM"),
        ("the worker waits for Redis", "READONLY"),
    ]
    check.connected()
    check.consumed()
    assert check.problem() is None
    clock.seconds += CALM_S
    check.refused(redis.ConnectionError("z"))
    began = clock.monotonic()
    while check.waits(0.5):
        pass
    assert clock.monotonic() - began == RETRY_BASE_S
    app.close()


def test_a_worker_stops_consuming_when_a_later_check_of_redis_is_refused() -> None:
    """R4: what it takes could not be recorded. A refusal from before its connection is over; an answer that
    comes after it counts for nothing."""
    redis_check = FakeRedisCheck(up_since=1.0)
    redis_check.refusal = redis.exceptions.OutOfMemoryError("before")
    app = make_app("redis://127.0.0.1:1/0")
    check = worker_check(app, ManualClock(), redis_check)
    check.connected()
    check.consumed()
    check.beat()
    check.disconnected()
    check.consumed()
    assert check.problem() is not None
    check.connected()
    redis_check.refusal = redis.exceptions.OutOfMemoryError("after")
    with pytest.raises(redis.exceptions.OutOfMemoryError, match="after"):
        check.beat()
    app.close()


def test_a_service_is_not_ready_before_its_checks_are_complete() -> None:
    """/readyz fails during the start, though no registered check fails."""
    telemetry = Telemetry(TelemetrySettings.load(), service="updater", clock=ManualClock())
    telemetry.health.add_readiness_check("redis", lambda: None)
    assert telemetry.health.readiness_problems() == {"start": "the service is still starting"}
    telemetry.complete()
    assert telemetry.health.readiness_problems() == {}
