"""Timers, token buckets and paced queues."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.prober.engine.pacing import PacedQueue, TokenBucket
from services.prober.engine.timers import Timers


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=50))
def test_timers_run_in_order_and_cancelled_ones_do_not(timings: list[tuple[float, bool]]) -> None:
    """Each runs once, when it is due, in the order of time."""
    timers = Timers()
    ran: list[float] = []
    for when, cancelled in timings:
        timer = timers.at(when, lambda now, when=when: ran.append(when))  # type: ignore[misc]
        if cancelled:
            timer.cancel()
    due = sorted(when for when, cancelled in timings if not cancelled)
    timers.run_due(50.0)
    assert ran == [when for when in due if when <= 50.0]
    timers.run_due(100.0)
    assert ran == due
    assert timers.next_deadline() is None


@given(
    st.lists(st.tuples(st.floats(0, 20), st.floats(0, 3), st.booleans()), max_size=60), st.floats(0.01, 2.5)
)
def test_timers_run_in_order_whenever_they_are_set(
    timings: list[tuple[float, float, bool]], step: float
) -> None:
    """By time, then by the order of setting; also those set by an action for now or earlier."""
    timers = Timers()
    ran: list[tuple[float, int]] = []
    expected: list[tuple[float, int]] = []
    now, count = 0.0, itertools.count()

    def put(when: float, wait_s: float | None, *, cancelled: bool) -> None:
        number = next(count)

        def action(_: float) -> None:
            ran.append((when, number))
            if wait_s is not None:
                # The time passed in may be that of an earlier frame, so a new timer may be due already.
                put(when + wait_s, None, cancelled=cancelled)

        timer = timers.at(when, action)
        if cancelled and wait_s is None:
            timer.cancel()
        else:
            expected.append((when, number))

    for when, wait_s, cancelled in timings:
        put(when, wait_s, cancelled=cancelled)
    while now < 25:
        now += step
        timers.run_due(now)
        assert ran == sorted(ran)
        assert ran == sorted(entry for entry in expected if entry[0] <= now)
    assert timers.next_deadline() is None


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans()), min_size=1, max_size=60))
def test_next_deadline_is_never_late(timings: list[tuple[float, bool]]) -> None:
    """Each timer runs at its time, with at most one additional wakeup for each slot."""
    timers = Timers()
    late: list[float] = []
    for when, cancelled in timings:
        timer = timers.at(when, lambda now, when=when: late.append(now - when))  # type: ignore[misc]
        if cancelled:
            timer.cancel()
    wakeups = 0
    while (due := timers.next_deadline()) is not None:
        timers.run_due(due)
        wakeups += 1
        assert wakeups <= 2 * len(timings)
    assert late == [0.0] * sum(not cancelled for _, cancelled in timings)


def test_timer_that_is_cancelled_after_its_slot_began_is_no_deadline() -> None:
    """Cancelled timers are skipped."""
    timers = Timers()
    timers.at(1.0, lambda _: None)
    later = timers.at(1.01, lambda _: None)
    timers.run_due(1.0)
    assert timers.next_deadline() == 1.01
    later.cancel()
    assert timers.next_deadline() is None


@given(st.floats(0.5, 5000), st.lists(st.floats(0, 0.5), max_size=200))
def test_bucket_never_exceeds_its_rate(rate: float, gaps: list[float]) -> None:
    """In any period: at most rate times its length, plus one burst."""
    bucket, now, taken = TokenBucket(rate), 100.0, []
    for gap in gaps:
        now += gap
        while bucket.take(now):
            taken.append(now)
    burst = max(1.0, rate * 0.02)
    for first, start in enumerate(taken):
        assert len(taken) - first <= (taken[-1] - start) * rate + burst + 1


@pytest.mark.parametrize("up_s", [1e3, 2e7, 3e7, 1e9])
def test_empty_bucket_is_ready_later_whatever_the_uptime(up_s: float) -> None:
    """Large floats are far apart; a timer set for the present time would loop."""
    bucket, now = TokenBucket(1000.0), up_s
    for _ in range(1000):
        while bucket.take(now):
            pass
        assert bucket.ready_at(now) > now
        now = bucket.ready_at(now)


@given(st.floats(0.5, 5000), st.integers(1, 60))
def test_paced_queue_runs_all_actions_in_order(rate: float, count: int) -> None:
    """Every wakeup at the next deadline makes progress."""
    timers = Timers()
    paced = PacedQueue(timers, rate)
    ran: list[int] = []
    for number_ in range(count):
        paced.submit(0.0, lambda now, n=number_: ran.append(n))  # type: ignore[misc]
    wakeups = 0
    while (due := timers.next_deadline()) is not None:
        timers.run_due(due)
        wakeups += 1
        assert wakeups <= 2 * count + 2, "a wakeup without a token"
    assert ran == list(range(count))
