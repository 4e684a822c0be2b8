"""The whole of nadroute as processes on one trunk: the C responder answers on every VLAN, a kernel routes."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from bench.compiling import Programs
from bench.loop_client import CLUSTER_NETWORK
from bench.loop_site import Services, open_services
from bench.processes import RunFailed, run
from bench.trunk import Trunk
from lab.bigsite.fabric import UPLINK, BigSite, cable
from lab.kernel import enter_network
from services.contract.names import host_key

HOST = "node1"
_MANAGEMENT = "mgmt0"
_HERE, _ROUTER = "192.168.250.1", "192.168.250.2"
_STARTED_S = 60.0


@dataclass
class RealLoop:
    """The running parts. The calling thread is in its own network namespace."""

    services: Services
    site: BigSite
    home: int

    def route(self, gateways: Iterable[IPv4Address]) -> None:
        """Have the router answer ICMP echoes in the place of these gateways."""
        with self._away():
            self.site.network.run_ip([f"route add local {gateway}/32 dev lo" for gateway in gateways])

    @contextlib.contextmanager
    def prober(self) -> Iterator["subprocess.Popen[bytes]"]:
        """Run the prober of the host, with default settings."""
        self.services.redis.client.delete(host_key(HOST))
        command = [sys.executable, "-m", "services.cli.main", "prober", "--host", HOST]
        options = ["--uplink", f"{CLUSTER_NETWORK}={UPLINK}", "--metrics-port", "0"]
        with self._away():
            process = self.site.host.start(
                [*command, *options, "--redis-url", self.services.redis.url],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        try:
            deadline, never = time.monotonic() + _STARTED_S, threading.Event()
            while not self.services.redis.client.exists(host_key(HOST)):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RunFailed("the prober does not start")
                never.wait(0.1)
            yield process
        finally:
            process.terminate()
            process.wait()

    def run(self, *command: str, in_network: bool = False) -> str:
        """Run a program on the host, or in the network behind the trunk; return its output."""
        with self._away():
            return run(self.site.network if in_network else self.site.host, command).output

    def ip(self, line: str, *, in_network: bool) -> None:
        """Run one command of ip(8)."""
        with self._away():
            (self.site.network if in_network else self.site.host).run_ip([line])

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        """Start a program on the host, its output in a pipe."""
        with self._away():
            return self.site.host.start(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    @contextlib.contextmanager
    def _away(self) -> Iterator[None]:
        try:
            yield
        finally:
            enter_network(self.home)


@contextlib.contextmanager
def open_real_loop(programs: Programs) -> Iterator[RealLoop]:
    """Build the trunk and start everything but the prober."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, home)
        site = stack.enter_context(cable())
        peer = f"peer name {_MANAGEMENT} netns {site.network.pid}"
        site.host.run_ip(
            [
                f"link add {_MANAGEMENT} type veth {peer}",
                f"address add {_HERE}/24 dev {_MANAGEMENT}",
                f"link set {_MANAGEMENT} up",
                "link set lo up",
                f"route add default via {_ROUTER}",
            ]
        )
        site.network.run_ip([f"address add {_ROUTER}/24 dev {_MANAGEMENT}", f"link set {_MANAGEMENT} up"])
        stack.enter_context(Trunk(programs, site).responder())
        enter_network(home)
        yield RealLoop(stack.enter_context(open_services()), site, home)
