"""Signals that are handled for as long as a block lasts."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from services.runtime.signals import END, handled_by, setting


def outer(number: int, frame: FrameType | None) -> None:
    """Who had the signals before: nobody of these tests sends one that it would get."""
    raise AssertionError(number)


@pytest.fixture(autouse=True)
def _handled_before() -> Iterator[None]:
    with handled_by(outer, END):
        yield


@pytest.mark.parametrize("number", END)
def test_a_signal_sets_the_event(number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM alike, and neither ends the process."""
    with setting(threading.Event()) as ended:
        assert not ended.is_set()
        os.kill(os.getpid(), number)
        assert ended.wait(10)


def test_whoever_had_a_signal_has_it_back() -> None:
    """Also when the block ends with an error; signals that are not named are never taken."""
    hangup = signal.getsignal(signal.SIGHUP)
    with contextlib.suppress(KeyError), setting(threading.Event()):
        assert outer not in map(signal.getsignal, END)
        assert signal.getsignal(signal.SIGHUP) is hangup
        raise KeyError
    assert [signal.getsignal(number) for number in END] == [outer, outer]


def test_outside_of_the_main_thread_nothing_is_handled() -> None:
    """Python would refuse it there; the block runs all the same, with its event."""
    seen: list[object] = []

    def elsewhere() -> None:
        with setting(threading.Event()) as ended:
            seen.extend([ended.is_set(), *map(signal.getsignal, END)])

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(10)
    assert seen == [False, outer, outer]
