"""A running demo, started as a user would start it."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from lab.site_file import load_site
from tests.network.lab_site import require_lab
from tests.support.programs import KUBECTL

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 120.0
"""An upper bound: what is waited for comes much sooner, or never."""
POLL_S = 0.5
"""A poll starts a process, which takes up to a second of CPU."""
ROUTE = "network.harvesterhci.io/route"


@dataclass
class Demo:
    """A running demo, and its output."""

    process: subprocess.Popen[str]
    kubeconfig: Path
    variables: Mapping[str, str]
    """How commands reach it."""
    flower_url: str
    flower_user: str
    flower_password: str

    def nadroute(self, *arguments: str) -> str:
        """Return the output of `nadroute ARGUMENTS`; exit code 0, or 1 for networks not Active."""
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("NADROUTE_")},
            **self.variables,
            "NO_COLOR": "1",
            "PYTHONIOENCODING": "utf-8",
        }
        command = [sys.executable, "-m", "services.cli.main", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
        assert done.returncode in (0, 1), done.stderr
        return done.stdout

    def states(self) -> dict[str, str]:
        """Return NAMESPACE/NAME to state, as `status` prints it."""
        rows = json.loads(self.nadroute("status", "-o", "json"))
        return {f"{row['namespace']}/{row['name']}": row["state"] for row in rows}

    def events(self, name: str) -> list[str]:
        """Return the reasons of the Events on a network of namespace default, with repetitions."""
        items = json.loads(
            self.kubectl("get", "events", "--field-selector", f"involvedObject.name={name}", "-o", "json")
        )["items"]
        return [item["reason"] for item in items if item["involvedObject"]["namespace"] == "default"]

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Return kubectl's output."""
        done = subprocess.run(
            [str(KUBECTL), "--kubeconfig", str(self.kubeconfig), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def route(self, name: str) -> dict[str, object]:
        """Return the network's route annotation; empty if there is none."""
        network = json.loads(self.kubectl("get", "net-attach-def", name, "-o", "json"))
        annotations = network["metadata"].get("annotations", {})
        route = json.loads(annotations.get(ROUTE, "{}"))
        assert isinstance(route, dict)
        return route


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Poll until the condition holds; fail with `what` after TIMEOUT_S."""
    deadline, never = time.monotonic() + TIMEOUT_S, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"waited {TIMEOUT_S:.0f} s for {what}"
        never.wait(POLL_S)


@contextlib.contextmanager
def started_demo(*arguments: str) -> Iterator[Demo]:
    """Run `make demo` for the duration of the block; yield when it prints how to look at it."""
    site = arguments[arguments.index("--site") + 1] if "--site" in arguments else ROOT / "examples/site.yaml"
    require_lab(load_site(Path(site)))
    process = subprocess.Popen(
        [sys.executable, "-m", "lab.demo", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "kubectl get" in line:
                break
        flower = re.search(r"Flower +(\S+) +user (\S+), password (\S+)", said)
        kubeconfig = re.search(r"kubeconfig +(\S+)", said)
        assert flower, said
        assert kubeconfig, said
        variables = json.loads((Path(kubeconfig[1]).parent / "environment.json").read_text())
        yield Demo(
            process,
            Path(kubeconfig[1]),
            variables,
            flower[1],
            flower_user=flower[2],
            flower_password=flower[3],
        )
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=TIMEOUT_S)
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Start one demo for a module's tests: the example site with one more VLAN, which no example uses."""
    site = yaml.safe_load((ROOT / "examples/site.yaml").read_text())
    site["vlans"].append(
        {
            "vlan": 1234,
            "cluster_network": "extra",
            "cidr": "10.77.0.0/24",
            "gateway": "10.77.0.1",
            "dhcp": {"pool": "10.77.0.50-10.77.0.90"},
        }
    )
    file = tmp_path_factory.mktemp("demo") / "site.yaml"
    file.write_text(yaml.safe_dump(site))
    with started_demo("--site", str(file)) as running:
        yield running
