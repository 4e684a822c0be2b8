"""One function of hosts, segments and pace says how often is swept, what is fresh, and how many confirm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.limits import REPORT_WITHIN_S
from services.network.judge.evidence import Carriers
from services.network.paced import (
    DOUBT_SHARE,
    FRAMES_PER_HOST,
    HeldInterval,
    confirmers,
    fresh_s,
    sweep_interval_s,
)


@pytest.mark.parametrize(
    ("hosts", "segments", "pace", "expected"),
    [
        (32, 100, 100.0, 300.0),
        (1, 4_094, 100.0, 300.0),
        (32, 4_094, 100.0, 2_783.9),
        (32, 4_094, 1_000.0, 300.0),
        (1_000, 4_094, 0.0, 300.0),
        (2, 100, 1.0, 800.0),
        (0, 0, 100.0, 300.0),
    ],
)
def test_a_sweep_takes_as_long_as_the_pace_needs(
    hosts: int, segments: int, pace: float, expected: float
) -> None:
    """A small site is swept as often as it is set; without a limit, so is each."""
    assert sweep_interval_s(hosts, segments, sweep_s=300.0, pace=pace) == pytest.approx(expected, abs=0.1)


@given(hosts=st.integers(1, 1_000), segments=st.integers(1, 4_094), pace=st.floats(0.1, 1e5))
def test_a_result_counts_until_each_host_had_its_turn(hosts: int, segments: int, pace: float) -> None:
    """Even where sweeps get a quarter of the pace, every host checks every segment before what it found last
    counts no more."""
    interval_s = sweep_interval_s(hosts, segments, sweep_s=300.0, pace=pace)
    assert hosts * segments / (0.25 * pace) <= fresh_s(interval_s) * (1 + 1e-9)
    assert Carriers(frozenset(), sweep_s=interval_s).fresh_s(600.0) == max(600.0, fresh_s(interval_s))


@pytest.mark.parametrize("pace", [0.0, 1.0, 100.0, 10_000.0])
@pytest.mark.parametrize(("doubts", "carriers"), [(0, 1), (0, 3), (8, 16), (9, 16), (1_000, 2), (5_000, 32)])
def test_all_hosts_confirm_as_long_as_the_pace_allows_it(doubts: int, carriers: int, pace: float) -> None:
    """In a share of it, in the time in which a host must report; else two hosts, or one where there is no
    second."""
    fits = (doubts + 1) * carriers * FRAMES_PER_HOST <= DOUBT_SHARE * pace * REPORT_WITHIN_S
    expected = carriers if fits or not pace else min(2, carriers)
    assert confirmers(doubts, carriers, pace=pace) == expected


def test_an_interval_shrinks_when_the_results_of_the_longer_one_are_renewed() -> None:
    """It grows at once. When most hosts go, what the others found does not become old by that."""
    held = HeldInterval()
    assert [held.take(s, now) for s, now in ((300.0, 0.0), (2_000.0, 1.0), (300.0, 2.0))] == [
        300,
        2_000,
        2_000,
    ]
    assert held.take(300.0, 2_000.0) == 2_000
    assert held.take(300.0, 2_001.0) == 300
