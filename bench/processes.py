"""Running a program in a namespace, and what it cost."""

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from lab.namespaces import Namespace


class RunFailed(Exception):
    """A program did not do its work; the text is one line for people."""


@dataclass(frozen=True, slots=True)
class Run:
    """A program that has ended."""

    output: str
    cpu_s: float
    """Seconds, user and system, its children's too."""


def run(namespace: Namespace, argv: Sequence[str], *, stdin: str = "") -> Run:
    """Run argv in namespace to its end; what it cost is what wait4(2) says.

    Raises:
        RunFailed: it ended with another status than 0.
    """
    with tempfile.TemporaryFile() as complaints:
        child = namespace.start(argv, stdout=subprocess.PIPE, stderr=complaints, stdin=stdin.encode())
        assert child.stdout is not None
        with child.stdout:
            output = child.stdout.read().decode(errors="replace")
        _, status, usage = os.wait4(child.pid, 0)
        # Popen is told, so that it does not wait for a child that is gone.
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            complaints.seek(0)
            lines = complaints.read().decode(errors="replace").strip().splitlines()
            reason = lines[-1] if lines else f"exit code {child.returncode}"
            raise RunFailed(f"{os.path.basename(argv[0])}: {reason}")  # noqa: PTH119 - a command, not a path
    return Run(output, usage.ru_utime + usage.ru_stime)


def read_object(text: str) -> dict[str, object]:
    """The JSON object in the last line of what a program printed; RunFailed when there is none."""
    lines = text.strip().splitlines()
    try:
        found = json.loads(lines[-1] if lines else "")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise RunFailed("expected one line of JSON")
    return found


def number(fields: dict[str, object], name: str) -> float:
    """A number among fields; RunFailed when it is not there."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RunFailed(f"expected a number {name}, got {value!r}")
    return float(value)
