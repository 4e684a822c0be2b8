"""A scripted prober: it answers requests by what a lab.harvester.Fabric says is true."""

import base64
import contextlib
import json
import threading
from ipaddress import IPv4Address
from types import TracebackType

import redis
from celery import Celery

from lab.harvester import Fabric, Lease
from services.contract.messages import (
    DHCPVerdict,
    HostAnnouncement,
    Offer,
    ProbeRequest,
    ReachVerdict,
    Segment,
    SegmentProbe,
    Target,
    TargetVerdict,
    Verdict,
)
from services.contract.names import REPORT_QUEUE, REPORT_TASK, outstanding_key, probe_queue
from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.contract.reports import Report
from tests.support.announcing import announced

LOOK_S = 0.2
REACHABLE = ReachVerdict(outcome=ReachOutcome.REACHABLE, attempts=1)
SILENT = ReachVerdict(outcome=ReachOutcome.SILENT, attempts=3)


def find(
    fabric: Fabric,
    host: str,
    segment: Segment,
    probe: SegmentProbe,
    *,
    counter: int,
    request_id: str = "request",
) -> Verdict:
    """Return what a host finds that probes this segment now."""
    offer = _offer(fabric.lease((segment.cluster_network, segment.vlan))) if probe.ask_dhcp else None
    dhcp = None
    if probe.ask_dhcp:
        outcome = DHCPOutcome.NO_OFFER if offer is None else DHCPOutcome.OFFERED
        dhcp = DHCPVerdict(outcome=outcome, servers=() if offer is None else (offer,), attempts=3)
    return Verdict(
        segment=segment,
        host=host,
        request_id=request_id,
        incarnation=1,
        counter=counter,
        dhcp=dhcp,
        targets=tuple(_check(fabric, segment, target, offer) for target in probe.targets),
    )


def _offer(lease: Lease | None) -> Offer | None:
    if lease is None:
        return None
    subnet = lease.address.network
    return Offer(
        server=lease.routers[0] if lease.routers else subnet[1],
        address=lease.address.ip,
        cidr=subnet,
        gateway=lease.routers[0] if lease.routers else None,
        routers=lease.routers,
    )


def _check(fabric: Fabric, segment: Segment, target: Target, offer: Offer | None) -> TargetVerdict:
    gateway: IPv4Address | None = target.gateway
    if target.from_dhcp and offer is not None and offer.gateway is not None:
        gateway = offer.gateway
    if gateway is None:
        return TargetVerdict(digest=target.digest)
    on_vlan = fabric.is_on_vlan((segment.cluster_network, segment.vlan), str(gateway))
    routed = fabric.is_routed(str(gateway))
    return TargetVerdict(
        digest=target.digest,
        cidr=None if offer is None else offer.cidr,
        gateway=gateway,
        vlan=REACHABLE if on_vlan else SILENT,
        routed=REACHABLE if routed else SILENT,
    )


class ScriptedProber:
    """One announced host that answers the requests in its queue, from start() or `with` until stop()."""

    def __init__(self, client: redis.Redis, app: Celery, fabric: Fabric, host: str) -> None:
        self.taken = 0
        """Number of requested segments."""
        self._client = client
        self._app = app
        self._fabric = fabric
        self._host = host
        self._over = threading.Event()
        self._announced = contextlib.ExitStack()
        self._thread = threading.Thread(target=self._run, name=f"prober-{host}", daemon=True)

    def __enter__(self) -> "ScriptedProber":
        said = HostAnnouncement(host=self._host, uplinks={"extra": "extra-bo"}, version="1", incarnation=1)
        self._announced.enter_context(announced(self._client, said))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._announced.close()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        while not self._over.is_set():
            popped = self._client.brpop([probe_queue(self._host)], timeout=LOOK_S)
            if isinstance(popped, (list, tuple)):
                self._answer(str(popped[1]))

    def _answer(self, raw: str) -> None:
        _, kwargs, _ = json.loads(base64.b64decode(json.loads(raw)["body"]))
        request = ProbeRequest.from_wire(kwargs["request"])
        verdicts = []
        for probe in request.segments:
            self.taken += 1
            segment = Segment(cluster_network=request.cluster_network, vlan=probe.vlan)
            verdicts.append(self._find(segment, probe, request.id))
            key = outstanding_key(self._host, segment)
            if self._client.get(key) == request.id:
                self._client.delete(key)
        report = Report(host=self._host, verdicts=tuple(verdicts)).to_json()
        self._app.send_task(REPORT_TASK, kwargs={"report": report}, queue=REPORT_QUEUE, ignore_result=True)

    def _find(self, segment: Segment, probe: SegmentProbe, request_id: str) -> Verdict:
        counter = self.taken
        return find(self._fabric, self._host, segment, probe, counter=counter, request_id=request_id)
