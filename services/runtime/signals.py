"""Signals, handled for as long as a block lasts; then whoever had them before has them back."""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

END = (signal.SIGINT, signal.SIGTERM)
"""How a user and an init system ask a process to end."""

Handler = Callable[[int, FrameType | None], None]


@contextmanager
def handled_by(handler: Handler, numbers: Iterable[signal.Signals] = END) -> Iterator[None]:
    """The handler gets these signals until the block ends, then whoever had them before.

    Outside of the main thread, where Python allows no handlers, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


@contextmanager
def setting(event: threading.Event, numbers: Iterable[signal.Signals] = END) -> Iterator[threading.Event]:
    """These signals set the event, as handled_by; the event itself is what the block gets."""

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler
        # Nothing more: a lock that the interrupted code holds would never be given up.
        event.set()

    with handled_by(on_signal, numbers):
        yield event
