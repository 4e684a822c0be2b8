"""When much falls due at once, and none of it is news: a steady stream instead of a storm.

As when a watcher starts or comes to lead, hosts announce themselves again, Redis is back, or a pause is over.
"""

PROBES_PER_S = 5_000
"""Sent in a second at most, but for news: so that 32 hosts with a common gateway do not flood it."""
SPREAD_S = 20.0
"""Longer than this nothing is put off, however much there is."""


class Spread:
    """Hands out slots in a row; times are monotonic seconds."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._given = 0

    def slot(self, probes: int) -> float:
        """When so many probes may be sent. On whole seconds after the start, so that they travel together."""
        at = self._start + min(SPREAD_S, self._given // PROBES_PER_S)
        self._given += probes
        return at

    def is_over(self, now: float) -> bool:
        """Whether the last slot has passed, so that a new row may begin."""
        return now > self._start + self._given // PROBES_PER_S
