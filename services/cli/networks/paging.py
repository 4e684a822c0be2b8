"""A table that is longer than the terminal: which rows are shown, and the keys that move them."""

import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from services.runtime.clock import Clock

ReadKey = Callable[[float], str]
"""Wait so many seconds for a key; empty where none was pressed."""

UP, DOWN, PAGE_UP, PAGE_DOWN, TOP, BOTTOM, QUIT = (
    "up",
    "down",
    "page up",
    "page down",
    "top",
    "bottom",
    "quit",
)
KEYS = {
    "k": UP, "\x1b[A": UP, "\x1bOA": UP, "j": DOWN, "\x1b[B": DOWN, "\x1bOB": DOWN, "\r": DOWN, "\n": DOWN,
    "\x1b[5~": PAGE_UP, "b": PAGE_UP, "\x1b[6~": PAGE_DOWN, " ": PAGE_DOWN, "g": TOP, "\x1b[H": TOP,
    "G": BOTTOM, "\x1b[F": BOTTOM, "q": QUIT,
}  # fmt: skip


@dataclass
class Pager:
    """The first row shown, of rows that may come and go."""

    first: int = 0

    def press(self, key: str, *, rows: int, page: int) -> None:
        """Move by a key of KEYS."""
        moves = {UP: -1, DOWN: 1, PAGE_UP: -page, PAGE_DOWN: page, TOP: -rows, BOTTOM: rows}
        self.first += moves.get(key, 0)
        self.fit(rows=rows, page=page)

    def fit(self, *, rows: int, page: int) -> None:
        """Move back where rows went away or the terminal grew."""
        self.first = max(0, min(self.first, rows - page))

    def describe(self, *, rows: int, page: int) -> str:
        """Which rows are shown, and how to see the others."""
        last = min(rows, self.first + page)
        return f"rows {self.first + 1}-{last} of {rows}, problems first (↑ ↓ space b scroll, q quits)"


@contextmanager
def reading_keys(clock: Clock) -> Iterator[ReadKey]:
    """Read keys from the terminal without Enter; where standard input is none, only wait."""
    if not sys.stdin.isatty():
        never = threading.Event()

        def wait(seconds: float) -> str:
            clock.wait(never, seconds)
            return ""

        yield wait
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)

    def read(seconds: float) -> str:
        if not select.select([terminal], [], [], seconds)[0]:
            return ""
        # An escape sequence comes in one piece.
        return KEYS.get(os.read(terminal, 32).decode(errors="replace"), "")

    try:
        tty.setcbreak(terminal)
        yield read
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
