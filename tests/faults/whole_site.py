"""The whole of nadroute as processes: watcher, updater, and a prober on each host of a site of the lab.

Redis and the lab's API server are real; the server records every write.
"""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.kube.writes import WriteRecord
from lab.namespaces import python_environment
from lab.running import RunningSite, start_site
from lab.site import ServerKind, Site
from lab.site_builder import build_site, build_vlan
from services.contract.messages import HostAnnouncement, Segment
from services.contract.names import host_key
from services.runtime.stored.verdict_store import VerdictStore
from tests.support.redis_server import RedisServer, running_redis
from tests.support.service_process import running_service
from tests.support.updater_site import UpdaterSite, state_of, updater_site
from tests.support.write_history import by_us, committed

HOSTS = ("node1", "node2", "node3")
VLANS = tuple(range(1, 7))
PARTIAL = 7
"""A VLAN that is not on the trunk of node2."""


def site_of(hosts: Sequence[str]) -> Site:
    """Return the site with these hosts."""
    vlans = [build_vlan(vlan, server=ServerKind.BUILTIN) for vlan in (*VLANS, PARTIAL)]
    return build_site(vlans, hosts=len(hosts), trunked={"node2": frozenset(VLANS)})


SITE = site_of(HOSTS)
WELL = {**dict.fromkeys(VLANS, "Active"), PARTIAL: "Partial"}
"""The state of the network on each VLAN while nothing is broken."""
SWEEP_S = 20.0
"""Short, so that an outage is found soon; two of them are longer than the bound for a report."""
EXIT_S = 60.0


@dataclass
class WholeSite:
    """The running processes, and what they have written."""

    lab: RunningSite
    redis: RedisServer
    updater: UpdaterSite
    hosts: Sequence[str] = HOSTS
    as_user: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    probers: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, host: str) -> None:
        """Start a prober; return when it has announced itself under a new incarnation."""
        before = self.incarnation(host)
        command = [sys.executable, "-m", "services.cli.main", "prober", "--host", host]
        options = ["--uplink", "extra=extra-bo", "--redis-url", self.redis.url, "--metrics-port", "0"]
        self.probers[host] = subprocess.Popen(
            [*self.lab.command(host), *command, *options],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**python_environment(), **self.as_user.get(host, {})},
        )
        self.updater.wait(lambda: self.incarnation(host) not in (None, before))

    def kill(self, host: str, how: signal.Signals = signal.SIGKILL) -> None:
        """End a prober; return when it has ended."""
        process = self.probers.pop(host)
        process.send_signal(how)
        process.wait(EXIT_S)

    def incarnation(self, host: str) -> int | None:
        """Return the incarnation that is announced; None where the host is not."""
        text = self.redis.client.get(host_key(host))
        return None if text is None else HostAnnouncement.from_wire(str(text)).incarnation

    def has_reported(self, *hosts: str) -> bool:
        """Return whether each of these processes has reported on every VLAN since its start."""
        store = VerdictStore(self.redis.client)
        segments = [Segment(cluster_network="extra", vlan=vlan) for vlan in (*VLANS, PARTIAL)]
        wanted = {(host, self.incarnation(host)) for host in hosts}
        return all(
            wanted <= {(seen.verdict.host, seen.verdict.incarnation) for seen in found.latest}
            for found in store.read(segments).values()
        )

    def wait_for_reports(self, *hosts: str) -> None:
        """Wait until they have."""
        self.updater.wait(lambda: self.has_reported(*hosts))

    def states(self) -> Mapping[int, str]:
        """Return the written state of the network on each VLAN."""
        return {vlan: state_of(self.updater.get(name_of(vlan))) for vlan in (*VLANS, PARTIAL)}

    def sequence(self) -> int:
        """Return the number of the last write so far."""
        return max((record.sequence for record in self.updater.server.writes), default=0)

    def writes(self, *, after: int, vlans: Sequence[int] = (*VLANS, PARTIAL)) -> list[WriteRecord]:
        """Return the updater's writes to these networks that changed something."""
        names = {name_of(vlan) for vlan in vlans}
        ours = committed(by_us(self.updater.server.writes))
        return [record for record in ours if record.sequence > after and record.name in names]

    def make_well(self) -> None:
        """Start each prober that does not run; wait until all have reported and every state is true."""
        for host in self.hosts:
            if host not in self.probers:
                self.start(host)
        self.updater.wait(lambda: self.states() == WELL)
        self.wait_for_reports(*self.hosts)
        self.settle()

    def settle(self) -> None:
        """Wait until all that was reported before is judged and written: a later network is."""
        name = f"later-{self.sequence()}"
        self.updater.create(name, vlan=VLANS[0])
        self.updater.wait_for(name, lambda network: state_of(network) == "Active")


def name_of(vlan: int) -> str:
    """Return the name of the network on this VLAN."""
    return f"net-{vlan}"


@contextlib.contextmanager
def whole_site(
    folder: Path,
    state: Path,
    hosts: Sequence[str] = HOSTS,
    *,
    redis_options: Sequence[str] = (),
    as_user: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[WholeSite]:
    """Start everything and wait until every network is in its true state.

    as_user: variables by which the watcher, the updater and each host's prober sign in to Redis.
    """
    as_user = as_user or {}
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(start_site(site_of(hosts), state))
        redis_server = stack.enter_context(running_redis(folder, *redis_options))
        sweep_s = str(SWEEP_S)
        signed_in = as_user.get("updater", {})
        updater = stack.enter_context(
            updater_site(folder, redis_server, admission=None, NADROUTE_SWEEP_INTERVAL_S=sweep_s, **signed_in)
        )
        environment = {
            "NADROUTE_SWEEP_INTERVAL_S": sweep_s,
            "NADROUTE_REDIS_URL": redis_server.url,
            "NADROUTE_KUBECONFIG": str(folder / "kubeconfig"),
            "NADROUTE_RETRY_INTERVAL_S": "5",
            "NADROUTE_ASK_WINDOW_S": "4",
            "NADROUTE_REQUEST_MAX_AGE_S": "15",
            **as_user.get("watcher", {}),
        }
        stack.enter_context(running_service("watcher", folder, environment))
        running = WholeSite(lab, redis_server, updater, hosts, as_user)
        stack.callback(_end, running)
        for vlan in (*VLANS, PARTIAL):
            updater.create(name_of(vlan), vlan=vlan)
        running.make_well()
        yield running


def _end(running: WholeSite) -> None:
    for host in list(running.probers):
        running.kill(host)
