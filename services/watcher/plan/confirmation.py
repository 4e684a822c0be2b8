"""Confirming that DHCP offers no address: further hosts ask at once, beside the rotation.

Pure: time is an argument, in seconds of any monotonic clock.
"""

from collections.abc import Collection, Iterable

from services.network.judge.reduction import CONFIRMATIONS
from services.watcher.plan.rotation import NEVER


class Confirmation:
    """The hosts that are to ask DHCP on a segment to confirm a missing offer, and those that ask now.

    At most CONFIRMATIONS hosts that were not heard ask at a time, whatever is requested, and however often.
    """

    def __init__(self, *, busy_s: float, gap_s: float) -> None:
        """busy_s: how long a host may wait for an offer. gap_s: minimum between two rounds."""
        self.at = NEVER
        """When the next hosts ask."""
        self._busy_s = busy_s
        self._gap_s = gap_s
        self._called: list[str] = []
        self._busy_until: dict[str, float] = {}
        self._began_at = -NEVER

    def request(
        self, further: int, candidates: Iterable[str], now: float, *, heard: Collection[str], asker: str
    ) -> None:
        """Have this many of the candidates ask, in their order, besides those that were heard.

        asker: the host that asks in its turn; empty if none does. Like any that asks already, it counts.
        """
        asking = {host for host, until in self._busy_until.items() if until > now}
        asking |= {*self._called, asker} - {""}
        further = min(further, CONFIRMATIONS) - len(asking.difference(heard))
        free = [host for host in candidates if host not in asking and host not in heard]
        if further > 0 and free:
            # One that was asked and never answered is not asked again before one that was not asked.
            free.sort(key=lambda host: self._busy_until.get(host, -NEVER))
            self.call(free[:further], max(now, self._began_at + self._gap_s))

    def call(self, hosts: Iterable[str], at: float) -> None:
        """Have these hosts ask at that time, together with those that are to ask already."""
        self._called += [host for host in hosts if host not in self._called]
        self.at = min(self.at, at)

    def take(self, now: float) -> list[str]:
        """Return the hosts that ask now."""
        if self.at > now:
            return []
        hosts, self._called, self.at = self._called, [], NEVER
        self._began_at = now
        self._busy_until |= dict.fromkeys(hosts, now + self._busy_s)
        return hosts

    def forget(self, host: str) -> None:
        """Forget a host that is gone or restarted: its answer will never come."""
        self._busy_until.pop(host, None)
        if host in self._called:
            self._called.remove(host)
