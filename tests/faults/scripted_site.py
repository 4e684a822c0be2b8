"""The whole of nadroute as processes, on hosts that answer by script: for faults that are not about frames.

Watcher and updater are processes, Redis is real, the lab's API server records every write. A test breaks
something, lets things happen meanwhile, heals, and has the invariants checked; see scripted_starting.
"""

import contextlib
import itertools
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from celery import Celery
from redis import Redis

from lab.harvester import Fabric
from lab.kube import ApiServer
from lab.kube.objects import Actor
from lab.kube.resources import NADS
from lab.kube.writes import WriteRecord
from services.contract.messages import ProbeRequest, SegmentProbe, Target
from services.contract.names import PROBE_TASK, probe_queue
from services.network.parse import nad
from services.network.parse.nad import Network
from services.runtime.connection.redis_client import time_ms
from services.runtime.stored.conclusion_store import ConclusionStore
from tests.faults.invariants import Truth, broken
from tests.faults.proxy import Proxy
from tests.faults.scripted_host import Host
from tests.faults.soak.parts import Part
from tests.support.shared_networks import cidr_of, gateway_of, make_well, state_of
from tests.support.updater_site import NAMESPACE, digest_of, wait_until

PROBE_S = 10.0
"""A probe's deadline, and the delay on a busy machine."""
OWNER = Actor(user="owner", agent="kubectl")
VLANS = 4_094


