"""How soon a simulated site tells that gateways are silent, and what its routers have to answer for that."""

import random
from collections import Counter
from collections.abc import Collection

from services.contract.outcomes import State
from services.watcher.plan.pace import Pace
from tests.simulation.loop import PACE, Loop, Record, network_of
from tests.simulation.site import Vlan

STARTED_S = 10.0
SETTLED_S = 90.0
SPREAD_S = 30.0
"""Time in which gateways die that do not die together."""
MANY_S = 90.0
FOREVER_S = 1e9
MEAN_S = 10
"""Seconds over which a rate is taken: due times are whole seconds, and their jitter is random."""


def told_s(
    *, hosts: int, vlans: int, dead: int, pace: Pace = PACE, spread_s: float = SPREAD_S
) -> tuple[float, float, float]:
    """Return the longest time until a dead gateway is told, and the highest rates of frames to the router:
    before that, and at the start."""
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
    longest = max(told[vlan] - died[vlan] for vlan in died)
    records = loop.records.values()
    return longest, _rate(records, STARTED_S, SETTLED_S), _rate(records, 0, STARTED_S)


def _rate(records: Collection[Record], begin: float, end: float) -> float:
    """Return the highest rate of ARP and DHCP frames a second between these times."""
    frames = Counter[int]()
    for record in records:
        for at, _, _, probes in record.checks:
            frames[int(at)] += probes
        for at, _, _ in record.asks:
            frames[int(at)] += 1
    ends = range(int(begin) + MEAN_S, int(end) + 1)
    return max(sum(frames[second] for second in range(last - MEAN_S, last)) for last in ends) / MEAN_S
