"""Alive and ready: what makes a process one, or the other."""

import threading

from services.runtime.celery_app import make_app
from services.runtime.health import STALL_S, Health, lives
from services.runtime.labels import OTHER, BoundedLabel
from services.runtime.telemetry import Telemetry
from services.runtime.telemetry_settings import TelemetrySettings
from services.runtime.worker_check import WorkerCheck
from tests.support.manual_clock import ManualClock


def test_a_loop_that_turns_lives_and_one_that_does_not_is_named() -> None:
    """Up to the limit it lives; one second later it is told by its name, and for how long it stands."""
    clock = ManualClock()
    health = Health(clock)
    turned_at = clock.monotonic()
    health.turns("decider", lambda: turned_at)
    health.turns("waiting", lambda: None)
    clock.seconds += STALL_S
    assert health.stalled() == {}
    clock.seconds += 1
    assert health.stalled() == {"decider": "has not turned for 121 s"}
    turned_at = clock.monotonic()
    assert health.stalled() == {}


def test_a_thread_that_ended_is_named() -> None:
    """Not started, running or told to stop is well; ended by itself is not."""
    stopping, go = threading.Event(), threading.Event()
    thread = threading.Thread(target=go.wait, daemon=True)
    health = Health(ManualClock())
    health.runs("watch", lambda: lives(thread, stopping))
    assert health.stalled() == {}
    thread.start()
    assert health.stalled() == {}
    go.set()
    thread.join(5)
    assert health.stalled() == {"watch": "its thread has ended"}
    stopping.set()
    assert health.stalled() == {}


def test_what_is_missing_makes_nobody_stalled() -> None:
    """A need that is not met is told with its reason, and has nothing to do with being alive."""
    health = Health(ManualClock())
    why: str | None = "Redis does not answer"
    health.needs("redis", lambda: why)
    assert (health.missing(), health.stalled()) == ({"redis": "Redis does not answer"}, {})
    why = None
    assert health.missing() == {}


def test_a_worker_must_consume_only_while_redis_answers() -> None:
    """Its time is its last beat's, or Redis' return's; none while Redis is away, or before its start."""
    clock = ManualClock()
    up_since: float | None = clock.monotonic()
    app = make_app("redis://127.0.0.1:1/0")
    check = WorkerCheck(app, clock=clock, redis_up_since=lambda: up_since)
    assert (check.why_not(), check.turned_at()) == ("the worker does not consume", None)
    clock.seconds += 5
    check.connected()
    assert (check.why_not(), check.turned_at()) == (None, clock.monotonic())
    check.disconnected()
    seen_at = clock.monotonic()
    up_since = None
    clock.seconds += 1_000
    assert (check.why_not(), check.turned_at()) == ("the worker does not consume", None)
    up_since = clock.monotonic()
    clock.seconds += 100
    assert check.turned_at() == up_since > seen_at
    app.close()


def test_a_label_has_so_many_values_and_no_more() -> None:
    """Further ones share a word; those known from before stay themselves."""
    label = BoundedLabel(2)
    assert [label(value) for value in ("a", "b", "c", "a", "d")] == ["a", "b", OTHER, "a", OTHER]


def test_nobody_is_ready_before_everything_it_needs_is_named() -> None:
    """A page that is asked while a service starts would else find nothing missing."""
    telemetry = Telemetry(TelemetrySettings.load(), service="updater", clock=ManualClock())
    telemetry.health.needs("redis", lambda: None)
    assert telemetry.health.missing() == {"start": "the service is still starting"}
    telemetry.complete()
    assert telemetry.health.missing() == {}
