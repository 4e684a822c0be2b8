"""The system that the demo runs: the lab's parts around nadroute's, each a process of its own."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.demo.kubernetes_client import KubernetesClient
from lab.demo.processes import Processes, mortal
from lab.running import RunningSite, start_site
from lab.site import Site

FLOWER_USER = "demo"
_SWEEP = ("--sweep-interval-s", "15")
"""Much more often than in a cluster, so that somebody who breaks something need not wait."""
PROGRAM = Path(sys.executable).with_name("nadroute")


@dataclass
class System:
    """All processes, and how to look at them. start() then stop(), also when start() failed half way."""

    site: Site
    folder: Path
    """Everything that is written goes here; its path is short, for it holds unix sockets."""
    seeds: Path | None = None
    """A folder of objects that the API server holds from the start."""
    flower_password: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    flower_port: int = field(default_factory=lambda: _free_port())
    watcher_port: int = field(default_factory=lambda: _free_port())
    updater_port: int = field(default_factory=lambda: _free_port())
    """Where these two tell of themselves; a prober has its default port to itself, on its own host."""
    running_site: RunningSite | None = None

    def __post_init__(self) -> None:
        self.folder.chmod(0o700)
        (self.folder / "logs").mkdir()
        (self.folder / "environment.json").write_text(json.dumps(dict(self.environment)))
        self.processes = Processes(self.folder / "logs", self.environment)

    @property
    def kubeconfig(self) -> Path:
        """For kubectl and nadroute alike."""
        return self.folder / "kubeconfig"

    @property
    def redis_url(self) -> str:
        """A unix socket: it is reached from every network namespace."""
        return f"unix://{self.folder}/redis.sock"

    @property
    def flower_url(self) -> str:
        """Flower's page, with user and password in it."""
        return f"http://{FLOWER_USER}:{self.flower_password}@127.0.0.1:{self.flower_port}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What a nadroute command needs to find this system."""
        return {
            "NADROUTE_REDIS_URL": self.redis_url,
            "NADROUTE_KUBECONFIG": str(self.kubeconfig),
            "KUBECONFIG": str(self.kubeconfig),
            "LAB_CONTROL_SOCKET": str(self.folder / "site" / "control.sock"),
        }

    def start_lab(self) -> None:
        """Redis, the API server and the site."""
        self.processes.start("redis", [str(PROGRAM), "redis", "--socket", f"{self.folder}/redis.sock"])
        self.processes.start(
            "kubernetes",
            [
                *[sys.executable, "-m", "lab.kube", "--port", "0", "--die-with-parent"],
                *["--admission", "harvester", "--state", str(self.folder / "kubernetes")],
                *["--kubeconfig", str(self.kubeconfig)],
                *[f"--seed={path}" for path in (sorted(self.seeds.glob("*.yaml")) if self.seeds else [])],
            ],
        )
        self.running_site = start_site(self.site, self.folder / "site")

    def is_lab_ready(self) -> bool:
        """Whether the services can be started."""
        return self.kubeconfig.exists() and (self.folder / "redis.sock").exists()

    def start_services(self) -> None:
        """Updater and watcher, a prober in each host's namespace, and Flower."""
        assert self.running_site is not None
        nadroute = str(PROGRAM)
        self.processes.start("updater", [nadroute, "updater", *_SWEEP, *_metrics(self.updater_port)])
        watcher = [nadroute, "watcher", *_SWEEP, "--retry-interval-s", "5"]
        self.processes.start("watcher", [*watcher, *_metrics(self.watcher_port)])
        for host in self.site.hosts:
            uplinks = [f"--uplink={u.cluster_network}={u.interface}" for u in host.uplinks]
            # Entering a user namespace clears the wish to die with the parent, so it is wished again inside.
            prober = mortal([nadroute, "prober", "--host", host.name, *uplinks])
            self.processes.start(f"prober-{host.name}", [*self.running_site.command(host.name), *prober])
        # Every user of the machine can read the arguments of a process; the environment is private.
        self.processes.start(
            "flower",
            [nadroute, "flower", "--port", str(self.flower_port), "--user", FLOWER_USER],
            {"NADROUTE_FLOWER_PASSWORD": self.flower_password},
        )

    def client(self) -> KubernetesClient:
        """A client of the API server."""
        return KubernetesClient.from_kubeconfig(self.kubeconfig)

    def check(self) -> None:
        """Raises ProcessDied when any part has ended by itself."""
        self.processes.check()
        if self.running_site is not None and not self.running_site.is_running():
            raise RuntimeError("the site ended by itself")

    def stop(self) -> None:
        """End all: the services, then what they used."""
        self.processes.stop()
        if self.running_site is not None:
            self.running_site.stop()


def clear_environment() -> None:
    """Forget NADROUTE_ variables of the caller's: the demo is the same wherever it runs."""
    for name in [name for name in os.environ if name.upper().startswith("NADROUTE_")]:
        del os.environ[name]


def _metrics(port: int) -> list[str]:
    return ["--metrics-port", str(port)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port
