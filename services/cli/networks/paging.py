"""Paging of a table that is longer than the terminal, and the keys that scroll it."""

import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from services.runtime.process.clock import Clock

ReadKey = Callable[[float], str]
"""Waits at most this many seconds for a key; returns an empty text if none was pressed."""

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
    """Which rows are shown; rows may come and go, and the terminal may change its height."""

    rows: int = 0
    page: int = 1
    first: int = 0

    def fit(self, *, rows: int, page: int) -> None:
        """Take the present numbers of rows and of rows that fit; move back if there are no rows below."""
        self.rows, self.page = rows, page
        self.first = max(0, min(self.first, rows - page))

    def press(self, key: str) -> None:
        """Scroll by a key of KEYS."""
        page = self.page
        moves = {UP: -1, DOWN: 1, PAGE_UP: -page, PAGE_DOWN: page, TOP: -self.rows, BOTTOM: self.rows}
        self.first += moves.get(key, 0)
        self.fit(rows=self.rows, page=page)

    def describe(self) -> str:
        """Describe the visible rows, and how to see the others."""
        last = min(self.rows, self.first + self.page)
        return f"rows {self.first + 1}-{last} of {self.rows}, problems first (↑ ↓ space b scroll, q quits)"


@contextmanager
def reading_keys(clock: Clock) -> Iterator[ReadKey]:
    """Yield a reader of single keys without Enter; if standard input is not a terminal, it only waits."""
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
