"""Scanning the VLANs of one interface with the engine alone, without Redis and Kubernetes."""

import logging
import random
import signal
import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address
from types import FrameType
from typing import NamedTuple

from services.contract.errors import NadrouteError
from services.contract.outcomes import Depth, DHCPOutcome, Fault
from services.prober.engine.engine import Engine
from services.prober.engine.probes import Target
from services.prober.engine.results import SegmentResult
from services.prober.engine.settings import EngineSettings
from services.prober.frames import templates
from services.prober.loop.runner import Runner
from services.prober.scan.evidence import FrameRecorder, RecordingLink
from services.prober.scan.results import ScanResults
from services.prober.sockets.icmp_socket import ICMPSocket
from services.prober.sockets.link import Link
from services.prober.sockets.packet_link import PacketLink
from services.runtime.process.clock import Clock, SystemClock
from services.runtime.process.gc_tuning import gc_tuned_for_scan
from services.runtime.process.signals import handling

# What the loop logs, the results say; it is not to reach standard error unless the process logs at all.
logging.getLogger("services.prober.loop").addHandler(logging.NullHandler())

VLANS = range(1, 4095)
_SCAN = "scan"
"""In place of a cluster network, which a scan does not know."""


class _Target(NamedTuple):
    """Whatever gateway DHCP names."""

    digest: str = ""
    gateway: IPv4Address | None = None
    from_dhcp: bool = True
    server: IPv4Address | None = None


class _Probe(NamedTuple):
    """One VLAN to probe; the depth is the engine's."""

    vlan: int
    source: IPv4Address | None
    ask_dhcp: bool = True
    depth: Depth = Depth.OFFER
    source_prefix: int | None = None
    may_lease: bool = True
    targets: tuple[Target, ...] = (_Target(),)


class ScanFailed(NadrouteError):
    """The interface could not be used at all; fault is the reason."""

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
    """Run DHCP on each VLAN, and check the offered gateway by ARP. Returns results sorted by VLAN.

    deadline_s: for DHCP, in seconds. rate: VLANs started per second, None for no limit.
    depth: LEASE also leases an address, pings the gateway from it, and releases it.
    sources: by VLAN, an address given by the operator to ping the gateway from.
    arp_inspection: at most 10 DHCP and ARP messages per second, for switches that disable a port at more than
    15 of either.
    one_mac: the same MAC address on all VLANs, for switches that limit the addresses on a port.
    allowed_servers: permitted DHCP servers; see services.prober.engine.offers.
    progress: called in this thread with (VLANs done, VLANs in total), also before the first.
    host: the host that MAC addresses are derived from; the machine's name by default.
    recorder: gets every frame; see services.prober.scan.evidence.
    Raises ScanFailed when the interface cannot be used, ValueError for a VLAN outside 1-4094. SIGINT, and
    SIGTERM unless the caller handles it, first release leased addresses and all resources.
    """
    wanted = sorted(set(vlans))
    if wanted and not (wanted[0] in VLANS and wanted[-1] in VLANS):
        raise ValueError(f"expected VLANs from 1 to 4094, got {wanted[0]}-{wanted[-1]}")
    clock = clock or SystemClock()

    def open_link(name: str, mac_prefix: bytes) -> Link:
        link = PacketLink(name, mac_prefix=mac_prefix)
        return link if recorder is None else RecordingLink(link, recorder=recorder, clock=clock)

    settings = replace(
        settings or EngineSettings(),
        dhcp_deadline_s=deadline_s,
        start_rate=rate,
        allowed_servers=frozenset(map(int, allowed_servers)),
    )
    runner = Runner(
        engine=Engine(
            host=host or socket.gethostname(),
            settings=settings.for_inspected_ports() if arp_inspection else settings,
            templates=templates.load(),
            randomness=randomness or random.Random(),
            routed=False,
            one_mac=one_mac,
            depth=depth,
        ),
        uplinks=lambda: {_SCAN: interface},
        clock=clock,
        open_link=open_link,
        open_echo_socket=lambda mark: ICMPSocket(mark=mark),
    )
    sources = sources or {}
    found: list[SegmentResult] = []
    reported = -1
    with gc_tuned_for_scan(), deferred_signals() as deferred:
        runner.submit_many(
            _SCAN,
            [_Probe(vlan, sources.get(vlan)) for vlan in wanted],
            found.append,
        )

        def done() -> bool:
            nonlocal reported
            deferred.check()
            if progress is not None and len(found) != reported:
                reported = len(found)
                progress(reported, len(wanted))
            return len(found) == len(wanted)

        runner.run(done)
    # An interface that could be opened has results; one that could not has only faults.
    if found and all(_is_empty(result) for result in found) and found[0].fault is not None:
        raise ScanFailed(interface, found[0].fault)
    found.sort(key=lambda result: result.vlan)
    return ScanResults(found)


def _is_empty(result: SegmentResult) -> bool:
    return (
        result.fault is not None and result.dhcp is not None and result.dhcp.outcome is DHCPOutcome.NOT_TRIED
    )


class DeferredSignal:
    """The signal that arrived during a deferred_signals() block, if any."""

    def __init__(self) -> None:
        self._signal: int | None = None

    def record(self, number: int, _: FrameType | None) -> None:
        """Record the signal; a signal handler."""
        self._signal = number

    def check(self) -> None:
        """Raise what the signal would have raised: KeyboardInterrupt, or SystemExit (128 + number)."""
        if self._signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self._signal is not None:
            raise SystemExit(128 + self._signal)


@contextmanager
def deferred_signals() -> Iterator[DeferredSignal]:
    """Defer SIGINT and SIGTERM until check() is called, in the main thread, where they have no handlers."""
    deferred = DeferredSignal()
    defaults = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    unhandled = [number for number, default in defaults.items() if signal.getsignal(number) is default]
    with handling(deferred.record, unhandled):
        yield deferred
