"""What a pace allows: how often hosts sweep, how long a result counts, and how many hosts confirm a doubt.

A pace is a number of ARP and DHCP frames a second on one cluster network, by all hosts together; 0 is no
limit. Watcher and updater both use these functions, so a site that is probed slowly is judged accordingly.
"""

from collections.abc import Iterable

from services.contract.limits import REPORT_WITHIN_S

FRESH_SWEEPS = 2
"""A result counts for this many sweeps."""
FRAMES_PER_HOST = 4
"""What one host sends to check a gateway that may be silent: three ARP probes and an echo."""
CROWD_CONFIRMERS = 2
FRAMES_OF_ASK = 2
"""What one of the hosts sends besides in a sweep: it asks DHCP, and checks the gateway that is named."""
SWEEP_SHARE = 0.5
"""Share of the pace that sweeps take. Results are still fresh where they get only half of that."""
DOUBT_SHARE = 0.25
"""Share of the pace for doubts that every host confirms. The rest is for those that two confirm, and for
noticing the next ones: a router may die with all its gateways."""


def sweep_interval_s(hosts: int, segments: int, *, sweep_s: float, pace: float) -> float:
    """Return the seconds between two probes of a segment from one host: sweep_s, or what the pace allows."""
    return shared_interval_s([(hosts, segments)], sweep_s=sweep_s, pace=pace)


def shared_interval_s(loads: Iterable[tuple[int, int]], *, sweep_s: float, pace: float) -> float:
    """Return the same for pairs of hosts and segments that share one pace, as those of one router do."""
    if not pace:
        return sweep_s
    frames = sum((hosts + FRAMES_OF_ASK) * segments for hosts, segments in loads)
    return max(sweep_s, frames / (SWEEP_SHARE * pace))


def fresh_s(interval_s: float) -> float:
    """Return for how many seconds a result counts where hosts sweep at this interval."""
    return FRESH_SWEEPS * interval_s


def confirmers(open_doubts: int, carriers: int, *, pace: float) -> int:
    """Return how many carriers to ask in one more doubt: all, or two where the pace is too slow for all."""
    frames = (open_doubts + 1) * carriers * FRAMES_PER_HOST
    fits = not pace or frames <= DOUBT_SHARE * pace * REPORT_WITHIN_S
    return carriers if fits else min(CROWD_CONFIRMERS, carriers)


class HeldInterval:
    """A sweep interval that grows at once and shrinks when the results of the longer one are renewed."""

    def __init__(self) -> None:
        self._held_s = 0.0
        self._until = 0.0

    def take(self, interval_s: float, now: float) -> float:
        """Take the present interval; return the one by which results are judged now. now: seconds that never
        jump back."""
        if interval_s >= self._held_s or now >= self._until:
            self._held_s = interval_s
        if interval_s >= self._held_s:
            self._until = now + interval_s
        return self._held_s
