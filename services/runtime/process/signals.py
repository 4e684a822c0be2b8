"""Signal handlers that are installed for the duration of a block."""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

END = (signal.SIGINT, signal.SIGTERM)
"""The signals by which a user or an init system ends a process."""

Handler = Callable[[int, FrameType | None], None]


@contextmanager
def handling(handler: Handler, numbers: Iterable[signal.Signals] = END) -> Iterator[None]:
    """Install the handler for these signals; restore the previous handlers at the end of the block.

    Does nothing outside the main thread, where Python allows no signal handlers.
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
def event_on_signal(
    event: threading.Event, numbers: Iterable[signal.Signals] = END
) -> Iterator[threading.Event]:
    """Set the event when one of these signals arrives, as handling() does; yields the event."""

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler
        # Only this: taking a lock that the interrupted code holds would deadlock.
        event.set()

    with handling(on_signal, numbers):
        yield event
