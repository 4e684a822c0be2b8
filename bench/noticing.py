"""How soon a silent gateway is told in simulated time, and what its router has to answer for that.

Schedule and judgement are the real ones; hosts, wire and clock are simulated, so nothing else on the machine
matters. tests/simulation has more of it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from bench.table import Entry, Judged, Section, Unit
from services.contract.limits import FRAMES_PER_S
from tests.simulation.noticing import SPREAD_S, told_s


@dataclass(frozen=True, slots=True)
class Case:
    """Gateways behind one router, some of which fall silent."""

    hosts: int
    networks: int
    dead: int
    limit_s: float
    spread_s: float = SPREAD_S

    @property
    def name(self) -> str:
        """For people."""
        hosts = "1 host" if self.hosts == 1 else f"{self.hosts:,} hosts"
        dead = "all at once" if self.dead == self.networks else "one by one"
        return f"{hosts}, {self.networks:,} networks, gateways silent {dead}"


CASES = (
    Case(2, 1_000, 30, 30.0),
    Case(1, 4_094, 60, 90.0),
    Case(8, 500, 500, 60.0, spread_s=0.0),
    Case(1_000, 100, 10, 30.0),
)


def measure() -> Iterator[Entry]:
    """Measure each case."""
    row = Section("A gateway falls silent, default settings, simulated time")
    for case in CASES:
        began = time.monotonic()
        told, rate, start = told_s(
            hosts=case.hosts, vlans=case.networks, dead=case.dead, spread_s=case.spread_s
        )
        took = time.monotonic() - began
        yield row(f"{case.name}: until told", Unit.SECONDS, told, limit=case.limit_s, judged=Judged.MAX)
        name = f"{case.name}: frames to the router, 10 s with the most"
        yield row(name, Unit.PER_SECOND, rate, limit=FRAMES_PER_S, judged=Judged.MAX)
        yield row(f"{name}, at the start", Unit.PER_SECOND, start, limit=FRAMES_PER_S, judged=Judged.MAX)
        yield row(f"{case.name}: the simulation itself, wall", Unit.SECONDS, took)
