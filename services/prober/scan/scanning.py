"""Looking at many VLANs of one interface by hand: the engine alone, without Redis and without Kubernetes."""

import random
import socket
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from ipaddress import IPv4Address

from pydantic import TypeAdapter

from services.contract.errors import NadrouteError
from services.contract.messages import SegmentProbe, Target
from services.contract.outcomes import Depth, DHCPOutcome, Fault
from services.prober.engine.engine import Engine
from services.prober.engine.results import SegmentResult
from services.prober.engine.settings import EngineSettings
from services.prober.frames import templates
from services.prober.loop.gc_tuning import gc_tuned_for_scan
from services.prober.loop.runner import Runner
from services.prober.scan.evidence import FrameRecorder, RecordingLink
from services.prober.scan.interruption import interruptible
from services.prober.scan.results import ScanResult, ScanResults
from services.prober.sockets.icmp_socket import ICMPSocket
from services.prober.sockets.link import Link
from services.prober.sockets.packet_link import PacketLink
from services.runtime.clock import Clock, SystemClock

__all__ = ["VLANS", "ScanFailed", "ScanResult", "ScanResults", "scan"]

VLANS = range(1, 4095)
_TARGET = Target(digest="0" * 16)
_PROBES = TypeAdapter(list[SegmentProbe])
"""All at once: one by one they take half as long again."""
_SCAN = "scan"
"""Stands for the cluster network: a scan knows an interface alone."""


class ScanFailed(NadrouteError):
    """The interface could not be used at all; fault says why."""

    def __init__(self, interface: str, fault: Fault) -> None:
        super().__init__(f"{interface}: {fault}")
        self.fault = fault


def scan(
    interface: str,
    vlans: Collection[int] = VLANS,
    *,
    deadline_s: float = 12.0,
    rate: float | None = 1_000.0,
    depth: Depth = Depth.OFFER,
    sources: Mapping[int, IPv4Address] | None = None,
    arp_inspection: bool = False,
    one_mac: bool = False,
    allowed_servers: Collection[IPv4Address] = (),
    progress: Callable[[int, int], None] | None = None,
    host: str | None = None,
    settings: EngineSettings | None = None,
    clock: Clock | None = None,
    randomness: random.Random | None = None,
    recorder: FrameRecorder | None = None,
) -> ScanResults:
    """Ask each VLAN for DHCP, and by ARP for the gateway that is offered; in the order of the VLANs.

    deadline_s: for DHCP, in seconds. rate: VLANs begun in a second, None for no limit.
    depth: LEASE also takes an address, asks the gateway from it by ICMP, and gives it back.
    sources: addresses of ours by VLAN, given by the operator, to ask the gateway from by ICMP.
    arp_inspection: at most 10 ARP messages a second, for switches that shut a port at more than 15.
    one_mac: the same MAC address on all VLANs, for switches that limit addresses on a port.
    allowed_servers: DHCP servers that are no rogues; see services.prober.engine.rogues.
    progress: called in this thread with (VLANs done, VLANs in all), also before the first.
    host: whose identity to take; the machine's name by default.
    recorder: is told of every frame, see services.prober.scan.evidence; None costs nothing.
    Raises ScanFailed when the interface cannot be used, ValueError for a VLAN out of 1-4094. On
    KeyboardInterrupt, and on SIGTERM where nobody handles it, addresses are given back and all that was
    opened is closed first.
    """
    wanted = sorted(set(vlans))
    if wanted and not (wanted[0] in VLANS and wanted[-1] in VLANS):
        raise ValueError(f"expected VLANs from 1 to 4094, got {wanted[0]}-{wanted[-1]}")
    clock = clock or SystemClock()

    def open_link(name: str, mac_prefix: bytes) -> Link:
        link = PacketLink(name, mac_prefix=mac_prefix)
        return link if recorder is None else RecordingLink(link, recorder=recorder, clock=clock)

    settled = replace(
        settings or EngineSettings(),
        dhcp_deadline_s=deadline_s,
        start_rate=rate,
        allowed_servers=frozenset(map(int, allowed_servers)),
    )
    runner = Runner(
        engine=Engine(
            host=host or socket.gethostname(),
            settings=settled.for_inspected_ports() if arp_inspection else settled,
            templates=templates.load(),
            randomness=randomness or random.Random(),
            routed=False,
            one_mac=one_mac,
            depth=depth,
        ),
        uplinks=lambda: {_SCAN: interface},
        clock=clock,
        open_link=open_link,
        open_echo_socket=lambda identifier: ICMPSocket(identifier=identifier),
    )
    sources, targets = sources or {}, (_TARGET,)
    found: list[SegmentResult] = []
    told = -1
    with gc_tuned_for_scan(), interruptible() as interruption:
        runner.submit_many(
            _SCAN,
            _PROBES.validate_python(
                [
                    {"vlan": vlan, "ask_dhcp": True, "source": sources.get(vlan), "targets": targets}
                    for vlan in wanted
                ]
            ),
            found.append,
        )

        def all_found() -> bool:
            nonlocal told
            interruption.check()
            if progress is not None and len(found) != told:
                told = len(found)
                progress(told, len(wanted))
            return len(found) == len(wanted)

        runner.run(all_found)
    # One that was open for a while has results; one that never was has a fault and nothing else.
    if found and all(_nothing(finding) for finding in found) and found[0].fault is not None:
        raise ScanFailed(interface, found[0].fault)
    found.sort(key=lambda finding: finding.vlan)
    return ScanResults(found)


def _nothing(finding: SegmentResult) -> bool:
    return (
        finding.fault is not None
        and finding.dhcp is not None
        and finding.dhcp.outcome is DHCPOutcome.NOT_TRIED
    )
