"""Frames on a cluster network stay within their budget, and nothing is told late or wrong because of that."""

import itertools

import pytest

from services.contract.limits import FRAMES_PER_S
from services.contract.outcomes import State
from services.watcher.limits.pace import Pace
from tests.simulation.loop import Loop, network_of
from tests.simulation.noticing import MEAN_S, frames_by_second
from tests.simulation.site import Vlan

SETTLED_S, BACK_S, END_S = 400.0, 600.0, 800.0
"""When a router dies and is back, with 500 gateways under 32 hosts."""
TOLD_S = 60.0
KNOWN_S = 30.0
"""When all gateways have answered, and the watcher has read by which router."""
DYING = 1.2
FIRST_TOLD_S = 3 * 60.0


def start(vlans: list[Vlan], *, hosts: int, pace: Pace = Pace()) -> Loop:  # noqa: B008 - frozen
    """Start a site on which all networks are new."""
    loop = Loop(vlans, seed=3, lost=0.0, pace=pace)
    loop.announce({f"n{number}": 1 for number in range(hosts)})
    for vlan in vlans:
        loop.create(vlan.vlan, network_of(vlan))
    return loop


def highest_rate(loop: Loop, *, begin: float = 0.0, end: float = END_S) -> float:
    """Return the frames a second in the ten seconds with the most that begin between these times."""
    frames = frames_by_second(loop.records.values())
    firsts = [second for second in frames if begin <= second < end]
    return max(sum(frames[s] for s in range(first, first + MEAN_S)) for first in firsts) / MEAN_S


def told_after(loop: Loop, state: State, begin: float) -> float:
    """Return how long after that time the last network was told to be in this state."""
    return (
        max(
            next(at for at, told, *_ in record.reported if told == state and at >= begin)
            for record in loop.records.values()
        )
        - begin
    )


@pytest.fixture(scope="module", params=[1, 3])
def router(request: pytest.FixtureRequest) -> Loop:
    """A router with 500 gateways, on one or three cluster networks, under 32 hosts dies, and comes back."""
    names = [f"cluster{number}" for number in range(request.param)]
    site = [
        Vlan(vlan, gateway_out=(SETTLED_S, BACK_S), cluster_network=names[vlan % len(names)])
        for vlan in range(1, 501)
    ]
    loop = start(site, hosts=32)
    loop.run(END_S)
    return loop


@pytest.mark.long
def test_a_dead_router_is_told_within_a_minute(router: Loop) -> None:
    """All its gateways are; and all of them are told to answer as soon after it is back."""
    assert told_after(router, State.UNREACHABLE, SETTLED_S) <= TOLD_S
    assert told_after(router, State.ACTIVE, BACK_S) <= TOLD_S


@pytest.mark.long
def test_a_router_gets_no_more_frames_than_its_budget(router: Loop) -> None:
    """Once it is known which gateways are one router, and when it comes back: no storm. While it dies, each
    check takes three frames in place of one, which is known four seconds later."""
    assert highest_rate(router, begin=KNOWN_S, end=SETTLED_S - MEAN_S) <= FRAMES_PER_S
    assert highest_rate(router, begin=BACK_S - MEAN_S) <= FRAMES_PER_S
    assert highest_rate(router, begin=KNOWN_S) <= DYING * FRAMES_PER_S
    if len(router.cluster_networks) == 1:
        assert highest_rate(router) <= DYING * FRAMES_PER_S
        assert highest_rate(router, end=KNOWN_S) <= FRAMES_PER_S


@pytest.mark.long
def test_each_gateway_of_a_router_is_told_once(router: Loop) -> None:
    """What waits for the budget leads to no other state in between."""
    for record in router.records.values():
        states = [state for state, _ in itertools.groupby(told for _, told, *_ in record.reported)]
        states = [state for state in states if state != State.PENDING]
        assert states == [State.ACTIVE, State.UNREACHABLE, State.ACTIVE], record.reported


@pytest.mark.long
def test_thousands_of_new_networks_are_told_within_three_minutes() -> None:
    """The first ones at once, and none at a higher rate."""
    loop = start([Vlan(vlan) for vlan in range(1, 4_095)], hosts=1)
    loop.run(FIRST_TOLD_S)
    told = sorted(
        next(at for at, state, *_ in record.reported if state == State.ACTIVE)
        for record in loop.records.values()
    )
    assert len(told) == 4_094
    assert told[90] <= 1.0
    assert highest_rate(loop) <= FRAMES_PER_S


@pytest.mark.parametrize("hosts", [1, 2, 32])
def test_a_hundred_networks_notice_nothing(hosts: int) -> None:
    """Each of them has its first answer at once."""
    loop = start([Vlan(vlan) for vlan in range(1, 101)], hosts=hosts)
    loop.run(5.0)
    assert told_after(loop, State.ACTIVE, 0.0) <= 1.0


@pytest.mark.long
def test_a_site_is_not_unknown_because_of_its_pace() -> None:
    """Where a sweep takes longer than results count by the settings alone, they count for longer."""
    loop = start(
        [Vlan(vlan) for vlan in range(1, 401)], hosts=1, pace=Pace(patrol_per_s=0.75, frames_per_s=1.0)
    )
    loop.run(3 * 3_600.0)
    checked = [
        sorted([at for at, *_ in each.checks] + [at for at, *_ in each.asks])
        for each in loop.records.values()
    ]
    assert max(b - a for times in checked for a, b in itertools.pairwise(times)) > 2 * Pace().sweep_s
    told = {state for record in loop.records.values() for _, state, *_ in record.reported}
    assert told <= {State.PENDING, State.ACTIVE}
