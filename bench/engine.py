"""Having the engine probe, in a process of its own, and what that took."""

import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bench.processes import number, read_object, run
from lab.bigsite.fabric import UPLINK
from lab.namespaces import Namespace

_ROOT = Path(__file__).resolve().parent.parent


def _python_with(engine: Path) -> list[str]:
    """Without -P the folder that we are in would come first, and the interpreted engine in it."""
    return ["env", f"PYTHONPATH={engine}{os.pathsep}{_ROOT}", sys.executable, "-P"]


class Collector(StrEnum):
    """What is done with Python's garbage collector before the scan."""

    DEFAULT = "as it is"
    FROZEN = "frozen"
    """What start-up made is never looked at again (gc.freeze)."""
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What it is to do."""

    vlans: int
    """1 to this one."""
    depth: str = "offer"
    ping: bool = False
    """Ask gateways by ICMP too, from an address of ours on each VLAN; with a lease that is done anyhow."""
    deadline_s: float = 5.0
    rate: float | None = None
    """VLANs begun a second; None lifts the limit on ARP too."""
    mute: int | None = None
    """VLANs whose number it divides are known to be dead."""
    collector: Collector = Collector.DEFAULT

    def command(self, engine: Path | None = None) -> list[str]:
        """The command that does it, in the namespace of the trunk; engine: the folder of a compiled one."""
        python = [sys.executable] if engine is None else _python_with(engine)
        arguments = {"--interface": UPLINK, "--vlans": self.vlans, "--depth": self.depth}
        command = [*python, "-m", "bench.probing", "--deadline", str(self.deadline_s)]
        command += ["--collector", self.collector]
        for name, value in {**arguments, "--rate": self.rate, "--mute": self.mute}.items():
            command += [] if value is None else [name, str(value)]
        return [*command, "--ping"] if self.ping else command


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What the engine took for it, in seconds and mebibytes."""

    cpu_s: float
    """From the call of scan to its return: user and system time of all threads."""
    wall_s: float
    process_cpu_s: float
    """All of the process: the interpreter, its imports and the templates too."""
    peak_mib: float
    """Of the process, over its whole life."""
    wrong: int
    """VLANs whose result is not the truth."""
    dropped_frames: int


def probe(namespace: Namespace, scan: Scan, engine: Path | None = None) -> Probed:
    """Run the scan in namespace; engine: the folder of a compiled one.

    Raises RunFailed when it broke.
    """
    done = run(namespace, scan.command(engine))
    fields = read_object(done.output)
    return Probed(
        cpu_s=number(fields, "cpu_s"),
        wall_s=number(fields, "wall_s"),
        process_cpu_s=done.cpu_s,
        peak_mib=number(fields, "peak_kib") / 1024,
        wrong=int(number(fields, "wrong")),
        dropped_frames=int(number(fields, "dropped_frames")),
    )
