"""Running a program in a namespace, and measuring its CPU time."""

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.namespaces import Namespace


class RunFailed(Exception):
    """A program failed; the text is one line for people."""


@dataclass(frozen=True, slots=True)
class Run:
    """Result of a program that has ended."""

    output: str
    cpu_s: float
    """User and system time in seconds, children included."""


def run(namespace: Namespace, argv: Sequence[str], *, stdin: str = "") -> Run:
    """Run argv in namespace to its end; CPU time comes from wait4(2). Raises RunFailed."""
    with tempfile.TemporaryFile() as complaints:
        child = namespace.start(argv, stdout=subprocess.PIPE, stderr=complaints, stdin=stdin.encode())
        assert child.stdout is not None
        with child.stdout:
            output = child.stdout.read().decode(errors="replace")
        _, status, usage = os.wait4(child.pid, 0)
        # Set for Popen, so that it does not wait for a child that is gone.
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            complaints.seek(0)
            lines = complaints.read().decode(errors="replace").strip().splitlines()
            reason = lines[-1] if lines else f"exit code {child.returncode}"
            raise RunFailed(f"{os.path.basename(argv[0])}: {reason}")  # noqa: PTH119 - a command, not a path
    return Run(output, usage.ru_utime + usage.ru_stime)


def read_object(text: str) -> dict[str, object]:
    """Parse the last line of a program's output as a JSON object. Raises RunFailed."""
    lines = text.strip().splitlines()
    try:
        found = json.loads(lines[-1] if lines else "")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise RunFailed("expected one line of JSON")
    return found


def number(fields: dict[str, object], name: str) -> float:
    """Return the number in fields[name]. Raises RunFailed if it is missing or no number."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RunFailed(f"expected a number {name}, got {value!r}")
    return float(value)


def cpu_s(pid: int) -> float:
    """Return user and system time of a process with all its threads, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    """Return the peak resident set of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
