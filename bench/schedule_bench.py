"""Measuring the CPU of the watcher's schedule: 4,094 networks, 32 hosts, ten minutes of sweeps, bursts.

Run as `python -m bench.schedule_bench`. Times are CPU times; requests are counted and discarded.
"""

import json
import random
import time
from collections.abc import Callable
from dataclasses import replace

from services.contract.messages import HostAnnouncement
from services.network.parse import nad
from services.network.parse.nad import Network, NetworkRef
from services.watcher.limits.pace import PATROL_PER_S, Pace
from services.watcher.plan.host_probe import HostProbe
from services.watcher.plan.schedule import Schedule
from services.watcher.requests import build_requests

VLANS = 4_094
HOSTS = 32
PACE = Pace(patrol_per_s=PATROL_PER_S, frames_per_s=0.0)
"""Without a limit of frames, or there would be little to measure."""
SIMULATED_S = 600.0
ACTIVE = '{"state":"Active","reason":"GatewayAnswers"}'


def _network(vlan: int) -> Network:
    gateway = f"172.{16 + vlan // 256}.{vlan % 256}.1"
    route = {"mode": "auto", "cidr": f"{gateway}/24", "gateway": gateway, "connectivity": "true"}
    return Network(
        NetworkRef("default", f"net-{vlan}"),
        f"uid-{vlan}",
        "1",
        json.dumps({"type": "bridge", "bridge": "extra-br", "vlan": vlan}),
        {nad.ROUTE: json.dumps(route), nad.STATUS: ACTIVE},
    )


def _timed(what: str, count: str, work: Callable[[], int]) -> float:
    began = time.process_time()
    done = work()
    took_s = time.process_time() - began
    print(f"{what:<46} {done:>9,} {count:<9} {took_s:8.2f} s {took_s / max(1, done) * 1e6:8.1f} µs each")
    return took_s


class _Bench:
    def __init__(self) -> None:
        self.now = 0.0
        self.requests = 0
        self.schedule = Schedule(pace=PACE, random=random.Random(1).random)
        self.networks = [_network(vlan) for vlan in range(1, VLANS + 1)]

    def announce(self, incarnation: int) -> int:
        hosts = [
            HostAnnouncement(
                host=f"n{number}", uplinks={"extra": "extra-bo"}, version="0", incarnation=incarnation
            )
            for number in range(HOSTS)
        ]
        self.schedule.set_hosts(hosts, self.now)
        return HOSTS * VLANS

    def list_all(self) -> int:
        for network in self.networks:
            self.schedule.upsert(network, self.now)
        return VLANS

    def edit_all(self) -> int:
        self.now += 1.0
        for network in self.networks:
            changed = {**network.annotations, nad.PROBE_NOW: "1"}
            self.schedule.upsert(replace(network, annotations=changed), self.now)
        return VLANS

    def run(self, seconds: float) -> int:
        sent, end = 0, self.now + seconds
        while self.schedule.next_due() <= end:
            self.now = max(self.now, self.schedule.next_due())
            sent += self._send(self.schedule.due(self.now))
        self.now = end
        return sent

    def _send(self, probes: list[HostProbe]) -> int:
        requests = build_requests(probes, sent_at_ms=0, max_age_ms=60_000, new_id=lambda: "x")
        self.requests += len(requests)
        return len(probes)


def main() -> None:
    """Print one line per measurement."""
    bench = _Bench()
    print(f"{VLANS:,} networks, {HOSTS} hosts, sweep {PACE.sweep_s:.0f} s; seconds of CPU")
    _timed("announce hosts", "hosts", lambda: bench.announce(1) // VLANS)
    _timed("list all networks", "networks", bench.list_all)
    _timed("first sweep, as requests", "probes", lambda: bench.run(30.0))
    bench.requests = 0
    took_s = _timed(f"{SIMULATED_S:.0f} s of sweeps, as requests", "probes", lambda: bench.run(SIMULATED_S))
    print(f"{'':<46} {bench.requests:>9,} requests  {took_s / SIMULATED_S * 100:8.2f} % of a core")
    _timed("edit all networks at once", "edits", bench.edit_all)
    _timed("send them", "probes", lambda: bench.run(0.5))
    _timed("restart all hosts at once", "probes", lambda: bench.announce(2))
    _timed("send everything again", "probes", lambda: bench.run(30.0))


if __name__ == "__main__":
    main()
