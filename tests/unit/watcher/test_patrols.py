"""Patrols: the next host checks a gateway that no host has checked for a while."""

import itertools
from collections import Counter

import pytest

from services.watcher.limits.pace import NOTICE_S, PATROL_PER_S, Pace
from services.watcher.plan.spreading import PROBES_PER_S
from tests.unit.watcher.builders import (
    ACTIVE,
    KNOWN,
    MANUAL,
    SWEEP_S,
    WINDOW_S,
    described,
    network,
    over_time,
    schedule,
    status_of,
)

SILENT = status_of("Unreachable", gateway="10.0.7.1")


@pytest.mark.parametrize("hosts", [1, 2, 3])
def test_few_hosts_take_turns_between_their_sweeps(hosts: int) -> None:
    """However few there are, one of them checks every 15 s, the one that has not for the longest time."""
    names = [f"n{number}" for number in range(hosts)]
    due = schedule(*names, patrol_per_s=PATROL_PER_S)
    due.upsert(network(route=MANUAL, status=ACTIVE), 0.0)
    assert len(due.due(0.0)) == hosts
    # The first patrol follows sooner, at random, so that those of many new networks do not come together.
    sent = over_time(due, start=0.0, end=2 * SWEEP_S)
    assert 0.0 < sent[0][0] < NOTICE_S
    assert [each for _, each in sent[:hosts]] == [f"{name} 7" for name in names]
    assert {after - before for before, after in itertools.pairwise(at for at, _ in sent)} == {NOTICE_S}


def test_the_sweeps_of_many_hosts_spread_evenly() -> None:
    """Thirty hosts check at once when a network is new; a sweep later one of them does every 10 s, and none
    checks more often than before."""
    names = [f"n{number:02}" for number in range(30)]
    due = schedule(*names, patrol_per_s=PATROL_PER_S)
    due.upsert(network(route=MANUAL, status=ACTIVE), 0.0)
    assert len(due.due(0.0)) == 30
    over_time(due, start=0.0, end=SWEEP_S + 1)
    sent = over_time(due, start=SWEEP_S + 1, end=2 * SWEEP_S + 1)
    assert set(Counter(each for _, each in sent).values()) == {1}
    assert len(sent) == 30
    assert {after - before for before, after in itertools.pairwise(at for at, _ in sent)} == {10.0}


def test_many_gateways_share_the_rate() -> None:
    """Three thousand gateways of a cluster network are patrolled every 40 s, at 75 a second. What is deleted
    takes no share."""
    due = schedule("n1", patrol_per_s=PATROL_PER_S)
    for vlan in range(1, 3_001):
        due.upsert(network(f"a{vlan}", vlan=vlan, route=MANUAL, status=ACTIVE), 0.0)
    due.due(0.0, limit=10**6)
    first = due.next_due()
    assert first < 40.0
    assert len(due.due(first, limit=10**6)) == 3_000
    assert due.next_due() == first + 40.0
    for vlan in range(1, 2_001):
        due.delete(network(f"a{vlan}", vlan=vlan).uid, first + 1.0)
    due.due(first + 40.0, limit=10**6)
    assert due.next_due() == first + 40.0 + NOTICE_S


def test_a_network_that_learns_its_gateway_is_patrolled() -> None:
    """A single host asks DHCP and checks what it learns in one probe; the first patrol follows all the same,
    when the ask is over."""
    due = schedule("n1", patrol_per_s=PATROL_PER_S)
    due.upsert(network(), 0.0)
    assert described(due.due(0.0)) == ["n1 7 dhcp"]
    due.upsert(network(route=KNOWN, status=ACTIVE), 0.5)
    ((at, check),) = over_time(due, start=0.5, end=30.0)
    assert WINDOW_S < at < 2 * NOTICE_S
    assert check == "n1 7"


@pytest.mark.parametrize("names", [["n1"], ["n1", "n2"]])
def test_a_host_that_asks_dhcp_does_not_patrol(names: list[str]) -> None:
    """Its ask may end later than the check, and would hide what that found. Another host does it, or the same
    one when the ask is over."""
    due = schedule(*names, jitter=0.6, patrol_per_s=PATROL_PER_S)
    due.upsert(network(route=KNOWN, status=ACTIVE), 0.0)
    sent = over_time(due, start=0.0, end=4 * SWEEP_S)
    asks = [(at, each.removesuffix(" dhcp")) for at, each in sent if each.endswith("dhcp")]
    assert len(asks) == 4
    during = [(at, each) for at, each in sent for began, _ in asks if began < at < began + WINDOW_S]
    assert not [
        each for at, each in during for began, by in asks if began < at < began + WINDOW_S and by == each
    ]
    assert bool(during) == (len(names) > 1)


def test_a_silent_gateway_is_not_patrolled() -> None:
    """One host at a time probes it, as often as without patrols."""
    sent = []
    for patrol_per_s in (PATROL_PER_S, 0.0):
        due = schedule("n1", "n2", patrol_per_s=patrol_per_s)
        due.upsert(network(route=MANUAL, status=SILENT), 0.0)
        sent.append(over_time(due, start=0.0, end=SWEEP_S))
    assert sent[0] == sent[1]


def test_more_gateways_than_a_probe_holds_are_left_to_the_sweep() -> None:
    """Each of them waits for its turn, which a patrol would delay."""
    due = schedule("n1", patrol_per_s=PATROL_PER_S)
    for number in range(65):
        route = MANUAL.replace("10.0.7.1", f"10.0.7.{number + 1}")
        due.upsert(network(f"a{number}", route=route, status=ACTIVE), 0.0)
    due.due(0.0)
    assert due.next_due() == SWEEP_S / 2


def test_an_outage_delays_patrols_with_the_sweep() -> None:
    """What fell due while nothing could be sent is spread; patrols of thousands do not go out at once."""
    due = schedule(*(f"n{number}" for number in range(32)), patrol_per_s=PATROL_PER_S)
    for vlan in range(1, 1_001):
        due.upsert(network(f"a{vlan}", vlan=vlan, route=MANUAL, status=ACTIVE), 0.0)
    over_time(due, start=0.0, end=20.0)
    due.spread_overdue(600.0)
    assert len(due.due(600.0, limit=10**6)) <= PROBES_PER_S + 32


@pytest.mark.parametrize(
    ("hosts", "gateways", "expected"),
    [(1, 1, 15.0), (20, 100, 15.0), (32, 100, 9.375), (32, 1_000, 13.3), (2, 1_000, 15.0), (1, 4_094, 54.6)],
)
def test_how_long_a_gateway_may_go_unchecked(hosts: int, gateways: int, expected: float) -> None:
    """15 s up to 1,000 gateways on one cluster network, less where the sweeps of many hosts do better."""
    assert Pace().patrol_s(hosts, gateways) == pytest.approx(expected, abs=0.1)
