"""Signal handlers that last for a block."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from services.runtime.process.signals import END, event_on_signal, handling


def outer(number: int, frame: FrameType | None) -> None:
    """The previous handler, which must not get a signal in these tests."""
    raise AssertionError(number)


@pytest.fixture(autouse=True)
def _handled_before() -> Iterator[None]:
    with handling(outer, END):
        yield


@pytest.mark.parametrize("number", END)
def test_a_signal_sets_the_event(number: signal.Signals) -> None:
    """SIGINT and SIGTERM set the event, and do not end the process."""
    with event_on_signal(threading.Event()) as ended:
        assert not ended.is_set()
        os.kill(os.getpid(), number)
        assert ended.wait(60)


def test_the_previous_handlers_are_restored() -> None:
    """Also when the block raises; other signals keep their handlers throughout."""
    hangup = signal.getsignal(signal.SIGHUP)
    with contextlib.suppress(KeyError), event_on_signal(threading.Event()):
        assert outer not in map(signal.getsignal, END)
        assert signal.getsignal(signal.SIGHUP) is hangup
        raise KeyError
    assert [signal.getsignal(number) for number in END] == [outer, outer]


def test_outside_the_main_thread_no_handler_is_installed() -> None:
    """Python forbids it there; the block runs nevertheless, with its event."""
    seen: list[object] = []

    def elsewhere() -> None:
        with event_on_signal(threading.Event()) as ended:
            seen.extend([ended.is_set(), *map(signal.getsignal, END)])

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(60)
    assert seen == [False, outer, outer]
