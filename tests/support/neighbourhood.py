"""Watcher, updater, scripted probers, and doubles of all other writers of networks; in real time."""

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.harvester import ControllerDouble, Fabric, HarvesterUi, Pace, StoreNetworks, Terraform, Webhook
from lab.kube import HarvesterAdmission
from lab.kube.objects import Actor
from lab.kube.writes import WriteRecord
from services.watcher.app import run
from services.watcher.settings import WatcherSettings
from tests.support.redis_server import RedisServer, running_redis
from tests.support.scripted_prober import ScriptedProber
from tests.support.shared_networks import make_well
from tests.support.updater_site import UpdaterSite, state_of, updater_site
from tests.support.write_history import of_network

PACE = Pace(tick_s=1e9).scaled(0.02)
PERSON = Actor(user="person", agent="browser")


@dataclass
class Neighbourhood:
    """All writers of networks."""

    site: UpdaterSite
    fabric: Fabric
    harvester: ControllerDouble
    ui: HarvesterUi
    terraform: Terraform
    webhook: Webhook

    def active(self, *names: str, vlan: int, route: str | None = None) -> None:
        """Create networks on VLANs from there on, and wait until they are Active."""
        for offset, name in enumerate(names):
            make_well(self.fabric, vlan + offset)
            self.site.create(name, vlan=vlan + offset, route=route)
        for name in names:
            self.site.wait_for(name, lambda network: state_of(network) == "Active")

    def sequence(self) -> int:
        """Return the sequence of the last write so far."""
        return max((record.sequence for record in self.site.server.writes), default=0)

    def settle(self) -> None:
        """Wait until earlier changes have been probed, reported and written: a later network has been."""
        number = self.sequence()
        vlan = 3000 + number % 1000
        self.active(f"settle-{number}", vlan=vlan)

    def writes(self, name: str, *, after: int = 0) -> list[WriteRecord]:
        """Return all writes to a network since."""
        return [record for record in of_network(self.site.server.writes, name) if record.sequence > after]


@contextlib.contextmanager
def watching(site: UpdaterSite, redis_server: RedisServer, folder: Path) -> Iterator[None]:
    """Run a watcher in a thread."""
    settings = WatcherSettings.load(
        redis_url=redis_server.url,
        kubeconfig=folder / "kubeconfig",
        leader_election=False,
        host_poll_interval_s=0.1,
        retry_interval_s=2.0,
        ask_window_s=1.0,
    )
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(settings, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


@contextlib.contextmanager
def neighbourhood(**environment: str) -> Iterator[Neighbourhood]:
    """Run everything for the duration of the block."""
    admission = HarvesterAdmission(cluster_networks=frozenset({"extra"}))
    fabric = Fabric()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp")))
        redis_server = stack.enter_context(running_redis(folder))
        site = stack.enter_context(updater_site(folder, redis_server, admission=admission, **environment))
        for host in ("node1", "node2"):
            stack.enter_context(ScriptedProber(redis_server.client, site.app, fabric, host))
        stack.enter_context(watching(site, redis_server, folder))
        networks = StoreNetworks(site.server.store)
        harvester = stack.enter_context(ControllerDouble(networks, fabric, pace=PACE))
        people = StoreNetworks(site.server.store, actor=PERSON)
        yield Neighbourhood(
            site,
            fabric,
            harvester,
            HarvesterUi(people),
            Terraform(people),
            Webhook(site.server.faults, factor=0.3),
        )
