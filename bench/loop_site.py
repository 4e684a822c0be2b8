"""The loop's running parts: watcher, updater, Redis and the lab's API server; scripted probers."""

import contextlib
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.loop_client import BareClient, Told
from bench.loop_prober import LoopProber
from bench.processes import RunFailed, cpu_s
from lab.kube.process import ServerProcess
from services.contract.names import REPORT_QUEUE
from services.runtime.queues.celery_app import make_app
from tests.support.redis_server import RedisServer, running_redis
from tests.support.service_process import ServiceProcess, running_service

DENIED_VLANS = range(832, 864)
"""Their addresses are in 10.52.0.0/15, which Harvester uses itself: not probed by default."""
ALLOWED = tuple(vlan for vlan in range(1, 4_095) if vlan not in DENIED_VLANS)
TOLD_S = 180.0
QUIET_S = 6.0
"""Longer than the interval between two reviews."""
_EVENTS_S = 300.0
_SCRAPE_S = 10.0
_HANDLED = re.compile(r'^nadroute_events_total{result="\w+"} (\S+)$', re.MULTILINE)


@dataclass(frozen=True)
class Services:
    """What runs in the cluster, without probers."""

    server: ServerProcess
    redis: RedisServer
    watcher: ServiceProcess
    updater: ServiceProcess
    client: BareClient

    def wait_for_events(self, count: int) -> None:
        """Wait until so many Events are posted or given up: they follow the patches. Raises RunFailed."""
        deadline, never = time.monotonic() + _EVENTS_S, threading.Event()
        while sum(map(float, _HANDLED.findall(self.updater.get("/metrics")[1]))) < count:
            if time.monotonic() > deadline:
                raise RunFailed(f"fewer than {count} Events posted or given up within {_EVENTS_S:.0f} s")
            # A scrape shows all networks, which costs the updater more than an Event.
            never.wait(_SCRAPE_S)

    def drain(self) -> None:
        """Wait until the reports are taken, and one review longer for what follows them. Raises RunFailed."""
        deadline, never = time.monotonic() + TOLD_S, threading.Event()
        while self.redis.client.llen(REPORT_QUEUE):
            if time.monotonic() > deadline:
                raise RunFailed(f"reports not taken within {TOLD_S:.0f} s")
            never.wait(0.1)
        never.wait(QUIET_S)

    def cpu_s(self) -> Mapping[str, float]:
        """Return the CPU time of both services so far."""
        return {"watcher": cpu_s(self.watcher.process.pid), "updater": cpu_s(self.updater.process.pid)}

    def shares(self, seconds: float) -> Mapping[str, float]:
        """Return the share of a core that each service takes in the next seconds."""
        before, began = self.cpu_s(), time.monotonic()
        threading.Event().wait(seconds)
        after, passed = self.cpu_s(), time.monotonic() - began
        return {name: (after[name] - before[name]) / passed for name in before}


@dataclass(frozen=True)
class Site(Services):
    """The same with scripted probers, and what was told since the start."""

    prober: LoopProber
    told: Told


def vlans(count: int) -> list[int]:
    """Return the first `count` VLANs whose addresses are not denied. Raises RunFailed if there are fewer."""
    if count > len(ALLOWED):
        raise RunFailed(f"{count} networks: expected at most {len(ALLOWED)}")
    return list(ALLOWED[:count])


@contextlib.contextmanager
def open_services() -> Iterator[Services]:
    """Start everything but probers, with default settings, but no limit of frames: no router answers here."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nadroute-loop-")))
        server = stack.enter_context(ServerProcess(folder))
        store = stack.enter_context(running_redis(folder))
        environment = {"NADROUTE_REDIS_URL": store.url, "NADROUTE_KUBECONFIG": str(server.kubeconfig)}
        unlimited = {**environment, "NADROUTE_PACE": "0"}
        watcher = stack.enter_context(running_service("watcher", folder, unlimited))
        updater = stack.enter_context(running_service("updater", folder, environment))
        for service in (watcher, updater):
            service.wait_ready()
        yield Services(server, store, watcher, updater, BareClient(server.kubeconfig))


@contextlib.contextmanager
def open_site(*, hosts: int = 1) -> Iterator[Site]:
    """Start everything; the scripted prober answers for that many hosts."""
    with open_services() as services, contextlib.ExitStack() as stack:
        app = make_app(services.redis.url, name="nadroute-bench")
        stack.callback(app.close)
        prober = LoopProber(services.redis.client, app, hosts=hosts)
        stack.callback(prober.stop)
        prober.start()
        told = Told()
        services.client.watch(told)
        yield Site(**vars(services), prober=prober, told=told)
