"""Scripted probers: every network answers them, and they report a request at once, without a frame."""

import base64
import json
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import redis
from celery import Celery

from bench.loop_client import CLUSTER_NETWORK
from bench.processes import RunFailed
from lab.bigsite import addressing
from services.contract.messages import (
    MAX_SEGMENTS,
    DHCPVerdict,
    HostAnnouncement,
    Offer,
    ProbeRequest,
    ReachVerdict,
    Segment,
    SegmentProbe,
    TargetVerdict,
    Verdict,
)
from services.contract.names import (
    FULL_TASK,
    HOST_TTL_S,
    OFFERED_TTL_S,
    REPORT_QUEUE,
    REPORT_TASK,
    host_key,
    offered_key,
    outstanding_key,
    probe_queue,
)
from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.contract.reports import MAX_REPEATS, FullRequest, Repeat, Repeats, Report
from services.prober.known_verdicts import KnownVerdicts
from services.prober.outbox import REPEATS_HELD_S

_POLL_S = 0.2
_REACHABLE = ReachVerdict(outcome=ReachOutcome.REACHABLE, attempts=1)


@dataclass
class _Host:
    """What one host's prober remembers."""

    name: str
    counter: int = 0
    known: KnownVerdicts = field(default_factory=KnownVerdicts)
    waiting: list[Repeat] = field(default_factory=list)
    """Repeats that wait for others, as a prober's do."""
    due_at: float = 0.0


