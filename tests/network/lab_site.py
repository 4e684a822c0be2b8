"""What the tests of the lab share: whether it can run here, and a look at the machine around it."""

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
    """Skip, or in CI fail, where `site` cannot run."""
    missing = "; ".join(missing_prerequisites(site))
    if missing:
        unavailable(missing)


def ask(
    site: RunningSite, host: str, vlans: Iterable[int], *arguments: str, interface: str = "extra-bo"
) -> dict[int, Finding]:
    """What the wire client on `host` finds on `vlans`, by VLAN."""
    which = [word for vlan in vlans for word in ("--vlan", str(vlan))]
    output = run(site, host, "lab.wire_client", "--interface", interface, *which, *arguments)
    found = [json.loads(line) for line in output.splitlines()]
    return {finding["vlan"]: finding for finding in found}


def ping(site: RunningSite, host: str, *addresses: str, timeout: float) -> dict[str, str]:
    """What comes of an echo from `host` through its routing: reply, unreachable or silent."""
    answers: dict[str, str] = json.loads(
        run(site, host, "lab.echo_client", *addresses, "--timeout", str(timeout))
    )
    return answers


def run(site: RunningSite, host: str, module: str, *arguments: str) -> str:
    """Standard output of a Python module on `host`."""
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
    """The offers in a finding."""
    found = finding["offers"]
    assert isinstance(found, list)
    return found


def family(pid: int) -> set[int]:
    """`pid` and all its descendants."""
    found = {pid}
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        # A thread may end meanwhile.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in path.read_text().split():
                found |= family(int(child))
    return found


@dataclass(frozen=True)
class Footprint:
    """What a running site consists of, and who else was there: to see later what is left of it."""

    processes: frozenset[int]
    namespaces: frozenset[str]
    bystanders: frozenset[int]

    @classmethod
    def of(cls, pid: int) -> "Footprint":
        """The footprint of the site whose programme is `pid`."""
        processes = family(pid)
        namespaces = {namespace_of(process) for process in processes} - {namespace_of(os.getpid()), None}
        return cls(
            frozenset(processes), frozenset(filter(None, namespaces)), frozenset(all_pids()) - processes
        )

    def remains(self) -> list[str]:
        """The processes that are left, and whoever keeps a namespace alive.

        The kernel gives the number of a namespace that ended to the next one: who came later is not asked.
        """
        here = all_pids()
        left = [f"process {pid}" for pid in here if pid in self.processes]
        return left + [
            f"namespace by {pid}"
            for pid in here
            if pid in self.bystanders and namespace_of(pid) in self.namespaces
        ]


def namespace_of(pid: int) -> str | None:
    """The network namespace that `pid` is in; None when it has ended."""
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    return None


def all_pids() -> list[int]:
    """Every process of the machine that has not ended; one may wait to be reaped by a lazy init."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and "\nState:\tZ" not in (entry / "status").read_text():
                found.append(int(entry.name))
    return found
