"""A fleet: real watcher, updater and Redis, and the reports of many hosts, for some minutes.

    python -m bench.fleet --minutes 10 --hosts 64 --networks 4062

CPU and memory are judged, times on the clock are shown. Every network is healthy.
"""

import argparse
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.loop_site import ALLOWED, Site, open_site, vlans
from bench.processes import RunFailed, cpu_s, memory_mib
from bench.table import Entry, Judged, Section, Unit, render
from services.contract.names import REPORT_QUEUE
from services.runtime.process.signals import handling

HOSTS = 64
NETWORKS = len(ALLOWED)
MINUTES = 10.0
RESULTS = Path(__file__).resolve().parent / "results" / "fleet.json"
_IDLE_SHARE = 0.01
_VERDICT_S = 0.02e-3
"""The limits of a site on which nothing changes: for watcher and updater together, and for each verdict."""
_ONE_HOST_MIB, _MANY_HOSTS_MIB, _MANY_HOSTS = 130.0, 400.0, 32
"""The updater's limits with 4,000 networks."""
_FULL_SIZE = 4_000
_STORM_S = 3_600.0
_QUIET_S = 20.0
_SAMPLE_S = 5.0


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters at one moment."""

    at: float
    cpu_s: Mapping[str, float]
    verdicts: int
    reports: int
    changes: int

    @classmethod
    def of(cls, site: Site, changes: list[str]) -> "Reading":
        """Read them now."""
        spent = {**site.cpu_s(), "Redis": cpu_s(site.redis.process.pid)}
        prober = site.prober
        return cls(time.monotonic(), spent, prober.full + prober.repeated, prober.reports, len(changes))


def measure(*, hosts: int, networks: int, minutes: float) -> Iterator[Entry]:
    """Measure the storm after the networks are created, and then the steady state."""
    row = Section(f"Fleet: {hosts} scripted hosts, {networks:,} networks")
    changes: list[str] = []
    with open_site(hosts=hosts) as site:
        site.client.watch(lambda name, _: changes.append(name))
        first = Reading.of(site, changes)
        site.client.create(vlans(networks))
        site.told.wait(networks, seconds=_STORM_S)
        yield row("created at once, all told: wall", Unit.SECONDS, max(site.told.at.values()) - first.at)
        quiet_at = _wait_for_quiet(site, hosts * networks)
        storm = Reading.of(site, changes)
        yield row("every host's first verdicts taken: wall", Unit.SECONDS, quiet_at - first.at)
        yield from _cost(row, "storm", first, storm, judged=False)
        site.wait_for_events(networks)
        before = Reading.of(site, changes)
        backlog = _watch_backlog(site, minutes * 60)
        after = Reading.of(site, changes)
        yield from _cost(row, f"{minutes:g} minutes without news", before, after, judged=True)
        yield row("longest queue of reports", Unit.REPORTS, backlog)
        needless = after.changes - before.changes
        yield row("writes without news", Unit.NETWORKS, needless, limit=0.0, judged=Judged.MAX)
        yield row("repeats not known to the updater", Unit.VERDICTS, site.prober.unknown, limit=0.0)
        limit = memory_limit_mib(hosts) if networks >= _FULL_SIZE else None
        yield row("updater: peak memory", Unit.MEBIBYTES, memory_mib(site.updater.process.pid), limit=limit)
        yield row("watcher: peak memory", Unit.MEBIBYTES, memory_mib(site.watcher.process.pid))
        yield row("Redis: peak memory", Unit.MEBIBYTES, memory_mib(site.redis.process.pid))


def memory_limit_mib(hosts: int) -> float:
    """Return the updater's limit for 4,000 networks: the line through those of one host and of 32."""
    return _ONE_HOST_MIB + (_MANY_HOSTS_MIB - _ONE_HOST_MIB) * (hosts - 1) / (_MANY_HOSTS - 1)


def _cost(row: Section, when: str, before: Reading, after: Reading, *, judged: bool) -> Iterator[Entry]:
    passed, verdicts = after.at - before.at, after.verdicts - before.verdicts
    spent = {name: after.cpu_s[name] - before.cpu_s[name] for name in after.cpu_s}
    yield row(f"{when}: verdicts", Unit.PER_SECOND, verdicts / passed)
    yield row(f"{when}: reports", Unit.PER_SECOND, (after.reports - before.reports) / passed)
    for name, seconds in spent.items():
        yield row(f"{when}, {name}: CPU, percent of a core", Unit.PERCENT, seconds / passed * 100)
    both = spent["watcher"] + spent["updater"]
    limit = (_IDLE_SHARE + _VERDICT_S * verdicts / passed) * 100 if judged else None
    name = f"{when}, watcher and updater: CPU, percent of a core"
    yield row(name, Unit.PERCENT, both / passed * 100, limit=limit, alone=judged)


def _wait_for_quiet(site: Site, expected: int) -> float:
    """Wait until every host has reported on every segment and all is taken; return when it was."""
    deadline, never = time.monotonic() + _STORM_S, threading.Event()
    while site.prober.full < expected or site.redis.client.llen(REPORT_QUEUE):
        if time.monotonic() > deadline:
            raise RunFailed(f"{site.prober.full:,} of {expected:,} verdicts taken within {_STORM_S:.0f} s")
        never.wait(0.5)
    at = time.monotonic()
    never.wait(_QUIET_S)
    return at


def _watch_backlog(site: Site, seconds: float) -> int:
    """Wait so long; return the largest number of reports that waited at a time."""
    ends, never, most = time.monotonic() + seconds, threading.Event(), 0
    while (left := ends - time.monotonic()) > 0:
        never.wait(min(left, _SAMPLE_S))
        most = max(most, int(str(site.redis.client.llen(REPORT_QUEUE))))
    return most


def main() -> int:
    """Print the table; return 1 for a needless write or a failed run."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="without news (default: %(default)s)")
    parser.add_argument("--hosts", type=int, default=HOSTS, help="scripted hosts (default: %(default)s)")
    parser.add_argument("--networks", type=int, default=NETWORKS, help="(default: %(default)s)")
    options = parser.parse_args()
    entries: list[Entry] = []
    try:
        # The processes end and their folder goes after a signal too.
        with handling(lambda *_: sys.exit(143), [signal.SIGTERM]):
            entries += measure(hosts=options.hosts, networks=options.networks, minutes=options.minutes)
    except RunFailed as error:
        sys.exit(f"benchmark failed: {error}")
    print(render(entries))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps([entry.to_json() for entry in entries], indent=1) + "\n")
    return 1 if any(entry.is_wrong for entry in entries) else 0


if __name__ == "__main__":
    sys.exit(main())
