"""The liveness and readiness checks behind /healthz and /readyz.

Liveness covers the process's own loops and threads only. An unreachable Redis or API server must not restart
the process: it would come back to the same outage without its state. Readiness covers what the work needs.
"""

from collections.abc import Callable, Mapping

from services.runtime.process.clock import Clock

STALL_S = 120.0
"""Longer than any loop waits for an unreachable or frozen Redis or API server, with timeouts and retries."""


Check = Callable[[], str | None]
"""Returns the problem; None without one."""


class Health:
    """The checks of one process, by name. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._liveness: dict[str, Check] = {}
        self._readiness: dict[str, Check] = {}

    def add_liveness_check(
        self, name: str, iterated_at: Callable[[], float | None], *, limit_s: float = STALL_S
    ) -> None:
        """Register a liveness check: the loop must have iterated within limit_s.

        iterated_at: monotonic time of the last iteration in seconds; None while the loop need not run.
        """

        def problem() -> str | None:
            at = iterated_at()
            silent_s = 0.0 if at is None else self._clock.monotonic() - at
            return f"no iteration for {silent_s:.0f} s" if silent_s > limit_s else None

        self._liveness[name] = problem

    def add_thread_check(self, name: str, is_alive: Callable[[], bool]) -> None:
        """Register a liveness check: the thread must not have ended by itself. See repeating.is_alive."""
        self._liveness[name] = lambda: None if is_alive() else "the thread has ended"

    def add_readiness_check(self, name: str, problem: Check) -> None:
        """Register a readiness check. problem: why the work cannot be done, None when it can."""
        self._readiness[name] = problem

    def liveness_problems(self) -> dict[str, str]:
        """Return the failed liveness checks with their reasons."""
        return _problems(self._liveness)

    def readiness_problems(self) -> dict[str, str]:
        """Return the failed readiness checks with their reasons."""
        return _problems(self._readiness)


def _problems(checks: Mapping[str, Check]) -> dict[str, str]:
    # A copy: the endpoint serves while the service still registers checks.
    return {name: problem for name, check in dict(checks).items() if (problem := check()) is not None}
