"""Being told to stop while something is to be given back first."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from services.runtime.signals import handling


class Interruption:
    """Whether somebody wants us to stop: Ctrl-C, or SIGTERM."""

    def __init__(self) -> None:
        self._signal: int | None = None

    def note(self, number: int, _: FrameType | None) -> None:
        """A signal handler."""
        self._signal = number

    def check(self) -> None:
        """Raise what the signal would have raised; SystemExit (128 + number) for SIGTERM."""
        if self._signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self._signal is not None:
            raise SystemExit(128 + self._signal)


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Hold signals back until check is called; only where nobody else handles them, in the main thread."""
    interruption = Interruption()
    defaults = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    nobodys = [number for number, default in defaults.items() if signal.getsignal(number) is default]
    with handling(interruption.note, nobodys):
        yield interruption
