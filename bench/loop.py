"""The loop around the engine: what watcher and updater cost for thousands of networks.

Watcher, updater, Redis and the lab's API server are processes; the prober is scripted and answers at once.
"""

import contextlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

import redis

from bench.loop_client import BareClient, Told
from bench.loop_prober import LoopProber
from bench.processes import RunFailed
from bench.table import Entry, Judged, Row, Unit
from lab.kube.process import ServerProcess
from services.contract.names import REPORT_QUEUE
from services.runtime.celery_app import make_app
from tests.support.redis_server import running_redis
from tests.support.service_process import ServiceProcess, running_service

NETWORKS = 4_000
DENIED_VLANS = range(832, 864)
"""Their addresses are in 10.52.0.0/15, which Harvester uses itself: not probed by default."""
_TOLD_S = 180.0
_ONE_MORE_S = 30.0
_ONE_MORE = 20
_IDLE_S = 20.0
_REPEATS = 2
_QUIET_S = 6.0
"""Longer than the interval between two reviews."""
_EVENTS_S = 300.0
_SCRAPE_S = 10.0
_POSTED = re.compile(r'^nadroute_events_total{result="posted"} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Site:
    """The running parts."""

    watcher: ServiceProcess
    updater: ServiceProcess
    prober: LoopProber
    client: BareClient
    redis: redis.Redis
    told: Told

    def wait_for_events(self, count: int) -> None:
        """Wait until so many Events are posted: they follow the patches at 50 a second. Raises RunFailed."""
        deadline, never = time.monotonic() + _EVENTS_S, threading.Event()
        while not (found := _POSTED.search(self.updater.get("/metrics")[1])) or float(found[1]) < count:
            if time.monotonic() > deadline:
                raise RunFailed(f"fewer than {count} Events posted within {_EVENTS_S:.0f} s")
            # A scrape shows all networks, which costs the updater more than an Event.
            never.wait(_SCRAPE_S)

    def cpu_s(self) -> Mapping[str, float]:
        """Return the CPU time of both services so far."""
        return {"watcher": cpu_s(self.watcher.process.pid), "updater": cpu_s(self.updater.process.pid)}


def vlans(count: int) -> list[int]:
    """Return the first `count` VLANs whose addresses are not denied. Raises RunFailed if there are fewer."""
    allowed = [vlan for vlan in range(1, 4095) if vlan not in DENIED_VLANS]
    if count > len(allowed):
        raise RunFailed(f"{count} networks: expected at most {len(allowed)}")
    return allowed[:count]


def cpu_s(pid: int) -> float:
    """Return user and system time of a process with all its threads, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    """Return the peak resident set of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def measure(*, networks: int = NETWORKS) -> Iterator[Entry]:
    """Measure one site from its creation on."""
    wanted = vlans(networks + _ONE_MORE)
    with _site() as site:
        before = site.cpu_s()["updater"]
        began = time.monotonic()
        site.client.create(wanted[:networks])
        created_s = time.monotonic() - began
        site.told.wait(networks, seconds=_TOLD_S)
        told_s = max(site.told.at.values()) - began
        written = site.cpu_s()["updater"] - before
        asks = site.prober.asks
        names = list(site.told.at)
        # The bare client's turn: the same server with the same objects, and the services' watches open.
        bare_s = created_s + site.client.tell(names, events=True)
        row = _Rows(f"Loop: {networks:,} networks, 1 scripted host that reports at once")
        yield row("created at once, all told: wall", Unit.SECONDS, told_s)
        yield row("bare client, a creation, patch and Event each: wall", Unit.SECONDS, bare_s)
        yield row("rate ÷ bare client's rate", Unit.TIMES, bare_s / told_s, limit=0.8, at_least=True)
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


def _one_more(site: Site, row: "_Rows", more: list[int]) -> Iterator[Row]:
    taken = []
    for vlan in more:
        known, began = len(site.told.at), time.monotonic()
        site.client.create([vlan], prefix="one")
        site.told.wait(known + 1, seconds=_ONE_MORE_S)
        taken.append((site.told.at[f"one-{vlan}"] - began) * 1000)
    cuts = quantiles(taken, n=100, method="inclusive")
    yield row("one more, created to annotated: wall, p50", Unit.MILLISECONDS, cuts[49], limit=25.0)
    yield row("one more, created to annotated: wall, p99", Unit.MILLISECONDS, cuts[98], limit=100.0)


def _quiet(site: Site, row: "_Rows") -> Iterator[Row]:
    """Measure the services while nothing changes, then while reports repeat the last ones."""
    threading.Event().wait(_QUIET_S)
    idle = _share(site, _IDLE_S)
    for name, share in idle.items():
        yield row(f"idle, {name}: CPU, percent of a core", Unit.PERCENT, share * 100)
    whole = sum(idle.values())
    yield row("idle, both: CPU, percent of a core", Unit.PERCENT, whole * 100, limit=1.0)
    before, began = sum(site.cpu_s().values()), time.monotonic()
    verdicts = sum(site.prober.repeat() for _ in range(_REPEATS))
    _drain(site)
    spent = sum(site.cpu_s().values()) - before - whole * (time.monotonic() - began)
    yield row("verdict like the last, both: CPU", Unit.MILLISECONDS, spent * 1000 / verdicts, limit=0.02)


def _share(site: Site, seconds: float) -> Mapping[str, float]:
    before, began = site.cpu_s(), time.monotonic()
    threading.Event().wait(seconds)
    after, passed = site.cpu_s(), time.monotonic() - began
    return {name: (after[name] - before[name]) / passed for name in before}


def _drain(site: Site) -> None:
    """Wait until the reports are taken, and one review longer for what follows them."""
    deadline = time.monotonic() + _TOLD_S
    while site.redis.llen(REPORT_QUEUE):
        if time.monotonic() > deadline:
            raise RunFailed(f"reports not taken within {_TOLD_S:.0f} s")
        threading.Event().wait(0.1)
    threading.Event().wait(_QUIET_S)


@dataclass(frozen=True, slots=True)
class _Rows:
    section: str

    def __call__(
        self,
        name: str,
        unit: Unit,
        value: float,
        *,
        limit: float | None = None,
        at_least: bool = False,
        judged: Judged = Judged.MEDIAN,
    ) -> Row:
        return Row(
            section=self.section,
            name=name,
            unit=unit,
            values=(value,),
            limit=limit,
            at_least=at_least,
            judged=judged,
        )


@contextlib.contextmanager
def _site() -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nadroute-loop-")))
        server = stack.enter_context(ServerProcess(folder))
        store = stack.enter_context(running_redis(folder))
        environment = {"NADROUTE_REDIS_URL": store.url, "NADROUTE_KUBECONFIG": str(server.kubeconfig)}
        watcher = stack.enter_context(running_service("watcher", folder, environment))
        updater = stack.enter_context(running_service("updater", folder, environment))
        app = make_app(store.url, name="nadroute-bench")
        stack.callback(app.close)
        prober = LoopProber(store.client, app)
        stack.callback(prober.stop)
        prober.start()
        for service in (watcher, updater):
            service.wait_ready()
        client, told = BareClient(server.kubeconfig), Told()
        client.watch(told)
        yield Site(watcher, updater, prober, client, store.client, told)
