"""Patrols of one segment: the next host checks it when none has for a while, so that silence is noticed soon.

Pure: time is an argument, in seconds of any monotonic clock.
"""

import math
from collections.abc import Callable

from services.watcher.limits.crowds import Crowd
from services.watcher.limits.pace import JITTER, Pace
from services.watcher.plan.rotation import NEVER


class Patrol:
    """When the next host checks a segment, unless another one does before."""

    def __init__(self, crowd: Crowd, *, pace: Pace, random: Callable[[], float]) -> None:
        self.at = NEVER
        self._crowd = crowd
        self._pace = pace
        self._random = random
        self._checked_at = -NEVER
        self._share = 1.0
        """The share of the time between two patrols after which the next one follows that check."""
        self._is_phased = False
        """Whether there was a patrol since many segments may have been checked together."""

    def scatter(self) -> None:
        """Have the next patrol follow a check at any time within the usual one.

        Many segments are checked together when they are new, or hosts are; their patrols should not be.
        """
        self._is_phased = False

    def delay(self, until: float) -> None:
        """Delay a patrol that is due before then."""
        self.at = max(self.at, until)

    def checked(self, now: float, hosts: int) -> None:
        """Plan the next patrol after a check now; so many hosts carry the segment."""
        self._checked_at = now
        least = 1 - JITTER if self._is_phased else JITTER
        self._share = least + (1 + JITTER - least) * self._random()
        self.at = self._next(hosts)

    def is_due(self, now: float, hosts: int) -> bool:
        """Return whether a host checks now, by the number of gateways that are known now."""
        if self.at <= now:
            self.at = self._next(hosts)
        return self.at <= now

    def begin(self, now: float, hosts: int) -> None:
        """Record that a host checks now as a patrol."""
        self._is_phased = True
        self.checked(now, hosts)

    def wait_for_ask(self, ends_at: float, hosts: int) -> None:
        """Put a patrol off until the end of a DHCP ask, which checks the gateway when it begins."""
        self.checked(ends_at - self._pace.ask_window_s if self._is_phased else ends_at, hosts)
        self.delay(ends_at)

    def _next(self, hosts: int) -> float:
        gateways = max(self._crowd.gateways, self._crowd.shared_gateways)
        gap_s = self._crowd.pace.patrol_s(hosts, gateways) if hosts else NEVER
        # Whole seconds, so that many segments become due together and share a message.
        return math.ceil(self._checked_at + self._share * gap_s) if gap_s < NEVER else NEVER
