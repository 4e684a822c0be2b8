"""The same work without nadroute: udhcpc, arping and fping on one device per VLAN, 16 at once."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.compiling import Programs
from bench.engine import Probed, Scan, probe, python_with
from bench.exchanges import VLANS
from bench.processes import RunFailed, number, read_object, run
from bench.table import Entry, Row, Skipped, Unit
from bench.trunk import open_trunk
from lab.bigsite import dhcpd
from lab.bigsite.bpf import BPFUnavailable
from lab.bigsite.fabric import UPLINK, BigSite, big_site
from lab.bigsite.splitting import port_name, split_trunk
from lab.prerequisites import find_program

_VLANS = range(1, 65)
_AT_ONCE = 16
_START_UP_MS = 150.0
_TIMES_LESS = {"json": 5.0, "table": None}
"""By output. The library that draws tables costs as much as the scan itself."""
_TOOLS = {"udhcpc": "udhcpc", "arping": "arping", "fping": "fping", "xargs": "findutils"}
_SECTION = f"{len(_VLANS)} VLANs by hand: udhcpc + arping + fping, {_AT_ONCE} at once"
# udhcpc runs this at each state change; its manual lists the variables.
_SCRIPT = """#!/bin/sh
PATH=/usr/sbin:/sbin:/usr/bin:/bin
[ "$1" = bound ] || exit 0
ip -4 address add "$ip/$mask" dev "$interface" || exit 1
arping -q -c 1 -I "$interface" "$router" || exit 1
fping -q -c 1 "$router" 2>/dev/null || exit 1
ip -4 address flush dev "$interface"
echo "$interface answers"
"""


def measure(programs: Programs, *, runs: int) -> Iterator[Entry]:
    """Measure CPU per VLAN: both on the same VLANs, and nadroute also on all VLANs of a trunk."""
    missing = [package for name, package in _TOOLS.items() if find_program(name) is None]
    if not dhcpd.is_installed():
        missing.append("isc-dhcp-server")
    if missing:
        yield Skipped(_SECTION, f"not installed: Debian packages {', '.join(missing)}")
        return
    try:
        with big_site(_VLANS) as site:
            # udhcpc takes a lease, so nadroute does too.
            scan = Scan(vlans=len(_VLANS), depth="lease")
            ours = _checked([probe(site.host, scan, programs.engine) for _ in range(runs)])
            commands = {
                output: [_command(site, programs.engine, output) for _ in range(runs)]
                for output in _TIMES_LESS
            }
            by_hand = _cpu_by_hand(site, runs=runs)
    except BPFUnavailable as error:
        yield Skipped(_SECTION, str(error))
        return
    with open_trunk(programs) as trunk, trunk.responder():
        many = _checked([trunk.probe(Scan(vlans=VLANS, depth="lease")) for _ in range(runs)])
    yield _row("by hand: CPU per VLAN", Unit.MILLISECONDS, [cpu_s * 1000 for cpu_s in by_hand])
    for vlans, probed in ((len(_VLANS), ours), (VLANS, many)):
        each = [run.cpu_s / vlans for run in probed]
        name = f"nadroute, {vlans} VLANs"
        yield _row(f"{name}: CPU per VLAN", Unit.MILLISECONDS, [cpu_s * 1000 for cpu_s in each])
        ratios = [one / other for one, other in zip(by_hand, each, strict=True)]
        yield _row(f"by hand ÷ {name}: CPU", Unit.TIMES, ratios)
    for output, ran in commands.items():
        yield from _command_rows(output, ran, by_hand)


@dataclass(frozen=True, slots=True)
class _Command:
    """The CPU of `nadroute scan`, in seconds."""

    start_up_s: float
    """From the start of the interpreter to the first frame."""
    cpu_s: float
    """Of the whole process."""


def _command(site: BigSite, engine: Path, output: str) -> _Command:
    """Scan the VLANs as a user does, with a lease on each. Raises RunFailed if a VLAN does not answer."""
    vlans = f"{_VLANS[0]}-{_VLANS[-1]}"
    with tempfile.NamedTemporaryFile(prefix="nadroute-bench-") as summary:
        options = ["-i", UPLINK, "--vlans", vlans, "--depth", "lease", "-o", output]
        command = [*python_with(engine), "-m", "bench.scanning", *options, "--summary", summary.name]
        done = run(site.host, command)
        found = json.load(summary)
    answered = min(found["dhcp"]["offered"], found["gateways"]["reachable"], found["echo"]["n"])
    if answered != len(_VLANS):
        raise RunFailed(f"nadroute scan: only {answered} of {len(_VLANS)} VLANs answer")
    return _Command(number(read_object(done.output), "first_frame_s"), done.cpu_s)


def _command_rows(output: str, commands: list[_Command], by_hand: list[float]) -> Iterator[Row]:
    """Yield start-up and whole, which include interpreter and imports, and the latter beside work by hand."""
    name = f"nadroute scan -o {output}"
    start_ups = [command.start_up_s * 1000 for command in commands]
    yield _row(f"{name}: CPU to the first frame", Unit.MILLISECONDS, start_ups, limit=_START_UP_MS)
    yield _row(f"{name}: CPU", Unit.MILLISECONDS, [command.cpu_s * 1000 for command in commands])
    ratios = [one * len(_VLANS) / command.cpu_s for one, command in zip(by_hand, commands, strict=True)]
    yield _row(f"by hand ÷ {name}: CPU", Unit.TIMES, ratios, limit=_TIMES_LESS[output], at_least=True)


def _checked(probed: list[Probed]) -> list[Probed]:
    if any(run.wrong for run in probed):
        raise RunFailed("nadroute returned a wrong result for a VLAN")
    return probed


def _cpu_by_hand(site: BigSite, *, runs: int) -> list[float]:
    """Return the seconds of CPU per VLAN of each run."""
    # One device per VLAN, as `ip link add ... type vlan` makes it where the kernel supports that.
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
        raise RunFailed(f"by hand: only {answered} of {len(_VLANS)} VLANs answer")
    return done.cpu_s / len(_VLANS)


def _row(
    name: str, unit: Unit, values: list[float], *, limit: float | None = None, at_least: bool = False
) -> Row:
    return Row(section=_SECTION, name=name, unit=unit, values=tuple(values), limit=limit, at_least=at_least)
