"""How soon a simulated site tells that gateways are silent, and what its routers have to answer for that."""

import random
from collections import Counter
from collections.abc import Collection

from services.contract.outcomes import State
from services.watcher.limits.pace import Pace
from tests.simulation.loop import PACE, Loop, Record, network_of
from tests.simulation.site import DHCP_DEADLINE_S, Vlan

STARTED_S = 10.0
SETTLED_S = 90.0
SPREAD_S = 30.0
"""Time in which gateways die that do not die together."""
MANY_S = 90.0
FOREVER_S = 1e9
MEAN_S = 10
"""Seconds over which a rate is taken: due times are whole seconds, and their jitter is random."""
DISCOVERS_S = (0, 4, 8)
"""When a prober sends DHCPDISCOVERs that nobody answers."""


def told_s(
    *,
    hosts: int,
    vlans: int,
    dead: int,
    pace: Pace = PACE,
    spread_s: float = SPREAD_S,
    settled_s: float = SETTLED_S,
) -> tuple[float, float, float]:
    """Return the longest time until a dead gateway is told, and the highest rates of frames to the router:
    from then on, and at the start."""
    chance = random.Random(5)
    died = {vlan: settled_s + chance.uniform(0.0, spread_s) for vlan in range(1, dead + 1)}
    site = [
        Vlan(vlan, gateway_out=(died[vlan], FOREVER_S)) if vlan in died else Vlan(vlan)
        for vlan in range(1, vlans + 1)
    ]
    loop = Loop(site, seed=3, lost=0.0, pace=pace)
    loop.announce({f"n{number}": 1 for number in range(hosts)})
    for vlan in site:
        loop.create(vlan.vlan, network_of(vlan))
    loop.run(settled_s + spread_s + MANY_S)
    told = {
        vlan: next(
            (at for at, state, *_ in loop.records[vlan].reported if state == State.UNREACHABLE), FOREVER_S
        )
        for vlan in died
    }
    longest = max(told[vlan] - died[vlan] for vlan in died)
    records = loop.records.values()
    return longest, _rate(records, STARTED_S, loop.clock.seconds), _rate(records, 0, STARTED_S)


def frames_by_second(records: Collection[Record]) -> Counter[int]:
    """Return how many ARP and DHCP frames are sent in each second: a prober sends one a second where nothing
    answers ARP, and three DHCPDISCOVERs before it gives up."""
    frames = Counter[int]()
    for record in records:
        for at, _, _, probes in record.checks:
            frames.update(int(at) + number for number in range(probes))
        for at, end, _ in record.asks:
            is_answered = end - at < DHCP_DEADLINE_S
            frames.update(int(at) + wait_s for wait_s in ((0,) if is_answered else DISCOVERS_S))
    return frames


def _rate(records: Collection[Record], begin: float, end: float) -> float:
    """Return the highest rate of frames a second between these times."""
    frames = frames_by_second(records)
    ends = range(int(begin) + MEAN_S, int(end) + 1)
    return max(sum(frames[second] for second in range(last - MEAN_S, last)) for last in ends) / MEAN_S
