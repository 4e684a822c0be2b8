"""A budget keeps its rate on average over ten seconds, whatever is taken from it and when."""

from collections import defaultdict

from hypothesis import example, given
from hypothesis import strategies as st

from services.watcher.limits.budget import BURST_S, MEAN_S, Budget

STEPS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.05, 0.5, 1.0, 3.0, 40.0]), st.integers(1, 400)), max_size=80
)


@example(steps=[(40.0, 400), *[(1.0, 400)] * 12], rate=100.0, largest=1)
@given(steps=STEPS, rate=st.sampled_from([1.0, 10.0, 100.0, 1_000.0]), largest=st.integers(1, 96))
def test_no_ten_seconds_have_more_than_the_rate(
    steps: list[tuple[float, int]], rate: float, largest: int
) -> None:
    """Nor has one second more than the burst; each but for what was taken last, in one piece."""
    budget, now = Budget(rate), 1_000.0
    spent: defaultdict[int, float] = defaultdict(float)
    for passed_s, wanted in steps:
        now, left = now + passed_s, wanted
        while left > 0 and budget.room(now) >= 1:
            frames = min(left, largest)
            budget.spend(frames, now)
            spent[int(now)] += frames
            left -= frames
    for second in list(spent):
        assert spent[second] <= (BURST_S + 1) * rate + largest
        assert sum(spent[s] for s in range(second, second + MEAN_S)) <= MEAN_S * rate + largest


def test_a_hundred_new_networks_are_asked_and_checked_at_once() -> None:
    """A frame for DHCP and one for the gateway that it names."""
    budget = Budget(100.0)
    for _ in range(100):
        assert budget.room(5.0) >= 1
        budget.spend(2, 5.0)
    assert budget.room(5.0) < 1
    assert budget.room(5.5) >= 1
