"""The loop around the engine: what watcher and updater cost for thousands of networks.

Watcher, updater, Redis and the lab's API server are processes; the prober is scripted and answers at once.
"""

import threading
import time
from collections.abc import Iterator
from statistics import quantiles

from bench.loop_site import QUIET_S, TOLD_S, Site, open_site, vlans
from bench.processes import RunFailed, memory_mib
from bench.table import Entry, Judged, Row, Section, Unit

NETWORKS = 4_000
_ONE_MORE_S = 30.0
_ONE_MORE = 20
_IDLE_S = 20.0
_REPEATS = 2


def measure(*, networks: int = NETWORKS) -> Iterator[Entry]:
    """Measure one site from its creation on."""
    wanted = vlans(networks + _ONE_MORE)
    with open_site() as site:
        before = site.cpu_s()["updater"]
        began = time.monotonic()
        site.client.create(wanted[:networks])
        created_s = time.monotonic() - began
        site.told.wait(networks, seconds=TOLD_S)
        told_s = max(site.told.at.values()) - began
        written = site.cpu_s()["updater"] - before
        asks = site.prober.asks
        names = list(site.told.at)
        # The bare client's turn: the same server with the same objects, and the services' watches open.
        bare_s = created_s + site.client.tell(names, events=True)
        row = Section(f"Loop: {networks:,} networks, 1 scripted host that reports at once")
        yield row("created at once, all told: wall", Unit.SECONDS, told_s)
        yield row("bare client, a creation, patch and Event each: wall", Unit.SECONDS, bare_s)
        yield row(
            "rate ÷ bare client's rate", Unit.TIMES, bare_s / told_s, limit=0.8, at_least=True, alone=True
        )
        yield row("updater: CPU per network told", Unit.MILLISECONDS, written * 1000 / networks, limit=2.0)
        site.wait_for_events(networks)
        posted = site.cpu_s()["updater"] - before
        yield row(
            "updater: CPU per network told, with its Event", Unit.MILLISECONDS, posted * 1000 / networks
        )
        yield row("DHCP asks per network", Unit.TIMES, asks / networks, limit=1.0, judged=Judged.MAX)
        yield from _one_more(site, row, wanted[networks:])
        site.wait_for_events(networks + _ONE_MORE)
        yield from _quiet(site, row)
        yield row("updater: peak memory", Unit.MEBIBYTES, memory_mib(site.updater.process.pid), limit=130.0)


def _one_more(site: Site, row: Section, more: list[int]) -> Iterator[Row]:
    taken = []
    for vlan in more:
        known, began = len(site.told.at), time.monotonic()
        site.client.create([vlan], prefix="one")
        site.told.wait(known + 1, seconds=_ONE_MORE_S)
        taken.append((site.told.at[f"one-{vlan}"] - began) * 1000)
    cuts = quantiles(taken, n=100, method="inclusive")
    yield row(
        "one more, created to annotated: wall, p50", Unit.MILLISECONDS, cuts[49], limit=25.0, alone=True
    )
    yield row(
        "one more, created to annotated: wall, p99", Unit.MILLISECONDS, cuts[98], limit=100.0, alone=True
    )


def _quiet(site: Site, row: Section) -> Iterator[Row]:
    """Measure the services while nothing changes, then while reports repeat the last ones."""
    threading.Event().wait(QUIET_S)
    idle = site.shares(_IDLE_S)
    for name, share in idle.items():
        yield row(f"idle, {name}: CPU, percent of a core", Unit.PERCENT, share * 100)
    whole = sum(idle.values())
    yield row("idle, both: CPU, percent of a core", Unit.PERCENT, whole * 100, limit=1.0, alone=True)
    before, began = sum(site.cpu_s().values()), time.monotonic()
    verdicts = sum(site.prober.repeat() for _ in range(_REPEATS))
    site.drain()
    if site.prober.unknown:
        raise RunFailed("the updater did not know what was repeated")
    spent = sum(site.cpu_s().values()) - before - whole * (time.monotonic() - began)
    yield row("verdict like the last, both: CPU", Unit.MILLISECONDS, spent * 1000 / verdicts, limit=0.02)
