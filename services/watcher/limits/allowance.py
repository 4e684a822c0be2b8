"""The frames that a cluster network, or a router, may be sent by all hosts together.

Pure: time is an argument, in seconds of any monotonic clock.
"""

from services.watcher.limits.budget import MEAN_S, Budget
from services.watcher.limits.risk import Risk
from services.watcher.limits.workload import FRAMES_OF_SILENCE

_HOPED_SHARE = 0.65
"""Of the frames, for checks that take one if the gateway answers. When a router dies with all its gateways,
they take three until the first are in doubt, some 4 s later: that must not be more than the budget."""


class Allowance:
    """A budget of frames, and how many more than expected they may become."""

    def __init__(self, rate: float) -> None:
        """rate: frames a second."""
        self._budget = Budget(rate)
        self._most_debt = MEAN_S * rate
        self._hopes = Budget(_HOPED_SHARE * rate, burst_s=1.0)
        self._risk = Risk()

    def set_rate(self, rate: float) -> None:
        """Change the rate from now on, in frames a second."""
        self._budget.set_rate(rate)
        self._most_debt = MEAN_S * rate
        self._hopes.set_rate(_HOPED_SHARE * rate, burst_s=1.0)

    def room(self, now: float) -> float:
        """Return how many frames may be sent now."""
        return self._budget.room(now)

    def hoped(self, now: float) -> float:
        """Return how many checks may be sent now of gateways that answered before."""
        return self._hopes.room(now)

    def risk(self, now: float) -> float:
        """Return how likely such a check finds silence, 0 to 1."""
        return self._risk.at(now)

    def spend(self, frames: float, now: float) -> None:
        """Record frames that are sent."""
        self._budget.spend(frames, now)

    def spend_by_hand(self, frames: float, now: float) -> None:
        """Record frames that were sent whatever the room. No more are made up for than some seconds' worth:
        probing everything by hand must not stop the plan for minutes."""
        self._budget.spend(max(0.0, min(frames, self._budget.room(now) + self._most_debt)), now)

    def hope(self, checks: int, now: float) -> None:
        """Record checks of gateways that answered before."""
        self._risk.checked(checks, now)
        self._hopes.spend(checks, now)

    def found_silent(self, hosts: int, counted: float, now: float) -> None:
        """Record that so many hosts found a gateway silent, for which `counted` frames each are spent."""
        self._risk.found_silent(hosts, now)
        self._budget.spend((FRAMES_OF_SILENCE - counted) * hosts, now)
