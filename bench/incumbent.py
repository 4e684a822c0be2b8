"""The three cases in which Harvester's own controller is slow or wrong, with all of nadroute as processes.

Limits are the times of that controller, as measured on Harvester.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from bench.compiling import Programs
from bench.loop_client import Told
from bench.loop_site import vlans
from bench.real_loop import RealLoop, open_real_loop
from bench.table import Entry, Judged, Section, Unit
from lab.bigsite import addressing

NETWORKS = 1_150
_WATCHED_S = 40.0
"""How long it is watched after the last case that nothing wrong follows: longer than a retry."""


@dataclass(frozen=True)
class Case:
    """Networks that are created at once."""

    name: str
    prefix: str
    share: float
    incumbent_s: float
    expected: str = "true"
    gateway: Callable[[int], IPv4Address] | None = None
    """The gateway of a manual network; None for an automatic one."""


def _nobody(vlan: int) -> IPv4Address:
    return addressing.network(vlan)[2]


CASES = (
    Case("automatic networks", "auto", 50 / NETWORKS, 119.0),
    Case("manual networks with dead gateways", "dead", 100 / NETWORKS, 515.0, "false", _nobody),
    Case("manual networks that are reachable", "live", 1_000 / NETWORKS, 2_000.0, gateway=addressing.gateway),
)


def measure(
    programs: Programs, *, networks: int = NETWORKS, watched_s: float = _WATCHED_S
) -> Iterator[Entry]:
    """Measure the cases one after the other; what was told in the former ones is still watched."""
    row = Section("Beside Harvester's own controller, whose times are the limits")
    wanted, watched = iter(vlans(networks)), list[tuple[Case, str, Told]]()
    with open_real_loop(programs) as loop, loop.prober():
        for case in CASES:
            mine = [next(wanted) for _ in range(max(1, round(case.share * networks)))]
            name = f"{len(mine):,} {case.name}"
            told, seconds = _tell(loop, case, mine)
            watched.append((case, name, told))
            yield row(f"{name}: created to told, wall", Unit.SECONDS, seconds, limit=case.incumbent_s)
        threading.Event().wait(watched_s)
        for _, name, told in watched:
            wrong = len(told.wrong)
            yield row(f"{name}: told wrong", Unit.NETWORKS, wrong, limit=0.0, judged=Judged.MAX)


def _tell(loop: RealLoop, case: Case, mine: list[int]) -> tuple[Told, float]:
    told, of_case = Told(expected=case.expected), f"{case.prefix}-"
    loop.services.client.watch(
        lambda name, annotations: told(name, annotations) if name.startswith(of_case) else None
    )
    if case.expected == "true":
        loop.route(addressing.gateway(vlan) for vlan in mine)
    began = time.monotonic()
    loop.services.client.create(mine, prefix=case.prefix, route=_route(case))
    told.wait(len(mine), seconds=case.incumbent_s)
    return told, max(told.at.values()) - began


def _route(case: Case) -> Callable[[int], str] | None:
    gateway = case.gateway
    if gateway is None:
        return None
    return lambda vlan: json.dumps(
        {"mode": "manual", "cidr": str(addressing.network(vlan)), "gateway": str(gateway(vlan))}
    )
