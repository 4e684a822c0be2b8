"""Log lines about content from outside: from Redis, Kubernetes or the wire, where others may write.

Whoever may write there must not fill a disk. A warning is logged once, and again when it has come ten times
as often. Of one event, only so many a minute are logged.
"""

import hashlib
import threading
from collections import Counter, OrderedDict
from typing import Literal, NamedTuple, Protocol

from services.runtime.process.clock import Clock, SystemClock

REMEMBERED = 4_096
"""Lines of which it is known how often they came."""
WINDOW_S = 60.0
LINES = 100
"""Of one event in one window: a flood of one kind hides no line of another."""
MAX_VALUE_CHARACTERS = 1_000

Level = Literal["info", "warning"]


class Log(Protocol):
    """The methods of a structlog logger."""

    def info(self, event: str, **fields: object) -> object: ...

    def warning(self, event: str, **fields: object) -> object: ...

    def debug(self, event: str, **fields: object) -> object: ...


class _Due(NamedTuple):
    times: int
    """How often the line has come; 0 if it is not logged now."""
    left_out: int = 0
    """Lines that were left out since the last one, because there were too many."""


class OutsideLog:
    """Decides which lines are logged. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._times: OrderedDict[bytes, int] = OrderedDict()
        self._window_at = float("-inf")
        self._lines = Counter[str]()
        self._left_out = Counter[str]()
        """Both by event, of which there are as many as calls in our code."""

    def due(self, event: str, line: str | None) -> _Due:
        """Count a line; return whether to log it. line: None for one that is not compared with others."""
        now, times = self._clock.monotonic(), 1
        with self._lock:
            if line is not None:
                times = self._count(line)
            # 1, 10, 100 …
            if str(times).rstrip("0") != "1":
                return _Due(0)
            if now - self._window_at >= WINDOW_S:
                self._window_at = now
                self._lines.clear()
            if self._lines[event] >= LINES:
                self._left_out[event] += 1
                return _Due(0)
            self._lines[event] += 1
            return _Due(times, self._left_out.pop(event, 0))

    def _count(self, line: str) -> int:
        key = hashlib.blake2b(line.encode(errors="replace"), digest_size=16).digest()
        times = self._times[key] = self._times.pop(key, 0) + 1
        if len(self._times) > REMEMBERED:
            self._times.popitem(last=False)
        return times


_lines = OutsideLog(SystemClock())


def tell(log: Log, event: str, *, level: Level = "warning", content: str = "", **fields: object) -> None:
    """Log a line that something from outside caused, or log it for debugging if it is not due.

    level: a warning is about junk, which may come again and again; what is told at level info is news each
    time. content: what caused it, where the fields do not tell one from another. Values are cut.
    """
    cut = {name: _cut(value) for name, value in fields.items()}
    times, left_out = _lines.due(event, f"{event} {fields} {content}" if level == "warning" else None)
    if times > 1:
        cut["times"] = times
    if left_out:
        cut["lines_left_out"] = left_out
    write = log.debug if not times else log.info if level == "info" else log.warning
    write(event, **cut)


def _cut(value: object) -> object:
    return value[:MAX_VALUE_CHARACTERS] if isinstance(value, str) else value
