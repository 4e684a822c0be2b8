"""Measuring one scan from inside its process: `python -m bench.probing`, in the trunk's namespace.

Prints one line of JSON. Imports and templates, which a worker loads once, are not counted.
"""

import argparse
import gc
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

from bench.engine import Collector
from lab.bigsite import addressing
from services.contract.outcomes import Depth, DHCPOutcome, ReachOutcome
from services.prober.engine.settings import EngineSettings
from services.prober.frames import templates
from services.prober.scan.results import ScanResult
from services.prober.scan.scanning import scan
from services.runtime.process.clock import SystemClock


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the scan that the command line describes, and print what it cost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--interface", required=True)
    parser.add_argument("--vlans", type=int, required=True)
    parser.add_argument("--depth", type=Depth, default=Depth.OFFER)
    parser.add_argument("--ping", action="store_true")
    parser.add_argument("--deadline", type=float, required=True)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--mute", type=int)
    parser.add_argument("--collector", type=Collector, default=Collector.DEFAULT)
    options = parser.parse_args(arguments)
    # Without a limit on DHCP there is none on ARP, which follows it.
    settings = EngineSettings() if options.rate else replace(EngineSettings(), arp_rate=None)
    # The C program uses the operator's address at once, and never asks a gateway from 0.0.0.0 besides. In the
    # prober's life both happen once a segment.
    settings = replace(settings, tries_without_address=False)
    if options.ping:
        settings = replace(settings, conflict_probes=0)
    templates.load()
    if options.collector is Collector.FROZEN:
        gc.freeze()
    elif options.collector is Collector.OFF:
        gc.disable()
    vlans = range(1, options.vlans + 1)
    sources = {vlan: addressing.ours(vlan) for vlan in vlans} if options.ping else None
    clock = SystemClock()
    cpu_before, started = _cpu_s(), clock.monotonic()
    results = scan(
        options.interface,
        vlans,
        depth=options.depth,
        sources=sources,
        deadline_s=options.deadline,
        rate=options.rate,
        settings=settings,
    )
    wall_s, cpu_s = clock.monotonic() - started, _cpu_s() - cpu_before
    echoed = options.ping or options.depth is Depth.LEASE
    wrong = sum(not is_true(result, mute=options.mute, echoed=echoed) for result in results)
    found = {
        "cpu_s": cpu_s,
        "wall_s": wall_s,
        "peak_kib": _peak_kib(),
        "wrong": wrong + options.vlans - len(results),
        "dropped_frames": max((result.dropped_frames for result in results), default=0),
    }
    print(json.dumps(found))
    return 0


def is_true(result: ScanResult, *, mute: int | None, echoed: bool = False) -> bool:
    """Return whether the result is right for this VLAN of a big site or of the responder.

    mute: VLANs whose number is divisible by this are dead. echoed: gateways were also checked by ICMP.
    """
    if result.fault is not None:
        return False
    if mute is not None and result.vlan % mute == 0:
        return result.dhcp.outcome is DHCPOutcome.NO_OFFER
    if result.dhcp.outcome is not DHCPOutcome.OFFERED or len(result.dhcp.servers) != 1:
        return False
    offer, gateway = result.dhcp.servers[0], addressing.gateway(result.vlan)
    return (
        offer.server == gateway
        and offer.gateway == gateway
        and offer.cidr == IPv4Network(addressing.network(result.vlan))
        and result.gateway.outcome is ReachOutcome.REACHABLE
        and result.echo.outcome is (ReachOutcome.REACHABLE if echoed else ReachOutcome.NOT_TRIED)
    )


def _cpu_s() -> float:
    usage = getrusage(RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _peak_kib() -> int:
    """Return the peak resident set. ru_maxrss would start with the parent process's value."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


if __name__ == "__main__":
    sys.exit(main())
