"""Rotation of work that one host does at a time: asking DHCP, or probing a silent gateway.

Pure: time is an argument, in seconds of any monotonic clock.
"""

import math
from collections.abc import Collection

NEVER = math.inf


def first_host(hosts: Collection[str], *, start: int) -> str:
    """Return the host at index start, modulo their number, in the order of their names."""
    ordered = sorted(hosts)
    return ordered[start % len(ordered)]


class Rotation:
    """Rotates over the hosts. A host keeps its turn while it may be busy, so two hosts never work at once."""

    def __init__(self, *, busy_s: float, start: int) -> None:
        """busy_s: how long after its turn began a host may be busy. start: see first_host; not every rotation
        should begin with the same host."""
        self.at = NEVER
        """When the next turn is due."""
        self.host = ""
        """The host that had the last turn."""
        self.began_at = -NEVER
        self._busy_s = busy_s
        self.busy_until = -NEVER
        """When the host that had the last turn is done at the latest."""
        self._start = start

    def is_busy(self, host: str, now: float) -> bool:
        """Return whether this host may be busy now."""
        return host == self.host and now < self.busy_until

    def next_by(self, at: float) -> None:
        """Make the next turn due at this time, unless it is due earlier."""
        self.at = min(self.at, at)

    def choose(self, hosts: Collection[str], now: float, *, besides: Collection[str] = ()) -> str:
        """Return the busy host, or else the next one in the rotation, if possible none of besides."""
        if self.host in hosts and now < self.busy_until:
            return self.host
        ordered = sorted(hosts)
        ordered = [host for host in ordered if host not in besides] or ordered
        if not self.host:
            return first_host(ordered, start=self._start)
        return next((host for host in ordered if host > self.host), ordered[0])

    def begin(self, host: str, now: float, *, next_at: float) -> None:
        """Begin this host's turn; the next turn is due at next_at."""
        self.host, self.began_at, self.at = host, now, next_at
        self.busy_until = now + self._busy_s

    def end(self, now: float) -> None:
        """End the present turn."""
        self.busy_until = min(self.busy_until, now)
