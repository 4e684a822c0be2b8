"""Due probes without news are spread; news is not."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.watcher.plan.schedule import Schedule
from services.watcher.plan.spreading import PROBES_PER_S, SPREAD_S, Spread
from tests.unit.watcher.builders import ACTIVE, MANUAL, described, host, network, schedule, status_of

BIG = 4_000
MANY = tuple(f"n{number}" for number in range(32))


@example(sizes=[BIG] * 100, start=0)
@given(sizes=st.lists(st.integers(1, BIG), max_size=200), start=st.integers(0, 10**6))
def test_slots_are_filled_in_order(sizes: list[int], start: int) -> None:
    """None exceeds the rate before the last one, and none is later than the limit."""
    spread = Spread(float(start))
    slots = [(spread.slot(size), size) for size in sizes]
    assert [at for at, _ in slots] == sorted(at for at, _ in slots)
    for at, group in itertools.groupby(slots, key=lambda slot: slot[0]):
        assert start <= at <= start + SPREAD_S
        if at < start + SPREAD_S:
            assert sum(size for _, size in group) <= PROBES_PER_S + BIG


def sent(due: Schedule, *, start: float, end: float) -> dict[float, int]:
    """Return how many probes are sent in each second."""
    counts = dict[float, int]()
    now = start
    while now < end:
        counts[now] = counts.get(now, 0) + len(due.due(now))
        now = max(now, due.next_due())
    return counts


@pytest.mark.parametrize("what", ["start", "hosts", "lead"])
def test_large_numbers_are_spread(what: str) -> None:
    """1,000 Active networks on 32 hosts are sent at the limit and within the spread time, at start-up, when
    hosts announce themselves again and on becoming leader."""
    due = schedule(*MANY)
    for vlan in range(1, 1_001):
        due.upsert(network(f"a{vlan}", vlan=vlan, route=MANUAL, status=ACTIVE), 0.0)
    start = 0.0
    if what != "start":
        sent(due, start=0.0, end=20.0)
        start = 100.0
        if what == "lead":
            due.make_all_due(start)
        else:
            due.set_hosts([host(name, incarnation=2) for name in MANY], start)
    counts = sent(due, start=start, end=start + SPREAD_S + 1)
    seconds = [
        sum(n for at, n in counts.items() if int(at) == second) for second in {int(at) for at in counts}
    ]
    assert sum(seconds) == 32_000
    assert max(seconds) <= PROBES_PER_S + len(MANY)


def test_small_numbers_are_not_spread() -> None:
    """A small site gets everything at once."""
    due = schedule("n1", "n2")
    for vlan in range(1, 101):
        due.upsert(network(f"a{vlan}", vlan=vlan, route=MANUAL, status=ACTIVE), 0.0)
    assert len(due.due(0.0)) == 200


def test_news_comes_first_and_failing_networks_next() -> None:
    """In a spread of thousands, a change is due at once, even of what was delayed; then what is not
    Active."""
    due = schedule(*MANY)
    for vlan in range(1, 1_001):
        status = ACTIVE if vlan < 900 else status_of("Partial", gateway="10.0.7.1")
        due.upsert(network(f"a{vlan}", vlan=vlan, route=MANUAL, status=status), 0.0)
    sent(due, start=0.0, end=20.0)
    due.make_all_due(25.0)
    first = described(due.due(25.0, limit=10**6))
    assert {int(each.split()[1]) for each in first} > set(range(900, 1_001))
    due.upsert(network("a899", vlan=899, route=MANUAL.replace("10.0.7.1", "10.0.7.9"), status=ACTIVE), 25.5)
    due.upsert(network("new", vlan=2_000, route=MANUAL), 25.5)
    assert {int(each.split()[1]) for each in described(due.due(25.5))} == {899, 2_000}


def test_unsent_news_is_not_delayed() -> None:
    """After an outage everything that fell due is spread except news."""
    due = schedule(*MANY)
    for vlan in range(1, 1_001):
        due.upsert(network(f"a{vlan}", vlan=vlan, route=MANUAL, status=ACTIVE), 0.0)
    sent(due, start=0.0, end=20.0)
    for name, vlan, now in (("a500", 500, 200.0), ("a700", 700, 600.0)):
        due.upsert(network(name, vlan=vlan, route=MANUAL, status=ACTIVE, probe_now="1"), now)
        if vlan == 500:
            lost = due.due(now)
            assert {probe.probe.vlan for probe in lost} == {500}
            due.put_back(lost, now + 1.0)
    due.spread_overdue(600.0)
    first = {probe.probe.vlan for probe in due.due(600.0, limit=10**6)}
    assert {500, 700} <= first
    assert 100 <= len(first) <= 200
