"""Whose turn it is to do what one host does at a time: ask DHCP, or ask a gateway that is silent.

Pure: time is an argument, in seconds of any monotonic clock.
"""

import math
from collections.abc import Collection

NEVER = math.inf


class Turn:
    """Goes round the hosts. Whoever has it keeps it while busy, so that two never are at once."""

    def __init__(self, *, busy_s: float, start: int) -> None:
        """busy_s: so long after its turn began a host may still be at it. start: which host is the first,
        counted round: so that the same one does not begin everywhere."""
        self.at = NEVER
        """When the next turn is due."""
        self.host = ""
        """Who had the last one."""
        self.began_at = -NEVER
        self._busy_s = busy_s
        self._busy_until = -NEVER
        self._start = start

    @property
    def busy_until(self) -> float:
        """When the host that had the last turn is done at the latest."""
        return self._busy_until

    def is_busy(self, host: str, now: float) -> bool:
        """Whether this host may be at it just now."""
        return host == self.host and now < self._busy_until

    def next_by(self, at: float) -> None:
        """Due by then, if not sooner."""
        self.at = min(self.at, at)

    def choose(self, hosts: Collection[str], now: float, *, besides: Collection[str] = ()) -> str:
        """Whose turn it is: the one that is busy, or the next one round, if possible none of besides."""
        if self.host in hosts and now < self._busy_until:
            return self.host
        ordered = sorted(hosts)
        ordered = [host for host in ordered if host not in besides] or ordered
        if not self.host:
            return ordered[self._start % len(ordered)]
        return next((host for host in ordered if host > self.host), ordered[0])

    def begin(self, host: str, now: float, *, next_at: float) -> None:
        """It is this host's, and the next one's at next_at."""
        self.host, self.began_at, self.at = host, now, next_at
        self._busy_until = now + self._busy_s

    def end(self, now: float) -> None:
        """Whoever had it is done."""
        self._busy_until = min(self._busy_until, now)
