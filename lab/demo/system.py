"""The processes of the demo: the lab's site, API server and Redis, and nadroute's services."""

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
"""Much shorter than in a cluster, so that a fault shows within seconds."""
PROGRAM = Path(sys.executable).with_name("nadroute")


@dataclass
class System:
    """All processes of the demo. Call stop() also when a start method has failed."""

    site: Site
    folder: Path
    """The folder of all files. Its path is short, because the addresses of unix sockets are."""
    seeds: Path | None = None
    """A folder of objects that the API server has from the start."""
    observe_only: bool = False
    """Whether the updater may write nothing to the networks."""
    flower_password: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    flower_port: int = field(default_factory=lambda: _free_port())
    watcher_port: int = field(default_factory=lambda: _free_port())
    updater_port: int = field(default_factory=lambda: _free_port())
    """The metrics ports of these two. Each prober uses the default port, in the namespace of its host."""
    running_site: RunningSite | None = None

    def __post_init__(self) -> None:
        self.folder.chmod(0o700)
        (self.folder / "logs").mkdir()
        (self.folder / "environment.json").write_text(json.dumps(dict(self.environment)))
        self.processes = Processes(self.folder / "logs", self.environment)

    @property
    def kubeconfig(self) -> Path:
        """Return the path of the kubeconfig, for kubectl and nadroute."""
        return self.folder / "kubeconfig"

    @property
    def redis_url(self) -> str:
        """Return the URL of a unix socket, which can be reached from every network namespace."""
        return f"unix://{self.folder}/redis.sock"

    @property
    def flower_url(self) -> str:
        """Return the URL of Flower, with user and password."""
        return f"http://{FLOWER_USER}:{self.flower_password}@127.0.0.1:{self.flower_port}"

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the variables with which nadroute and kubectl reach this demo."""
        return {
            "NADROUTE_REDIS_URL": self.redis_url,
            "NADROUTE_KUBECONFIG": str(self.kubeconfig),
            "KUBECONFIG": str(self.kubeconfig),
            "LAB_CONTROL_SOCKET": str(self.folder / "site" / "control.sock"),
        }

    def start_lab(self) -> None:
        """Start Redis, the API server and the site."""
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
        """Return whether the services can be started."""
        return self.kubeconfig.exists() and (self.folder / "redis.sock").exists()

    def start_services(self) -> None:
        """Start updater, watcher, a prober in the namespace of each host, and Flower."""
        assert self.running_site is not None
        nadroute = str(PROGRAM)
        observe_only = ["--observe-only"] if self.observe_only else []
        updater = [nadroute, "updater", *_SWEEP, *observe_only, *_metrics(self.updater_port)]
        self.processes.start("updater", updater)
        watcher = [nadroute, "watcher", *_SWEEP, "--retry-interval-s", "5", "--request-max-age-s", "15"]
        self.processes.start("watcher", [*watcher, *_metrics(self.watcher_port)])
        for host in self.site.hosts:
            uplinks = [f"--uplink={u.cluster_network}={u.interface}" for u in host.uplinks]
            # Entering a user namespace clears the parent-death signal, so it is set again inside.
            prober = mortal([nadroute, "prober", "--host", host.name, *uplinks])
            self.processes.start(f"prober-{host.name}", [*self.running_site.command(host.name), *prober])
        # Every user of the machine can read the arguments of a process; the environment is private.
        self.processes.start(
            "flower",
            [nadroute, "flower", "--port", str(self.flower_port), "--user", FLOWER_USER],
            {"NADROUTE_FLOWER_PASSWORD": self.flower_password},
        )

    def client(self) -> KubernetesClient:
        """Return a client for the API server."""
        return KubernetesClient.from_kubeconfig(self.kubeconfig)

    def check(self) -> None:
        """Raise ProcessDied or RuntimeError if a part has ended by itself."""
        self.processes.check()
        if self.running_site is not None and not self.running_site.is_running():
            raise RuntimeError("the site ended by itself")

    def stop(self) -> None:
        """Stop all: the services, then what they use."""
        self.processes.stop()
        if self.running_site is not None:
            self.running_site.stop()


def clear_environment() -> None:
    """Remove the caller's NADROUTE_ variables, so that the demo is the same everywhere."""
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