@dataclass
class ScriptedSite:
    """Everything that runs, and what is true of it."""

    folder: Path
    server: ApiServer
    api: Mapping[str, Proxy]
    """Between each service and the API server."""
    queues: Mapping[str, Proxy]
    """Between each service and Redis."""
    redis: Part
    client: Redis
    app: Celery
    fabric: Fabric
    watcher: Part
    updater: Part
    hosts: Sequence[Host]
    ports: Mapping[str, int]
    """Of each service's telemetry."""
    truth: Truth = field(default_factory=Truth)
    vlans: dict[str, int] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)
    """The length of each log at its last mark."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(100))

    def parts(self) -> list[Part]:
        """Return the processes."""
        return [self.redis, self.watcher, self.updater]

    def create(self, name: str = "", *, route: Mapping[str, object] | None = None, **annotations: str) -> str:
        """Create a network as its owner does, with a gateway that answers; return its name."""
        vlan = next(self._numbers) % VLANS + 1
        name = name or f"net-{len(self.vlans)}"
        self.vlans[name] = vlan
        make_well(self.fabric, vlan)
        given = {**annotations, **({} if route is None else {nad.ROUTE: json.dumps(route)})}
        self.server.store.create(NADS, NAMESPACE, body_of(name, vlan, given), actor=OWNER)
        self.truth.becomes(name, "Active", owner=route)
        return name

    def conclusion(self, network: Network) -> str:
        """Return the state and reason that the updater has concluded, written or not; empty without one."""
        found = ConclusionStore(self.client).read([network.uid]).get(network.uid)
        return "" if found is None else f"{found.status['state']} {found.status['reason']}"

    def edit(self, name: str, *, host: int = 77) -> None:
        """Have its owner name another gateway, which answers too. host: its number in the subnet."""
        vlan = self.vlans[name]
        gateway = f"{gateway_of(vlan).removesuffix('.1')}.{host}"
        self.fabric.attach(("extra", vlan), gateway)
        self.fabric.route(gateway)
        route = {"mode": "manual", "cidr": cidr_of(vlan), "gateway": gateway}
        self.annotate(name, nad.ROUTE, json.dumps(route))
        self.truth.becomes(name, "Active", owner=route)

    def annotate(self, name: str, key: str, value: str) -> None:
        """Set an annotation as the owner."""
        self.server.rival(NAMESPACE, name).annotate(key, value)

    def check_now(self, name: str) -> None:
        """Have every host check a network's gateway at once; return when they have been asked."""
        network, vlan = self.networks()[name], self.vlans[name]
        target = Target(digest=digest_of(network), gateway=IPv4Address(gateway_of(vlan)))
        for host in self.hosts:
            request = ProbeRequest(
                id=f"now-{next(self._numbers)}",
                host=host.name,
                cluster_network="extra",
                sent_at_ms=time_ms(self.client),
                max_age_ms=60_000,
                segments=(SegmentProbe(vlan=vlan, targets=(target,)),),
            )
            arguments = {"request": request.to_wire()}
            self.app.send_task(PROBE_TASK, kwargs=arguments, queue=probe_queue(host.name), ignore_result=True)

    def delete(self, name: str) -> None:
        """Delete a network."""
        self.server.store.delete(NADS, NAMESPACE, name)
        self.truth.forget(name)

    def set_gateway(self, name: str, *, answers: bool) -> None:
        """Have a network's gateway die, or come back."""
        vlan = self.vlans[name]
        self.fabric.route(gateway_of(vlan), answers=answers)
        self.fabric.attach(("extra", vlan), gateway_of(vlan), answers=answers)
        self.truth.becomes(name, "Active" if answers else "Unreachable")

    def networks(self) -> dict[str, Network]:
        """Return all networks as they are now."""
        stored = self.server.store.snapshot(NADS).items
        found = [Network.from_object(each.body) for each in stored]
        return {network.ref.name: network for network in found}

    def checks(self, *names: str) -> int:
        """Return how often hosts were asked to check the VLANs of these networks."""
        return sum(host.checks[self.vlans[name]] for host in self.hosts for name in names)

    def state(self, name: str) -> str:
        """Return the written state of a network."""
        return state_of(self.networks()[name])

    def wait_until_true(self, *, within_s: float = 60.0) -> None:
        """Wait until every annotation equals the truth (I1)."""
        end, never = time.monotonic() + within_s, threading.Event()
        while self.false() and time.monotonic() < end:
            never.wait(0.02)
        assert self.false() == [], self.last_words()

    def false(self) -> list[str]:
        """Return what is not true."""
        return self.truth.false(self.networks())

    def sequence(self) -> int:
        """Return the number of the last write so far."""
        return max((record.sequence for record in self.server.writes), default=0)

    def writes(self, *, after: int) -> list[WriteRecord]:
        """Return all writes since, by everybody."""
        return self.server.store.writes.all(after=after)

    def lists(self) -> int:
        """Return how often the services have listed the networks."""
        asked = [r for r in self.server.requests if r.verb == "list" and r.resource == NADS.plural]
        return sum("nadroute" in request.user_agent for request in asked)

    def wait_for_log(self, text: str, *parts: Part, count: int = 1) -> None:
        """Wait until each of these processes has logged this so often since the last marks."""
        for part in parts:
            wait_until(lambda part=part: self.logged(part).count(text) >= count, self.last_words)  # type: ignore[misc]

    def mark_logs(self) -> None:
        """Forget what was logged so far."""
        self.marks = {part.name: part.log.stat().st_size for part in (self.watcher, self.updater)}

    def logged(self, part: Part) -> str:
        """Return what a process has logged since the last mark."""
        with part.log.open("rb") as log:
            log.seek(self.marks.get(part.name, 0))
            return log.read().decode(errors="replace")

    def last_words(self) -> str:
        """Return the end of each log."""
        return "\n".join(part.last_words() for part in self.parts())

    def metrics(self, part: Part) -> str:
        """Return a service's metrics."""
        connection = HTTPConnection("127.0.0.1", self.ports[part.name], timeout=20)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    @contextlib.contextmanager
    def fault(self, *, heals_within_s: float, ends: Sequence[Part] = ()) -> Iterator[None]:
        """Check the invariants of what the block breaks and heals.

        At its end all is healed: N seconds later, plus a probe's deadline, everything must be true. ends:
        processes that the block has ended or started again; no other may have ended.
        """
        before, changes = self.sequence(), dict(self.truth.changes)
        processes = {part.name: part.process for part in self.parts() if part not in ends}
        self.mark_logs()
        yield
        self.wait_until_true(within_s=heals_within_s + PROBE_S)
        self.settle()
        assert self.false() == []
        assert broken(self.writes(after=before), self.truth, changes) == []
        for part in self.parts():
            assert not part.has_ended(), part.last_words()
            assert part in ends or part.process is processes[part.name], part.name
        assert not self.unhandled(), self.unhandled()

    def settle(self) -> None:
        """Wait until what came before is probed, judged and written: a network that came later is."""
        self.create()
        self.wait_until_true()

    def unhandled(self) -> list[str]:
        """Return the services' log lines about exceptions that nothing handled (I6)."""
        lines = [line for part in (self.watcher, self.updater) for line in self.logged(part).splitlines()]
        return [line for line in lines if "Traceback" in line or '"unhandled' in line.lower()]


def body_of(
    name: str, vlan: int, annotations: Mapping[str, str], config: str | None = None
) -> dict[str, Any]:
    """Return a network as its owner applies it."""
    made = {"cniVersion": "0.3.1", "type": "bridge", "bridge": "extra-br", "vlan": vlan}
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": NAMESPACE, "annotations": dict(annotations)},
        "spec": {"config": json.dumps(made) if config is None else config},
    }
