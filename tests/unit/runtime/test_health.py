"""Liveness and readiness checks."""

import threading

from services.runtime.celery_app import make_app
from services.runtime.health import STALL_S, Health
from services.runtime.repeating import is_alive
from services.runtime.settings import TelemetrySettings
from services.runtime.telemetry import Telemetry
from services.runtime.worker import WorkerCheck
from tests.support.manual_clock import ManualClock


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
    up_since: float | None = clock.monotonic()
    app = make_app("redis://127.0.0.1:1/0")
    check = WorkerCheck(app, clock=clock, redis_up_since=lambda: up_since)
    assert (check.problem(), check.iterated_at()) == ("the worker does not consume", None)
    clock.seconds += 5
    check.connected()
    assert (check.problem(), check.iterated_at()) == (None, clock.monotonic())
    check.disconnected()
    seen_at = clock.monotonic()
    up_since = None
    clock.seconds += 1_000
    assert (check.problem(), check.iterated_at()) == ("the worker does not consume", None)
    up_since = clock.monotonic()
    clock.seconds += 100
    assert check.iterated_at() == up_since > seen_at
    app.close()


def test_a_service_is_not_ready_before_its_checks_are_complete() -> None:
    """/readyz fails during the start, though no registered check fails."""
    telemetry = Telemetry(TelemetrySettings.load(), service="updater", clock=ManualClock())
    telemetry.health.add_readiness_check("redis", lambda: None)
    assert telemetry.health.readiness_problems() == {"start": "the service is still starting"}
    telemetry.complete()
    assert telemetry.health.readiness_problems() == {}