class LoopProber:
    """The probers of all hosts on one thread, from start() until stop()."""

    def __init__(self, client: redis.Redis, app: Celery, *, hosts: int = 1) -> None:
        self.asks = 0
        """Segments on which DHCP was asked."""
        self.full = 0
        """Verdicts that were sent in full."""
        self.repeated = 0
        self.reports = 0
        self.unknown = 0
        """Verdicts that the updater wanted in full."""
        self._client = client
        self._app = app
        self._hosts = {name: _Host(name) for name in map("node{}".format, range(1, hosts + 1))}
        self._probes: dict[int, SegmentProbe] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._released = threading.Event()
        self._released.set()
        self._thread = threading.Thread(target=self._run, name="loop-prober", daemon=True)
        self._announcing = threading.Thread(target=self._announce, name="loop-prober-hosts", daemon=True)

    def start(self) -> None:
        """Announce the hosts from now on, and answer their queues."""
        self._announcing.start()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self._released.set()
        self._thread.join()
        self._announcing.join()

    def hold(self) -> None:
        """Answer nothing until release()."""
        self._released.clear()

    def wait_for_requests(self, vlans: Collection[int], *, seconds: float) -> None:
        """Wait until the first host is asked for each of these VLANs, while it answers nothing."""
        segments = [Segment(cluster_network=CLUSTER_NETWORK, vlan=vlan) for vlan in vlans]
        keys = [outstanding_key(next(iter(self._hosts)), segment) for segment in segments]
        deadline, never = time.monotonic() + seconds, threading.Event()
        while self._client.exists(*keys) < len(keys):
            if time.monotonic() > deadline:
                raise RunFailed(f"not all of {len(keys)} VLANs requested within {seconds:.0f} s")
            never.wait(_POLL_S)

    def release(self) -> None:
        """Answer what waits, and go on."""
        self._released.set()

    def repeat(self) -> int:
        """Report on every segment what the first host reported last, once more; return the number.

        As of a prober that finds it all within REPEATS_HELD_S, as many in a report as it may have.
        """
        host, probes = next(iter(self._hosts.values())), list(self._probes.values())
        for start in range(0, len(probes), MAX_SEGMENTS):
            with self._lock:
                self._report(host, "repeated", probes[start : start + MAX_SEGMENTS])
        with self._lock:
            while host.waiting:
                self._send(host, ())
        return len(probes)

    def _announce(self) -> None:
        while not self._over.is_set():
            for name in self._hosts:
                said = HostAnnouncement(
                    host=name, uplinks={CLUSTER_NETWORK: "extra-bo"}, version="1", incarnation=1
                )
                self._client.set(host_key(name), json.dumps(said.to_wire()), ex=HOST_TTL_S)
            self._over.wait(HOST_TTL_S / 5)

    def _run(self) -> None:
        queues = {probe_queue(name): host for name, host in self._hosts.items()}
        while not self._over.is_set():
            popped = self._client.brpop(list(queues), timeout=_POLL_S)
            self._released.wait()
            with self._lock:
                if isinstance(popped, (list, tuple)):
                    self._take(queues[str(popped[0])], json.loads(popped[1]))
                for host in self._hosts.values():
                    if host.waiting and time.monotonic() >= host.due_at:
                        self._send(host, ())

    def _take(self, host: _Host, message: Any) -> None:
        _, kwargs, _ = json.loads(base64.b64decode(message["body"]))
        if message["headers"]["task"] == FULL_TASK:
            wanted = FullRequest.from_wire(kwargs["request"])
            self.unknown += len(wanted.segments)
            for segment in wanted.segments:
                host.known.forget((segment.cluster_network, segment.vlan))
            return
        request = ProbeRequest.from_wire(kwargs["request"])
        for probe in request.segments:
            self.asks += probe.ask_dhcp
            # A check without DHCP must not replace what repeat() reports.
            if probe.vlan not in self._probes or probe.ask_dhcp:
                self._probes[probe.vlan] = probe
        self._client.delete(*(outstanding_key(host.name, segment) for segment in request.probed()))
        self._report(host, request.id, request.segments)
        with self._client.pipeline(transaction=False) as pipe:
            for segment, probe in zip(request.probed(), request.segments, strict=True):
                if probe.ask_dhcp:
                    pipe.set(offered_key(host.name, segment), "1", ex=OFFERED_TTL_S)
            pipe.execute()

    def _report(self, host: _Host, request_id: str, probes: Sequence[SegmentProbe]) -> None:
        full, now = [], time.monotonic()
        for probe in probes:
            host.counter += 1
            said = fingerprint(probe)
            key = CLUSTER_NETWORK, probe.vlan
            if host.known.repeats(key, said, is_conclusive=probe.ask_dhcp, now=now):
                host.due_at = host.due_at if host.waiting else now + REPEATS_HELD_S
                host.waiting.append((probe.vlan, host.counter, said, probe.ask_dhcp))
            else:
                found = find(probe, host=host.name, request_id=request_id, counter=host.counter)
                full.append(found.model_copy(update={"fingerprint": said}))
        if full or len(host.waiting) >= MAX_REPEATS:
            self._send(host, full)

    def _send(self, host: _Host, full: Sequence[Verdict]) -> None:
        """Send these verdicts, and the repeats that wait."""
        said, host.waiting = host.waiting[:MAX_REPEATS], host.waiting[MAX_REPEATS:]
        self.full += len(full)
        self.repeated += len(said)
        self.reports += 1
        repeats: tuple[Repeats, ...] = ()
        if said:
            repeats = (Repeats(cluster_network=CLUSTER_NETWORK, incarnation=1, verdicts=tuple(said)),)
        report = Report(host=host.name, verdicts=tuple(full), repeats=repeats)
        self._app.send_task(
            REPORT_TASK, kwargs={"report": report.to_json()}, queue=REPORT_QUEUE, ignore_result=True
        )


def fingerprint(probe: SegmentProbe) -> str:
    """Return a fingerprint of what find() says for this probe, host and ids apart."""
    targets = sorted(target.digest for target in probe.targets)
    return blake2b(repr((probe.vlan, probe.ask_dhcp, targets)).encode(), digest_size=8).hexdigest()


def find(probe: SegmentProbe, *, host: str, request_id: str, counter: int) -> Verdict:
    """Return the verdict on a healthy VLAN: one DHCP server, the gateway, which answers on both paths."""
    gateway, cidr = addressing.gateway(probe.vlan), addressing.network(probe.vlan)
    address, _ = addressing.pool(probe.vlan)
    offer = Offer(server=gateway, address=address, cidr=cidr, gateway=gateway, routers=(gateway,))
    dhcp = DHCPVerdict(outcome=DHCPOutcome.OFFERED, servers=(offer,), attempts=1) if probe.ask_dhcp else None
    return Verdict(
        segment=Segment(cluster_network=CLUSTER_NETWORK, vlan=probe.vlan),
        host=host,
        request_id=request_id,
        incarnation=1,
        counter=counter,
        dhcp=dhcp,
        targets=tuple(
            TargetVerdict(
                digest=target.digest, cidr=cidr, gateway=gateway, vlan=_REACHABLE, routed=_REACHABLE
            )
            for target in probe.targets
        ),
    )
