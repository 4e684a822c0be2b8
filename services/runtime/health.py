"""The liveness and readiness checks behind /healthz and /readyz.

Liveness covers the process's own loops and threads only. An unreachable Redis or API server must not restart
the process: it would come back to the same outage without its state. Readiness covers what the work needs.
"""

import threading
from collections.abc import Callable
from typing import NamedTuple

from services.runtime.clock import Clock

STALL_S = 120.0
"""Longer than any loop waits for an unreachable or frozen Redis or API server, with timeouts and retries."""


class _Loop(NamedTuple):
    iterated_at: Callable[[], float | None]
    limit_s: float


class Health:
    """The checks of one process, by name. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._loops: dict[str, _Loop] = {}
        self._threads: dict[str, Callable[[], bool]] = {}
        self._readiness: dict[str, Callable[[], str | None]] = {}

    def add_liveness_check(
        self, name: str, iterated_at: Callable[[], float | None], *, limit_s: float = STALL_S
    ) -> None:
        """Register a liveness check: the loop must have iterated within limit_s.

        iterated_at: monotonic time of the last iteration in seconds; None while the loop need not run.
        """
        with self._lock:
            self._loops[name] = _Loop(iterated_at, limit_s)

    def add_thread_check(self, name: str, is_alive: Callable[[], bool]) -> None:
        """Register a liveness check: the thread must not have ended by itself. See repeating.is_alive."""
        with self._lock:
            self._threads[name] = is_alive

    def add_readiness_check(self, name: str, problem: Callable[[], str | None]) -> None:
        """Register a readiness check. problem: why the work cannot be done, None when it can."""
        with self._lock:
            self._readiness[name] = problem

    def liveness_problems(self) -> dict[str, str]:
        """Return the failed liveness checks with their reasons."""
        with self._lock:
            loops, threads = dict(self._loops), dict(self._threads)
        now = self._clock.monotonic()
        problems = {name: "the thread has ended" for name, is_alive in threads.items() if not is_alive()}
        for name, loop in loops.items():
            iterated_at = loop.iterated_at()
            if iterated_at is not None and now - iterated_at > loop.limit_s:
                problems[name] = f"no iteration for {now - iterated_at:.0f} s"
        return problems

    def readiness_problems(self) -> dict[str, str]:
        """Return the failed readiness checks with their reasons."""
        with self._lock:
            checks = dict(self._readiness)
        return {name: problem for name, check in checks.items() if (problem := check()) is not None}
