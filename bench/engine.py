"""Running the engine in a process of its own, and measuring it."""

import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bench.processes import number, read_object, run
from lab.bigsite.fabric import UPLINK
from lab.namespaces import Namespace

_ROOT = Path(__file__).resolve().parent.parent


def python_with(engine: Path) -> list[str]:
    """Return the command for Python with the compiled engine.

    Without -P the current folder, with the interpreted engine, would come first on the path.
    """
    return ["env", f"PYTHONPATH={engine}{os.pathsep}{_ROOT}", sys.executable, "-P"]


class Collector(StrEnum):
    """State of Python's garbage collector during the scan."""

    DEFAULT = "default"
    FROZEN = "frozen"
    """Objects from start-up are never traversed again (gc.freeze)."""
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """Parameters of one scan."""

    vlans: int
    """VLANs 1 to this number."""
    depth: str = "offer"
    ping: bool = False
    """Also send ICMP echoes, from an address of ours on each VLAN; implied by depth lease."""
    deadline_s: float = 5.0
    rate: float | None = None
    """VLANs started per second; None removes the ARP limit too."""
    mute: int | None = None
    """VLANs whose number is divisible by this are known to be dead."""
    collector: Collector = Collector.DEFAULT

    def command(self, engine: Path | None = None) -> list[str]:
        """Return the command line; engine is the folder of a compiled engine."""
        python = [sys.executable] if engine is None else python_with(engine)
        arguments = {"--interface": UPLINK, "--vlans": self.vlans, "--depth": self.depth}
        command = [*python, "-m", "bench.probing", "--deadline", str(self.deadline_s)]
        command += ["--collector", self.collector]
        for name, value in {**arguments, "--rate": self.rate, "--mute": self.mute}.items():
            command += [] if value is None else [name, str(value)]
        return [*command, "--ping"] if self.ping else command


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """Cost of one scan, in seconds and mebibytes."""

    cpu_s: float
    """User and system time of all threads, from the call of scan to its return."""
    wall_s: float
    process_cpu_s: float
    """CPU of the whole process: interpreter, imports and templates too."""
    peak_mib: float
    """Peak resident set of the process."""
    wrong: int
    """VLANs with a wrong result."""
    dropped_frames: int


def probe(namespace: Namespace, scan: Scan, engine: Path | None = None) -> Probed:
    """Run the scan in namespace; engine is the folder of a compiled engine. Raises RunFailed."""
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
