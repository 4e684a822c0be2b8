"""A scripted prober: every network answers it, and it reports a request at once, without a frame."""

import base64
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import redis
from celery import Celery

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
    PROBE_TASK,
    REPORT_QUEUE,
    REPORT_TASK,
    host_key,
    outstanding_key,
    probe_queue,
)
from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.contract.reports import Repeats, Report
from tests.support.reporting import Reporting

HOST = "node1"
CLUSTER_NETWORK = "extra"
_POLL_S = 0.2
_REACHABLE = ReachVerdict(outcome=ReachOutcome.REACHABLE, attempts=1)


@dataclass
class LoopProber:
    """The prober of HOST on its own thread, from start() until stop()."""

    client: redis.Redis
    app: Celery
    asks: int = 0
    """Segments on which DHCP was asked."""
    _counter: int = 0
    _reporting: Reporting = field(default_factory=Reporting)
    _probes: dict[int, SegmentProbe] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Announce the host, without expiry, and answer its queue."""
        said = HostAnnouncement(host=HOST, uplinks={CLUSTER_NETWORK: "extra-bo"}, version="1", incarnation=1)
        self.client.set(host_key(HOST), json.dumps(said.to_wire()))
        self._thread = threading.Thread(target=self._run, name="loop-prober", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def repeat(self) -> int:
        """Report on every segment once more what was reported last, as a prober does; return the number."""
        probes = list(self._probes.values())
        for start in range(0, len(probes), MAX_SEGMENTS):
            self._report("repeated", probes[start : start + MAX_SEGMENTS])
        return len(probes)

    def _run(self) -> None:
        while not self._over.is_set():
            popped = self.client.brpop([probe_queue(HOST)], timeout=_POLL_S)
            if isinstance(popped, (list, tuple)):
                message = json.loads(popped[1])
                if message["headers"]["task"] != PROBE_TASK:
                    raise RunFailed("the updater does not know what was repeated")
                _, kwargs, _ = json.loads(base64.b64decode(message["body"]))
                self._answer(ProbeRequest.from_wire(kwargs["request"]))

    def _answer(self, request: ProbeRequest) -> None:
        for probe in request.segments:
            self.asks += probe.ask_dhcp
            before = self._probes.get(probe.vlan)
            # A check without DHCP must not replace what repeat() reports.
            if before is None or probe.ask_dhcp:
                self._probes[probe.vlan] = probe
        self.client.delete(*(outstanding_key(HOST, segment) for segment in request.probed()))
        self._report(request.id, request.segments)

    def _report(self, request_id: str, probes: Sequence[SegmentProbe]) -> None:
        full, repeated = [], []
        repeats: tuple[Repeats, ...] = ()
        for probe in probes:
            self._counter += 1
            said = find(probe, request_id=request_id, counter=self._counter)
            sent = self._reporting.send(said, time.monotonic())
            if sent.is_repeat:
                repeated.append(sent.repeat)
            else:
                full.append(sent.verdict)
        if repeated:
            repeats = (Repeats(cluster_network=CLUSTER_NETWORK, incarnation=1, verdicts=tuple(repeated)),)
        report = Report(host=HOST, verdicts=tuple(full), repeats=repeats).to_json()
        self.app.send_task(REPORT_TASK, kwargs={"report": report}, queue=REPORT_QUEUE, ignore_result=True)


def find(probe: SegmentProbe, *, request_id: str, counter: int) -> Verdict:
    """Return the verdict on a healthy VLAN: one DHCP server, the gateway, which answers on both paths."""
    gateway, cidr = addressing.gateway(probe.vlan), addressing.network(probe.vlan)
    address, _ = addressing.pool(probe.vlan)
    offer = Offer(server=gateway, address=address, cidr=cidr, gateway=gateway, routers=(gateway,))
    dhcp = DHCPVerdict(outcome=DHCPOutcome.OFFERED, servers=(offer,), attempts=1) if probe.ask_dhcp else None
    return Verdict(
        segment=Segment(cluster_network=CLUSTER_NETWORK, vlan=probe.vlan),
        host=HOST,
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
