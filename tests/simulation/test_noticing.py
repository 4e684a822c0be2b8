"""A gateway that falls silent is told within 30 s, at a rate that its router can bear.

Each site has settled when its gateways die, so the sweeps alone would take minutes.
"""

import random
from collections import Counter
from collections.abc import Collection

import pytest

from services.contract.limits import FRAMES_PER_S
from services.contract.outcomes import State
from services.watcher.plan.pace import Pace
from tests.simulation.loop import Loop, Record, network_of
from tests.simulation.site import Vlan

SETTLED_S = 90.0
SPREAD_S = 30.0
"""Time in which gateways die that do not die together."""
LIMIT_S = 30.0
MANY_S = 90.0
ROUTER_S = 60.0
FOREVER_S = 1e9
MEAN_S = 10
"""Seconds over which a rate is taken: due times are whole seconds, and their jitter is random."""


def _told_s(
    *, hosts: int, vlans: int, dead: int, pace: Pace, spread_s: float = SPREAD_S
) -> tuple[float, float]:
    """Return the longest time until a dead gateway is told, and the highest rate of frames before."""
    chance = random.Random(5)
    died = {vlan: SETTLED_S + chance.uniform(0.0, spread_s) for vlan in range(1, dead + 1)}
    site = [
        Vlan(vlan, gateway_out=(died[vlan], FOREVER_S)) if vlan in died else Vlan(vlan)
        for vlan in range(1, vlans + 1)
    ]
    loop = Loop(site, seed=3, lost=0.0, pace=pace)
    loop.announce({f"n{number}": 1 for number in range(hosts)})
    for vlan in site:
        loop.create(vlan.vlan, network_of(vlan))
    loop.run(SETTLED_S + spread_s + MANY_S)
    told = {
        vlan: next(
            (at for at, state, *_ in loop.records[vlan].reported if state == State.UNREACHABLE), FOREVER_S
        )
        for vlan in died
    }
    return max(told[vlan] - died[vlan] for vlan in died), _rate(loop.records.values())


def _rate(records: Collection[Record]) -> float:
    """Return the highest rate of ARP and DHCP frames a second, from the first checks until gateways die."""
    frames = Counter[int]()
    for record in records:
        for begin, _, _, probes in record.checks:
            frames[int(begin)] += probes
        for begin, _, _ in record.asks:
            frames[int(begin)] += 1
    ends = range(MEAN_S * 2, int(SETTLED_S) + 1)
    return max(sum(frames[second] for second in range(end - MEAN_S, end)) for end in ends) / MEAN_S


@pytest.mark.parametrize("hosts", [1, 2, 8, 32])
def test_a_silent_gateway_is_told_within_30_s(hosts: int) -> None:
    """However many hosts carry the network: with few, one of them checks between the sweeps."""
    told_s, _ = _told_s(hosts=hosts, vlans=100, dead=50, pace=Pace())
    assert told_s <= LIMIT_S


def test_one_of_a_thousand_is_told_within_30_s() -> None:
    """The checks that this takes stay below what a router should have to answer."""
    told_s, rate = _told_s(hosts=2, vlans=1_000, dead=30, pace=Pace())
    assert told_s <= LIMIT_S
    assert rate <= FRAMES_PER_S


def test_a_router_with_500_gateways_that_dies_is_told_within_a_minute() -> None:
    """All its gateways fall silent at once, and DHCP still answers."""
    told_s, _ = _told_s(hosts=8, vlans=500, dead=500, pace=Pace(), spread_s=0.0)
    assert told_s <= ROUTER_S


def test_one_of_4094_is_told_within_90_s() -> None:
    """Their checks take turns, so that a router bears them."""
    told_s, rate = _told_s(hosts=1, vlans=4_094, dead=60, pace=Pace())
    assert told_s <= MANY_S
    assert rate <= FRAMES_PER_S


def test_one_of_4094_is_told_within_30_s_where_the_router_bears_it() -> None:
    """With a higher rate."""
    told_s, _ = _told_s(hosts=1, vlans=4_094, dead=60, pace=Pace(patrol_per_s=400.0))
    assert told_s <= LIMIT_S
