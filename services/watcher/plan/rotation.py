"""Rotation of work that one host does at a time: asking DHCP, or probing a silent gateway.

Pure: time is an argument, in seconds of any monotonic clock.
"""

import math
from bisect import bisect_right
from collections.abc import Collection

NEVER = math.inf


def in_order(hosts: Collection[str], *, start: int) -> list[str]:
    """Return the hosts by name, beginning with the one at index start, modulo their number."""
    ordered = sorted(hosts)
    first = start % len(ordered) if ordered else 0
    return ordered[first:] + ordered[:first]


class Rotation:
    """One host at a time does the work, in turn.

    A turn lasts as long as a host may be busy. The next one is the next host's, and never begins before: so
    two hosts never work at once, and none keeps its turn.

    What is due every interval_s seconds takes a turn every max(interval_s, busy_s) seconds. So each of H
    hosts has its turn within H times that, and each of P parts is done within 2 P times that.
    """

    def __init__(self, *, busy_s: float, start: int) -> None:
        """busy_s: how long after its turn began a host may be busy. start: see in_order; not every rotation
        should begin with the same host."""
        self.at = NEVER
        """When work is due next: by the next host, or sooner, on news, again by the one whose turn it is."""
        self.host = ""
        """The host that had the last turn."""
        self.began_at = -NEVER
        """When work last began."""
        self.busy_until = -NEVER
        """When the last turn ends."""
        self._busy_s = busy_s
        self._start = start
        self._begun = 0

    def is_busy(self, host: str, now: float) -> bool:
        """Return whether it is this host's turn now."""
        return host == self.host and now < self.busy_until

    def next_by(self, at: float) -> None:
        """Make work due at this time, unless it is due earlier."""
        self.at = min(self.at, at)

    def upcoming(self, hosts: Collection[str]) -> list[str]:
        """Return these hosts in the order of their next turns."""
        start = bisect_right(sorted(hosts), self.host) if self.host else self._start
        return in_order(hosts, start=start)

    def choose(self, hosts: Collection[str], now: float) -> str:
        """Return the host whose turn it is, or else the next one."""
        return self.host if self.host in hosts and now < self.busy_until else self.upcoming(hosts)[0]

    def begin(self, host: str, now: float, *, next_at: float) -> None:
        """Begin the work of this host. The next turn is due at next_at, but not before this one ends.

        A turn is not extended by work that begins within it: repeated news must not keep it with one host.
        """
        if not self.is_busy(host, now):
            self.busy_until = now + self._busy_s
        self.host, self.began_at = host, now
        self.at = max(next_at, self.busy_until)
        self._begun += 1

    def end(self, now: float) -> None:
        """End the present turn, since its host is gone: the next one works at the next due time."""
        self.busy_until = min(self.busy_until, now)

    def part(self, parts: int, hosts: int) -> int:
        """Return which of several parts the work that began last is on.

        The parts take turns as the hosts do. After each common multiple one part is skipped, so that a host
        does not get the same parts for ever.
        """
        turn = self._begun - 1
        return (turn + turn // math.lcm(parts, hosts)) % parts
