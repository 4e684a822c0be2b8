"""Whether a process lives, and whether it can do its work: two questions that a kubelet asks.

A process lives while its own loops turn. That Redis or the API server is away is no reason to restart it: it
would come back to the same, and have lost what it knew. It is ready while it reaches what it needs.
"""

import threading
from collections.abc import Callable
from typing import NamedTuple

from services.runtime.clock import Clock

STALL_S = 120.0
"""Longer than any loop waits for a Redis or an API server that is away or frozen, timeouts and retries
together: what has not turned for so long will not turn again."""


class _Loop(NamedTuple):
    turned_at: Callable[[], float | None]
    limit_s: float


class Health:
    """What a process is made of and what it needs, by name. Safe to share by threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._loops: dict[str, _Loop] = {}
        self._threads: dict[str, Callable[[], bool]] = {}
        self._needs: dict[str, Callable[[], str | None]] = {}

    def turns(self, name: str, turned_at: Callable[[], float | None], *, limit_s: float = STALL_S) -> None:
        """A loop that must go round. turned_at: monotonic seconds of its last turn, or None: it need not."""
        with self._lock:
            self._loops[name] = _Loop(turned_at, limit_s)

    def runs(self, name: str, is_alive: Callable[[], bool]) -> None:
        """A thread that must not have ended."""
        with self._lock:
            self._threads[name] = is_alive

    def needs(self, name: str, why_not: Callable[[], str | None]) -> None:
        """What has to be so before the work can be done. why_not: a reason for people, None when it is so."""
        with self._lock:
            self._needs[name] = why_not

    def stalled(self) -> dict[str, str]:
        """What should turn and does not, and how that shows; empty while the process lives."""
        with self._lock:
            loops, threads = dict(self._loops), dict(self._threads)
        now = self._clock.monotonic()
        found = {name: "its thread has ended" for name, is_alive in threads.items() if not is_alive()}
        for name, loop in loops.items():
            turned_at = loop.turned_at()
            if turned_at is not None and now - turned_at > loop.limit_s:
                found[name] = f"has not turned for {now - turned_at:.0f} s"
        return found

    def missing(self) -> dict[str, str]:
        """What the work waits for, and why; empty while the process is ready."""
        with self._lock:
            needs = dict(self._needs)
        return {name: why for name, why_not in needs.items() if (why := why_not()) is not None}


def lives(thread: threading.Thread, stopping: threading.Event) -> bool:
    """Whether a thread runs, or need not: it was not started yet, or is to end."""
    return thread.ident is None or thread.is_alive() or stopping.is_set()
