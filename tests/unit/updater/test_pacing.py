"""The rate of writes under 429s: against servers that limit it in several ways, in simulated time."""

import heapq
import random
from collections import Counter
from collections.abc import Callable

import pytest

from services.updater.write.pacing import SLOWEST_PER_S, WINDOW_WRITES, Pace
from tests.support.manual_clock import ManualClock

WRITERS = 8
LATENCY_S = 0.02
REFUSAL_S = 0.001
"""A 429 is answered sooner than a write."""
UNLIMITED_PER_S = WRITERS / LATENCY_S


class Site:
    """Eight writers with enough to write, and a server."""

    def __init__(self, takes: Callable[[float, int], bool]) -> None:
        """takes: whether the server takes a write now, with so many others in progress."""
        self.clock = ManualClock(seconds=0.0)
        self.pace = Pace(self.clock)
        self.takes = takes
        self.taken = self.refused = 0
        self._idle = WRITERS
        self._serving = 0
        self._ends: list[tuple[float, bool]] = []

    def run(self, seconds: float) -> None:
        """Write for so long."""
        until = self.clock.seconds + seconds
        self.taken = self.refused = 0
        while self.clock.seconds < until:
            wait_s = self.pace.wait_s() if self._idle else float("inf")
            if wait_s <= 1e-9:
                self._start()
            elif self._ends and self._ends[0][0] <= self.clock.seconds + wait_s:
                self._end()
            else:
                self.clock.seconds += wait_s

    def _start(self) -> None:
        self._idle -= 1
        self.pace.started()
        is_taken = self.takes(self.clock.seconds, self._serving)
        self._serving += is_taken
        heapq.heappush(self._ends, (self.clock.seconds + (LATENCY_S if is_taken else REFUSAL_S), is_taken))

    def _end(self) -> None:
        at, is_taken = heapq.heappop(self._ends)
        self.clock.seconds = max(self.clock.seconds, at)
        self._idle += 1
        self._serving -= is_taken
        self.taken += is_taken
        self.refused += not is_taken
        self.pace.ended(is_throttled=not is_taken)


def tokens(per_s: float) -> Callable[[float, int], bool]:
    """A server with a limit on the rate, with a burst of five."""
    level, counted_at = 5.0, 0.0

    def takes(now: float, _: int) -> bool:
        nonlocal level, counted_at
        level, counted_at = min(5.0, level + (now - counted_at) * per_s), now
        if level < 1:
            return False
        level -= 1
        return True

    return takes


def test_without_a_429_there_is_no_limit() -> None:
    """The writers alone decide the rate."""
    site = Site(lambda _, __: True)
    site.run(10)
    assert site.pace.per_s is None
    assert site.taken == pytest.approx(10 * UNLIMITED_PER_S, rel=0.02)


def test_a_single_429_does_not_slow_the_others() -> None:
    """It concerns one write of thousands."""
    refusals = iter([True])
    site = Site(lambda _, __: not next(refusals, False))
    site.run(10)
    assert (site.pace.per_s, site.refused) == (None, 1)
    assert site.taken == pytest.approx(10 * UNLIMITED_PER_S, rel=0.02)


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_a_few_429s_do_not_slow_the_others(share: float) -> None:
    """What is refused now and then, for whatever reason, leaves at least 80 % of the rate."""
    chance = random.Random(1)
    site = Site(lambda _, __: chance.random() >= share)
    site.run(60)
    assert site.taken >= 0.8 * 60 * UNLIMITED_PER_S


@pytest.mark.parametrize("per_s", [10.0, 50.0, 200.0])
def test_a_server_that_limits_the_rate_is_used_fully_and_not_flooded(per_s: float) -> None:
    """At least 80 % of what it takes, and at most one in five requests in vain."""
    site = Site(tokens(per_s))
    site.run(10)
    site.run(60)
    assert site.taken >= 0.8 * 60 * per_s
    assert site.refused <= 0.25 * site.taken


def test_a_server_that_limits_the_writes_in_progress_is_used_fully_and_not_flooded() -> None:
    """API Priority and Fairness counts what is in progress: here, half as many as there are writers."""
    site = Site(lambda _, serving: serving < WRITERS // 2)
    site.run(10)
    site.run(60)
    assert site.taken >= 0.8 * 60 * UNLIMITED_PER_S / 2
    assert site.refused <= 0.25 * site.taken


def test_a_server_that_takes_nothing_is_asked_slowly_and_used_soon_after_it_is_back() -> None:
    """Eight times a second, and after some seconds at the full rate again."""
    back_at = 60.0
    site = Site(lambda now, _: now >= back_at)
    site.run(5)
    site.run(55)
    assert site.refused <= 55 * SLOWEST_PER_S + 2
    site.run(15)
    site.run(10)
    assert site.pace.per_s is None
    assert site.taken == pytest.approx(10 * UNLIMITED_PER_S, rel=0.02)


def test_a_server_that_refuses_as_many_at_any_rate_still_takes_some() -> None:
    """It comes back, and refuses the first four of each second: to write more slowly does not help."""
    back_at = 30.0
    asked = Counter[int]()

    def takes(now: float, _: int) -> bool:
        asked[int(now)] += 1
        return now >= back_at and asked[int(now)] > WRITERS // 2

    site = Site(takes)
    site.run(back_at)
    site.run(60)
    assert site.taken >= 0.8 * 60 * WRITERS / 2


def test_429s_of_long_ago_do_not_slow_the_next_writes() -> None:
    """A window that was never full says nothing after a pause."""
    clock = ManualClock()
    pace = Pace(clock)
    for is_throttled in (True, True, False):
        pace.started()
        pace.ended(is_throttled=is_throttled)
    clock.seconds += 600
    pace.started()
    pace.ended(is_throttled=True)
    assert pace.per_s is None
    assert WINDOW_WRITES > 4
