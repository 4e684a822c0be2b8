"""How likely a gateway that answered before is silent now: a router dies with all its gateways.

Pure: time is an argument, in seconds of any monotonic clock.
"""

import math
from collections import deque

LAG_S = 5
"""A check that finds silence is known to have done so after that time."""
KEPT = 0.95
"""Share of the risk that is left after a second."""


class Risk:
    """The share of checks that find silence: of those of LAG_S seconds, by what came of them so far."""

    def __init__(self) -> None:
        self._risk = 0.0
        self._second = 0
        self._seconds = deque([[0, 0] for _ in range(2 * LAG_S)], maxlen=2 * LAG_S)
        """Checks, and those that are known to have found silence, in each of the last seconds."""

    def at(self, now: float) -> float:
        """Return the share now, 0 to 1."""
        self._pass(now)
        return self._risk

    def checked(self, checks: int, now: float) -> None:
        """Record checks of gateways that answered before."""
        self._pass(now)
        self._seconds[-1][0] += checks

    def found_silent(self, checks: int, now: float) -> None:
        """Record checks that found silence."""
        self._pass(now)
        self._seconds[-1][1] += checks
        known = list(self._seconds)
        silent = sum(silences for _, silences in known[LAG_S:])
        # More checks than are known to have come out so far, not fewer: one silent gateway is no dead router.
        made = max(sum(checks for checks, _ in known[:LAG_S]), sum(checks for checks, _ in known) / 2)
        self._risk = max(self._risk, min(1.0, silent / max(1.0, made)))

    def _pass(self, now: float) -> None:
        passed = min(math.floor(now) - self._second, 2 * LAG_S) if self._second else 2 * LAG_S
        if passed > 0:
            self._second = math.floor(now)
            self._seconds.extend([0, 0] for _ in range(passed))
            self._risk *= KEPT**passed
