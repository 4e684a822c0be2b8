"""What one would do without nadroute: udhcpc, arping and fping on a device for each VLAN, 16 at once."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.engine import NotSupported, Probed, Scan, probe
from bench.processes import RunFailed, run
from bench.table import Entry, Row, Skipped, Unit
from lab.bigsite import dhcpd
from lab.bigsite.bpf import BPFUnavailable
from lab.bigsite.fabric import UPLINK, BigSite, big_site
from lab.bigsite.splitting import port_name, split_trunk
from lab.prerequisites import find_program

_VLANS = range(1, 65)
_AT_ONCE = 16
_TOOLS = {"udhcpc": "udhcpc", "arping": "arping", "fping": "fping", "xargs": "findutils"}
_SECTION = f"{len(_VLANS)} VLANs by hand: udhcpc + arping + fping, {_AT_ONCE} at once"
# What udhcpc calls with each change: see its manual for the names that it sets.
_SCRIPT = """#!/bin/sh
PATH=/usr/sbin:/sbin:/usr/bin:/bin
[ "$1" = bound ] || exit 0
ip -4 address add "$ip/$mask" dev "$interface" || exit 1
arping -q -c 1 -I "$interface" "$router" || exit 1
fping -q -c 1 "$router" 2>/dev/null || exit 1
ip -4 address flush dev "$interface"
echo "$interface answers"
"""


def measure(*, runs: int) -> Iterator[Entry]:
    """CPU for each VLAN, theirs and ours."""
    missing = [package for name, package in _TOOLS.items() if find_program(name) is None]
    if not dhcpd.is_installed():
        missing.append("isc-dhcp-server")
    if missing:
        yield Skipped(_SECTION, f"not installed: Debian packages {', '.join(missing)}")
        return
    try:
        with big_site(_VLANS) as site:
            ours, depth = _ours(site, runs=runs)
            theirs = _theirs(site, runs=runs)
    except BPFUnavailable as error:
        yield Skipped(_SECTION, str(error))
        return
    yield _row("by hand: CPU for a VLAN", Unit.MILLISECONDS, [cpu_s * 1000 for cpu_s in theirs])
    yield _row(
        f"nadroute, depth {depth}: CPU for a VLAN",
        Unit.MILLISECONDS,
        [run.cpu_s * 1000 / len(_VLANS) for run in ours],
    )
    ratios = [one * len(_VLANS) / run.cpu_s for one, run in zip(theirs, ours, strict=True)]
    yield _row("by hand ÷ nadroute: CPU", Unit.TIMES, ratios)
    ratios = [one * len(_VLANS) / run.process_cpu_s for one, run in zip(theirs, ours, strict=True)]
    yield _row("by hand ÷ nadroute with interpreter, imports, templates: CPU", Unit.TIMES, ratios)


def _ours(site: BigSite, *, runs: int) -> tuple[list[Probed], str]:
    """What was measured, and at which depth: theirs takes a lease, so ours does where it can."""
    for depth in ("lease", "offer"):
        try:
            probed = [probe(site.host, Scan(vlans=len(_VLANS), depth=depth)) for _ in range(runs)]
        except NotSupported:
            continue
        if any(run.wrong for run in probed):
            raise RunFailed(f"nadroute is wrong on one of {len(_VLANS)} VLANs")
        return probed, depth
    raise RunFailed("the engine has no depth at all")


def _theirs(site: BigSite, *, runs: int) -> list[float]:
    """Seconds of CPU for a VLAN."""
    # A device for each VLAN, as `ip link add ... type vlan` makes it where the kernel has that.
    split_trunk(site.host, UPLINK, _VLANS)
    with tempfile.TemporaryDirectory(prefix="nadroute-bench-") as directory:
        script = Path(directory, "bound")
        script.write_text(_SCRIPT)
        script.chmod(0o755)
        command = ["xargs", "-P", str(_AT_ONCE), "-I", "{}", "udhcpc", "-f", "-n", "-q", "-t", "3", "-T", "2"]
        command += ["-i", "{}", "-s", str(script)]
        names = "\n".join(map(port_name, _VLANS)) + "\n"
        return [_once(site, command, names) for _ in range(runs)]


def _once(site: BigSite, command: list[str], names: str) -> float:
    done = run(site.host, command, stdin=names)
    answered = done.output.count(" answers\n")
    if answered != len(_VLANS):
        raise RunFailed(f"by hand only {answered} of {len(_VLANS)} VLANs answer")
    return done.cpu_s / len(_VLANS)


def _row(name: str, unit: Unit, values: list[float]) -> Row:
    return Row(section=_SECTION, name=name, unit=unit, values=tuple(values))
