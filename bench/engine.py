"""Having the engine probe, in a process of its own, and what that took."""

import sys
from dataclasses import dataclass
from enum import StrEnum

from bench.processes import number, read_object, run
from lab.bigsite.fabric import UPLINK
from lab.namespaces import Namespace


class Collector(StrEnum):
    """What is done with Python's garbage collector before the scan."""

    DEFAULT = "as it is"
    FROZEN = "frozen"
    """What start-up made is never looked at again (gc.freeze)."""
    OFF = "off"


class NotSupported(Exception):
    """The engine has no such depth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What it is to do."""

    vlans: int
    """1 to this one."""
    depth: str = "offer"
    deadline_s: float = 5.0
    rate: float | None = None
    """VLANs begun a second; None lifts the limit on ARP too."""
    mute: int | None = None
    """VLANs whose number it divides are known to be dead."""
    collector: Collector = Collector.DEFAULT

    def command(self) -> list[str]:
        """The command that does it, in the namespace of the trunk."""
        arguments = {"--interface": UPLINK, "--vlans": self.vlans, "--depth": self.depth}
        command = [sys.executable, "-m", "bench.probing", "--deadline", str(self.deadline_s)]
        command += ["--collector", self.collector]
        for name, value in {**arguments, "--rate": self.rate, "--mute": self.mute}.items():
            command += [] if value is None else [name, str(value)]
        return command


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


def probe(namespace: Namespace, scan: Scan) -> Probed:
    """Run the scan in namespace.

    Raises:
        NotSupported: the engine has no such depth.
        RunFailed: it broke.
    """
    done = run(namespace, scan.command())
    fields = read_object(done.output)
    if "unsupported" in fields:
        raise NotSupported(str(fields["unsupported"]))
    return Probed(
        cpu_s=number(fields, "cpu_s"),
        wall_s=number(fields, "wall_s"),
        process_cpu_s=done.cpu_s,
        peak_mib=number(fields, "peak_kib") / 1024,
        wrong=int(number(fields, "wrong")),
        dropped_frames=int(number(fields, "dropped_frames")),
    )
