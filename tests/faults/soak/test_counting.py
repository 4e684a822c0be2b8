"""Time as the bounds of the soak count it."""

import pytest

from tests.faults.soak.counting import Counting


def test_counted_time_leaves_out_what_the_machine_took() -> None:
    """A bound begins earlier by the time in which this process got no turn, or nobody could probe."""
    now, hindered = [0.0], [False]
    counting = Counting(lambda: hindered[0], clock=lambda: now[0])
    for step in [0.1] * 100 + [20.0] + [0.1] * 100:
        now[0] += step
        counting.note()
    assert counting.since_run(now[0], 15.0) == pytest.approx(5.0, abs=0.3)
    assert counting.run_s(0.0, now[0]) == pytest.approx(20.0, abs=0.3)
    hindered[0] = True
    for _ in range(50):
        now[0] += 0.1
        counting.note()
    assert counting.since_run(now[0], 15.0) == pytest.approx(30.0, abs=0.3)
    assert counting.since_probed(now[0], 15.0) == pytest.approx(5.0, abs=0.3)
