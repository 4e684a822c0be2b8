"""Start, stop and liveness of a thread that repeats an action."""

import threading

import pytest

from services.runtime.process.clock import SystemClock
from services.runtime.process.repeating import RepeatingThread
from tests.support.manual_clock import ManualClock

TIMEOUT_S = 60.0


def test_actions_are_an_interval_apart_and_finish_is_last() -> None:
    """The first action runs at once; all run in one thread, which is not the caller's."""
    done: list[tuple[str, float, str]] = []
    clock = ManualClock(stop_after=3)

    def note(what: str) -> None:
        done.append((what, clock.seconds - began, threading.current_thread().name))

    began = clock.seconds
    ended = threading.Event()

    def finish() -> None:
        note("finish")
        ended.set()

    RepeatingThread("loop", lambda: note("action"), clock=clock, interval_s=2.0, finish=finish).start()
    assert ended.wait(TIMEOUT_S)
    actions = [("action", 0.0, "loop"), ("action", 2.0, "loop"), ("action", 4.0, "loop")]
    assert done == [*actions, ("finish", 6.0, "loop")]


def test_the_time_of_the_last_iteration_is_known() -> None:
    """It is None before the first iteration and after the last one."""
    seen: list[float | None] = []
    loop = RepeatingThread(
        "loop", lambda: seen.append(loop.iterated_at), clock=ManualClock(100.0, stop_after=2), interval_s=2.0
    )
    seen.append(loop.iterated_at)
    loop.start()
    loop._thread.join(TIMEOUT_S)
    assert [*seen, loop.iterated_at] == [None, 100.0, 102.0, None]


def test_stop_waits_for_the_action_under_way() -> None:
    """When stop returns, the action is over and finish was called, without waiting for the interval."""
    under_way, done = threading.Event(), list[str]()

    def action() -> None:
        under_way.set()
        # Until stop() was called: the action ends only after that.
        assert loop._stopping.wait(TIMEOUT_S)
        done.append("action")

    loop = RepeatingThread(
        "loop", action, clock=SystemClock(), interval_s=3_600.0, finish=lambda: done.append("finish")
    )
    loop.start()
    assert under_way.wait(TIMEOUT_S)
    loop.stop()
    assert done == ["action", "finish"]


def test_it_starts_once() -> None:
    """A second start does nothing; after a stop, even one before any start, no thread starts."""
    called = threading.Event()
    loop = RepeatingThread("loop", called.set, clock=SystemClock(), interval_s=3_600.0)
    loop.start()
    loop.start()
    assert called.wait(TIMEOUT_S)
    loop.stop()
    called.clear()
    loop.start()
    never = RepeatingThread("never", called.set, clock=SystemClock(), interval_s=3_600.0)
    never.stop()
    never.start()
    never.stop()
    assert not called.is_set()


def test_a_thread_that_ended_by_itself_is_not_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception ends the thread; a thread that is not started, running or stopped counts as alive."""
    ended, go = threading.Event(), threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: ended.set())

    def action() -> None:
        assert go.wait(TIMEOUT_S)
        raise ValueError("for the test")

    loop = RepeatingThread("loop", action, clock=SystemClock(), interval_s=3_600.0)
    seen = [loop.is_alive]
    loop.start()
    seen.append(loop.is_alive)
    go.set()
    assert ended.wait(TIMEOUT_S)
    loop._thread.join(TIMEOUT_S)
    seen.append(loop.is_alive)
    loop.stop()
    seen.append(loop.is_alive)
    assert seen == [True, True, False, True]
