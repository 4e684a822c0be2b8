"""A thread that does one thing again and again: its beginning, its end, and whether it lives."""

import threading

import pytest

from services.runtime.clock import SystemClock
from services.runtime.repeating import Repeating
from tests.support.manual_clock import ManualClock

TIMEOUT_S = 10.0


def test_turns_are_an_interval_apart_and_the_end_is_last() -> None:
    """The first one at once, all of it in one thread that is not the starter's."""
    done: list[tuple[str, float, str]] = []
    clock = ManualClock(stop_after=3)

    def note(what: str) -> None:
        done.append((what, clock.seconds - began, threading.current_thread().name))

    began = clock.seconds
    ended = threading.Event()

    def finish() -> None:
        note("end")
        ended.set()

    Repeating("loop", lambda: note("turn"), clock=clock, interval_s=2.0, finish=finish).start()
    assert ended.wait(TIMEOUT_S)
    turns = [("turn", 0.0, "loop"), ("turn", 2.0, "loop"), ("turn", 4.0, "loop")]
    assert done == [*turns, ("end", 6.0, "loop")]


def test_stop_waits_for_the_turn_and_cuts_the_pause_short() -> None:
    """When it returns, the turn that was under way is over, the end was done, and no turn comes any more."""
    under_way, done = threading.Event(), list[str]()

    def turn() -> None:
        under_way.set()
        # Until stop() was called: the turn is over only after that.
        assert loop._stopping.wait(TIMEOUT_S)
        done.append("turn")

    loop = Repeating("loop", turn, clock=SystemClock(), interval_s=3_600.0, finish=lambda: done.append("end"))
    loop.start()
    assert under_way.wait(TIMEOUT_S)
    loop.stop()
    assert done == ["turn", "end"]


def test_it_starts_once() -> None:
    """A second start is harmless while it runs; after a stop, or a stop before any start, nothing begins."""
    turned = threading.Event()
    loop = Repeating("loop", turned.set, clock=SystemClock(), interval_s=3_600.0)
    loop.start()
    loop.start()
    assert turned.wait(TIMEOUT_S)
    loop.stop()
    turned.clear()
    loop.start()
    never = Repeating("never", turned.set, clock=SystemClock(), interval_s=3_600.0)
    never.stop()
    never.start()
    never.stop()
    assert not turned.is_set()


def test_one_that_ended_by_itself_does_not_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a turn raises ends it, and is seen; not started, running and stopped are well."""
    ended, go = threading.Event(), threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: ended.set())

    def turn() -> None:
        assert go.wait(TIMEOUT_S)
        raise ValueError("for the test")

    loop = Repeating("loop", turn, clock=SystemClock(), interval_s=3_600.0)
    seen = [loop.lives]
    loop.start()
    seen.append(loop.lives)
    go.set()
    assert ended.wait(TIMEOUT_S)
    loop._thread.join(TIMEOUT_S)
    seen.append(loop.lives)
    loop.stop()
    seen.append(loop.lives)
    assert seen == [True, True, False, True]
