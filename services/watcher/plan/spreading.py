"""Spreading what falls due at once, so that many probes without news become a steady stream."""

PROBES_PER_S = 5_000
"""Limit for probes without news where no pace limits frames."""
SPREAD_S = 20.0
"""Longest delay by spreading."""


class Spread:
    """Hands out send times in a row.

    Many fall due at once when a watcher starts or becomes leader, hosts announce themselves again, Redis
    comes back, or a pause ends. Times are monotonic seconds.
    """

    def __init__(self, start: float) -> None:
        self._start = start
        self._given = 0

    def slot(self, probes: int) -> float:
        """Return when this many probes are due: whole seconds after start, so that they travel together."""
        at = self._start + min(SPREAD_S, self._given // PROBES_PER_S)
        self._given += probes
        return at

    def is_over(self, now: float) -> bool:
        """Return whether the last slot has passed, so that a new row may begin."""
        return now > self._start + self._given // PROBES_PER_S
