"""The engine, measured from inside a process of its own: `python -m bench.probing`, where the trunk is.

Prints one line of JSON. What it counts begins after the imports and the templates, which a worker makes once.
"""

import argparse
import gc
import inspect
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from ipaddress import IPv4Network
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

from bench.engine import Collector
from lab.bigsite import addressing
from services.contract.clock import SystemClock
from services.contract.outcomes import DHCPOutcome, ReachOutcome
from services.prober import templates
from services.prober.policy import Policy
from services.prober.scanning import ScanResult, scan

_DEPTH = "depth"
_DEFAULT_DEPTH = "offer"


def main(arguments: Sequence[str] | None = None) -> int:
    """Scan once, as asked on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--interface", required=True)
    parser.add_argument("--vlans", type=int, required=True)
    parser.add_argument("--depth", default=_DEFAULT_DEPTH)
    parser.add_argument("--deadline", type=float, required=True)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--mute", type=int)
    parser.add_argument("--collector", type=Collector, default=Collector.DEFAULT)
    options = parser.parse_args(arguments)
    extra = depth_argument(scan, options.depth)
    if extra is None:
        print(json.dumps({"unsupported": f"the engine has no depth {options.depth} yet"}))
        return 0
    run: Callable[..., Sequence[ScanResult]] = scan
    # Without a limit on DHCP there is none on ARP either, which follows it.
    policy = Policy() if options.rate else replace(Policy(), arp_rate=None)
    templates.load()
    if options.collector is Collector.FROZEN:
        gc.freeze()
    elif options.collector is Collector.OFF:
        gc.disable()
    clock = SystemClock()
    cpu_before, started = _cpu_s(), clock.monotonic()
    results = run(
        options.interface,
        range(1, options.vlans + 1),
        deadline_s=options.deadline,
        rate=options.rate,
        policy=policy,
        **extra,
    )
    wall_s, cpu_s = clock.monotonic() - started, _cpu_s() - cpu_before
    wrong = sum(not is_true(result, mute=options.mute) for result in results)
    found = {
        "cpu_s": cpu_s,
        "wall_s": wall_s,
        "peak_kib": _peak_kib(),
        "wrong": wrong + options.vlans - len(results),
        "dropped_frames": max((result.dropped_frames for result in results), default=0),
    }
    print(json.dumps(found))
    return 0


def depth_argument(scanning: Callable[..., object], depth: str) -> dict[str, object] | None:
    """What to hand to it for this depth; None where it knows no such thing."""
    parameter = inspect.signature(scanning, eval_str=True).parameters.get(_DEPTH)
    if parameter is None:
        return {} if depth == _DEFAULT_DEPTH else None
    kind = parameter.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {_DEPTH: kind(depth)}
    return {_DEPTH: depth}


def is_true(result: ScanResult, *, mute: int | None) -> bool:
    """Whether this is what the VLAN of a big site, or of the responder, is like."""
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
    )


def _cpu_s() -> float:
    usage = getrusage(RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _peak_kib() -> int:
    """Not ru_maxrss, which begins with that of the process that started this one."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


if __name__ == "__main__":
    sys.exit(main())
