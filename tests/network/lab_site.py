"""Helpers of the lab's tests: whether the lab can run here, and what a site leaves behind."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.namespaces import python_environment
from lab.prerequisites import missing_prerequisites
from lab.running import RunningSite
from lab.site import Site
from tests.conftest import unavailable

Finding = dict[str, object]


def require_lab(site: Site) -> None:
    """Skip, or fail in CI, if `site` cannot run here."""
    missing = "; ".join(missing_prerequisites(site))
    if missing:
        unavailable(missing)


def ask(
    site: RunningSite, host: str, vlans: Iterable[int], *arguments: str, interface: str = "extra-bo"
) -> dict[int, Finding]:
    """Return what the wire client on `host` finds on `vlans`, by VLAN."""
    which = [word for vlan in vlans for word in ("--vlan", str(vlan))]
    output = run(site, host, "lab.wire_client", "--interface", interface, *which, *arguments)
    found = [json.loads(line) for line in output.splitlines()]
    return {finding["vlan"]: finding for finding in found}


def ping(site: RunningSite, host: str, *addresses: str, timeout: float) -> dict[str, str]:
    """Ping through the routing of `host`; return reply, unreachable or silent for each address."""
    answers: dict[str, str] = json.loads(
        run(site, host, "lab.echo_client", *addresses, "--timeout", str(timeout))
    )
    return answers


def run(site: RunningSite, host: str, module: str, *arguments: str) -> str:
    """Return the standard output of a Python module on `host`."""
    done = subprocess.run(
        [*site.command(host), sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=python_environment(),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def offers(finding: Finding) -> list[dict[str, str]]:
    """Return the offers in a finding."""
    found = finding["offers"]
    assert isinstance(found, list)
    return found


def family(pid: int) -> set[int]:
    """Return `pid` and all its descendants."""
    found = {pid}
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        # A thread may end meanwhile.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in path.read_text().split():
                found |= family(int(child))
    return found


@dataclass(frozen=True)
class Footprint:
    """The processes and namespaces of a running site, to check later what is left of it."""

    processes: frozenset[int]
    namespaces: frozenset[str]
    bystanders: frozenset[int]

    @classmethod
    def of(cls, pid: int) -> "Footprint":
        """Return the footprint of the site whose process is `pid`."""
        processes = family(pid)
        namespaces = {namespace_of(process) for process in processes} - {namespace_of(os.getpid()), None}
        return cls(
            frozenset(processes), frozenset(filter(None, namespaces)), frozenset(all_pids()) - processes
        )

    def remains(self) -> list[str]:
        """Return the remaining processes, and processes that keep a namespace alive.

        The kernel may reuse the number of an ended namespace, so later processes are ignored.
        """
        here = all_pids()
        left = [f"process {pid}" for pid in here if pid in self.processes]
        return left + [
            f"namespace by {pid}"
            for pid in here
            if pid in self.bystanders and namespace_of(pid) in self.namespaces
        ]


def namespace_of(pid: int) -> str | None:
    """Return the network namespace of `pid`; None if it has ended."""
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    return None


def all_pids() -> list[int]:
    """Return every live process of the machine; a zombie may wait for a slow init."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and "\nState:\tZ" not in (entry / "status").read_text():
                found.append(int(entry.name))
    return found
