"""The lab as an ordinary user, in a user namespace."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

import lab
from tests.conftest import unavailable
from tests.network.lab_site import all_pids

NOBODY = "65534"
SCRIPT = """
import json, os, subprocess, sys
from pathlib import Path
from lab.running import start_site
from lab.site import ServerKind
from lab.site_builder import build_site, build_vlan

vlans = [build_vlan(1 + number, server=ServerKind(kind)) for number, kind in enumerate(sys.argv[2:])]
with start_site(build_site(vlans), Path(sys.argv[1]) / "state") as site:
    def run(*command):
        argv = [*site.command("node1"), sys.executable, "-m", *command, "--timeout", "2"]
        return [json.loads(line) for line in subprocess.check_output(argv).splitlines()]
    ask = ["lab.wire_client", "--interface", "extra-bo", *(f"--vlan={vlan.vlan}" for vlan in vlans)]
    before = run(*ask)
    (reached,) = run("lab.echo_client", *(str(vlan.gateway) for vlan in vlans))
    site.break_vlan(1)
    after = run(*ask)
    print(json.dumps({
        "user": os.getuid(),
        "user_namespace": site.description.user_namespace,
        "before": [len(finding["offers"]) for finding in before],
        "reached": list(reached.values()),
        "after": [len(finding["offers"]) for finding in after],
        "pids": [site.pid, *site.description.namespaces.values(),
                 *(host.pid for host in site.description.hosts.values())],
    }))
"""


@dataclass(frozen=True)
class Ordinary:
    """Runs Python as an ordinary user, who can read `folder` and write to `folder/work`."""

    python: list[str]
    folder: Path

    def run(self, script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run `script`, which can import the lab and nothing else of this project."""
        return subprocess.run(
            [*self.python, "-c", script, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env={"PATH": os.defpath, "PYTHONPATH": str(self.folder)},
            timeout=60,
        )


@pytest.fixture
def ordinary() -> Iterator[Ordinary]:
    """Use the current user, or nobody for root, with a copy of the lab that this user can read."""
    with tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as name:
        folder = Path(name)
        for package in (Path(str(lab.__file__)).parent, Path(yaml.__file__).parent):
            shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
        for path in folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        (folder / "work").mkdir()
        if os.geteuid() == 0:
            folder.chmod(0o755)
            shutil.chown(folder / "work", int(NOBODY), int(NOBODY))
        yield Ordinary(_python_command(), folder)


def _python_command() -> list[str]:
    setpriv = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    prefix = setpriv if os.geteuid() == 0 else []
    # The interpreter must be executable for the user: one in root's home is not.
    check = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', 'import tomllib']))"
    usable = [
        [*prefix, python]
        for python in (sys.executable, "/usr/bin/python3")
        if subprocess.call([*prefix, python, "-c", check], stderr=subprocess.DEVNULL, cwd="/") == 0
    ]
    return usable[0] if usable else unavailable("no Python that an ordinary user can run")


def test_an_ordinary_user_runs_the_whole_site(ordinary: Ordinary) -> None:
    """In a user namespace every server offers, routing works, faults can be injected, and nothing is left."""
    missing = ordinary.run("from lab.prerequisites import *; print('; '.join(missing_prerequisites()))")
    if missing.stdout.strip():
        unavailable(missing.stdout.strip())
    servers = {"dnsmasq": "dnsmasq", "udhcpd": "udhcpd", "isc": "dhcpd"}
    kinds = [kind for kind, name in servers.items() if shutil.which(name, path=f"{os.defpath}:/usr/sbin")]
    kinds.append("builtin")
    done = ordinary.run(SCRIPT, str(ordinary.folder / "work"), *kinds)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["user"] != 0
    assert found["user_namespace"] is True
    assert found["before"] == [1 for _ in kinds]
    assert found["reached"] == ["reply" for _ in kinds]
    assert found["after"] == [0, *(1 for _ in kinds[1:])]
    assert list((ordinary.folder / "work").iterdir()) == []
    assert not set(found["pids"]) & set(all_pids())
