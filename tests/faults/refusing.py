"""A Redis that refuses, moves and restarts, before the three services, each a real process.

The test plays the API server's users and what a prober reports.
"""

import contextlib
import itertools
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import redis

from lab.kube import ApiServer
from lab.kube.resources import NADS
from services.contract.messages import HostAnnouncement, ProbeRequest, Segment, SegmentProbe, Target
from services.contract.names import (
    PROBE_TASK,
    REPORT_QUEUE,
    REPORT_TASK,
    SENDING_KEY,
    outstanding_key,
    probe_queue,
    verdicts_key,
)
from services.contract.outcomes import ReachOutcome
from services.contract.reports import Report
from services.network.parse.nad import Network
from services.runtime.connection.redis_client import time_ms
from services.runtime.queues.celery_app import make_app
from tests.support.announcing import announced
from tests.support.redis_server import RedisServer, running_redis
from tests.support.service_process import ServiceProcess, running_service
from tests.support.updater_site import NAMESPACE, state_of, wait_until
from tests.unit.network.builders import CIDR, GATEWAY, verdict

HOST = "node1"
OTHER_HOST = "node2"
"""Announced by the test, which reports for it."""
SHARED, OTHERS = "extra", "others"
"""Cluster networks: of both hosts, and of the other one alone. HOST lacks its uplink, and reports that."""
WORKERS = ("prober", "updater")
SERVICES = ("watcher", *WORKERS)
PASSWORD = "for-the-tests"
WITHIN_S = 20.0
"""After a fault, for a busy machine: a wait of 4 s, a check of Redis after 2 s, and an answer after 1 s."""
ROUTE = json.dumps({"mode": "manual", "cidr": str(CIDR), "gateway": str(GATEWAY)})


class MovingRedis:
    """A Redis at a path that can be pointed at another one: a name and its address.

    The services are its default user; `admin` is another one, whom no fault concerns.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._link = folder / "redis.sock"
        self._numbers = itertools.count()
        self._stack = contextlib.ExitStack()
        self._running: RedisServer | None = None
        self.data = folder
        """The folder of what it saves."""
        self.url = f"unix://{self._link}"
        self.admin = redis.Redis(
            unix_socket_path=str(self._link), username="admin", password=PASSWORD, decode_responses=True
        )

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._running is not None
        return self._running.process

    def start(self, *options: str, data: Path | None = None) -> None:
        """Start one elsewhere, with the data in this folder, and point the path at it."""
        self.data = data or self._folder / str(next(self._numbers))
        self.data.mkdir(exist_ok=True)
        (self.data / "redis.sock").unlink(missing_ok=True)
        user = ["--user", "admin", "on", f">{PASSWORD}", "~*", "&*", "+@all"]
        self._running = self._stack.enter_context(running_redis(self.data, *user, *options))
        new = self._folder / "new.sock"
        new.symlink_to(self.data / "redis.sock")
        new.replace(self._link)

    def kill(self) -> None:
        """Kill it, as a node that dies does."""
        self.process.kill()
        self._stack.close()
        self._stack = contextlib.ExitStack()
        self.admin.connection_pool.disconnect()

    def move(self, *options: str, data: Path | None = None) -> None:
        """Kill it and start another one elsewhere."""
        self.kill()
        self.start(*options, data=data)

    def kill_clients(self) -> None:
        """Close every other connection."""
        for kind in ("normal", "pubsub"):
            self.admin.client_kill_filter(_type=kind)


@dataclass(frozen=True)
class Fault:
    """A way in which Redis refuses."""

    kind: str
    """As metrics and readiness name it."""
    begin: Callable[[MovingRedis], object]
    end: Callable[[MovingRedis], object]
    concerns: Sequence[str] = SERVICES


def _user(*rules: str) -> Callable[[MovingRedis], object]:
    def change(server: MovingRedis) -> object:
        return server.admin.execute_command("ACL SETUSER", "default", *rules)  # type: ignore[no-untyped-call]

    return change


def _set(name: str, value: str) -> Callable[[MovingRedis], object]:
    return lambda server: server.admin.config_set(name, value)


def _fail_to_save(server: MovingRedis) -> None:
    # A folder in the place of the file: root may write to a read-only folder.
    (server.data / "dump.rdb").unlink(missing_ok=True)
    (server.data / "dump.rdb" / "in-the-way").mkdir(parents=True)
    server.admin.config_set("save", "3600 1000000")
    _save(server, "err")


def _save_again(server: MovingRedis) -> None:
    shutil.rmtree(server.data / "dump.rdb")
    _save(server, "ok")
    server.admin.config_set("save", "")


def _save(server: MovingRedis, outcome: str) -> None:
    server.admin.bgsave()
    wait_until(lambda: server.admin.info("persistence")["rdb_last_bgsave_status"] == outcome)


def _rotate_password(server: MovingRedis) -> None:
    _user("resetpass", ">another")(server)
    server.kill_clients()


def _forbid_subscriptions(server: MovingRedis) -> None:
    _user("-psubscribe")(server)
    server.kill_clients()


def _admit_one(server: MovingRedis) -> None:
    server.admin.config_set("maxclients", 1)
    server.kill_clients()


FAULTS = {
    "brpop": Fault("NOPERM", _user("-brpop"), _user("+@all"), WORKERS),
    "zadd": Fault("NOPERM", _user("-zadd"), _user("+@all"), WORKERS),
    "eval": Fault("NOPERM", _user("-eval", "-evalsha"), _user("+@all")),
    "every command": Fault("NOPERM", _user("-@all"), _user("+@all")),
    "every key": Fault("NOPERM", _user("resetkeys"), _user("allkeys")),
    "subscriptions": Fault("NOPERM", _forbid_subscriptions, _user("+@all"), WORKERS),
    "READONLY": Fault(
        "READONLY",
        lambda server: server.admin.replicaof("127.0.0.1", "1"),
        lambda server: server.admin.replicaof("NO", "ONE"),
    ),
    "MISCONF": Fault("MISCONF", _fail_to_save, _save_again),
    "OOM": Fault("OOM", _set("maxmemory", "1"), _set("maxmemory", "0")),
    "NOREPLICAS": Fault("NOREPLICAS", _set("min-replicas-to-write", "1"), _set("min-replicas-to-write", "0")),
    "password": Fault("AuthenticationError", _rotate_password, _user("nopass")),
    "maxclients": Fault("ConnectionError", _admit_one, _set("maxclients", "10000")),
}


class Site:
    """The services, and what the test does before them."""

    def __init__(
        self, server: MovingRedis, api: ApiServer, folder: Path, stack: contextlib.ExitStack
    ) -> None:
        self.server, self.api, self._stack = server, api, stack
        self.app = stack.enter_context(contextlib.closing(make_app(server.url)))
        self.services = {name: self._start(name, folder, stack) for name in SERVICES}
        self._numbers = itertools.count(1)
        self._counters = itertools.count(1)
        self.network: Network | None = None
        """One that a test has created."""

    def _start(self, name: str, folder: Path, stack: contextlib.ExitStack) -> ServiceProcess:
        own: Mapping[str, str] = (
            {"NADROUTE_HOST": HOST, "NADROUTE_UPLINKS": json.dumps({SHARED: "absent0"})}
            if name == "prober"
            else {
                "NADROUTE_KUBECONFIG": str(self.api.kubeconfig(folder / f"{name}.kubeconfig")),
                "NADROUTE_LEADER_ELECTION": "false",
            }
        )
        return stack.enter_context(
            running_service(name, folder, {"NADROUTE_REDIS_URL": self.server.url, **own})
        )

    def wait_ready(self) -> None:
        """Wait until every service is ready."""
        for running in self.services.values():
            running.wait_ready()

    def wait_for(self, fault: Fault) -> None:
        """Wait until no service that it concerns is ready, for this reason; all live, and have counted it."""
        for name in fault.concerns:
            running = self.services[name]
            running.wait(partial(_gives, running, fault.kind))
            assert running.get("/healthz")[0] == 200

    def wait_until_unready(self) -> None:
        """Wait until no service is ready, whatever the reason."""
        for running in self.services.values():
            running.wait(partial(_is_unready, running))

    def lines(self, name: str, event: str) -> list[str]:
        """Return the kinds of a service's log lines with this event."""
        records = map(json.loads, self.services[name].log.read_text().splitlines())
        return [str(record.get("kind", "")) for record in records if record["event"] == event]

    def goes_on(self) -> None:
        """Assert that within WITHIN_S every service is ready and works, in the process that it was."""
        began = time.monotonic()
        self.wait_ready()
        self.works()
        assert time.monotonic() - began < WITHIN_S
        assert self.lines("updater", "networks listed") == self.lines("watcher", "networks listed") == [""]

    def works(self) -> None:
        """Assert that each service does what it is there for."""
        number = next(self._numbers)
        segment = self.segment(number)
        client, mark = self.server.admin, outstanding_key(HOST, segment)
        client.delete(SENDING_KEY)
        self.report(segment, "0" * 16)
        client.set(mark, f"good-{number}")
        request = ProbeRequest(
            id=f"good-{number}",
            host=HOST,
            cluster_network=SHARED,
            sent_at_ms=time_ms(client),
            max_age_ms=60_000,
            segments=(SegmentProbe(vlan=number, targets=(Target(digest="0" * 16),)),),
        )
        self.app.send_task(
            PROBE_TASK, kwargs={"request": request.to_wire()}, queue=probe_queue(HOST), ignore_result=True
        )
        key = verdicts_key(segment)
        self.services["updater"].wait(lambda: bool(client.hexists(key, OTHER_HOST)))
        self.services["prober"].wait(lambda: not client.exists(mark))
        self.services["watcher"].wait(lambda: bool(client.exists(SENDING_KEY)))

    @staticmethod
    def segment(vlan: int, cluster_network: str = SHARED) -> Segment:
        """Return what is probed on this VLAN."""
        return Segment(cluster_network=cluster_network, vlan=vlan)

    def report(self, segment: Segment, digest: str) -> None:
        """Report as the other host that a network's gateway answers."""
        found = ReachOutcome.REACHABLE
        said = verdict(
            digest, host=OTHER_HOST, segment=segment, counter=next(self._counters), vlan=found, routed=found
        )
        report = Report(host=OTHER_HOST, verdicts=(said,)).to_json()
        self.app.send_task(REPORT_TASK, kwargs={"report": report}, queue=REPORT_QUEUE, ignore_result=True)

    def announce(self) -> None:
        """Announce the other host from now on, to whatever Redis there is."""
        uplinks = {name: f"{name}-bo" for name in (SHARED, OTHERS)}
        said = HostAnnouncement(host=OTHER_HOST, uplinks=uplinks, version="1", incarnation=1)
        self._stack.enter_context(announced(self.server.admin, said))

    def create(self, name: str, *, vlan: int) -> Network:
        """Create a network of the other host whose gateway its owner gives, as its owner does."""
        config = {"cniVersion": "0.3.1", "type": "bridge", "bridge": f"{OTHERS}-br", "vlan": vlan}
        body: dict[str, Any] = {
            "apiVersion": "k8s.cni.cncf.io/v1",
            "kind": "NetworkAttachmentDefinition",
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "annotations": {"network.harvesterhci.io/route": ROUTE},
            },
            "spec": {"config": json.dumps(config)},
        }
        return Network.from_object(self.api.store.create(NADS, NAMESPACE, body).body)

    def state(self, name: str) -> str:
        """Return the written state of a network."""
        return state_of(Network.from_object(self.api.store.get(NADS, NAMESPACE, name).body))

    def writes(self) -> int:
        """Return the number of nadroute's writes to networks."""
        records = [record for record in self.api.writes if record.resource == NADS.plural]
        return sum(record.user_agent.startswith("nadroute") for record in records)


def _gives(running: ServiceProcess, kind: str) -> bool:
    """Whether a service is not ready for this reason, and has counted it."""
    sample = f'nadroute_redis_failures_total{{kind="{kind}"}}'
    return kind in json.dumps(dict(running.missing())) and sample in running.get("/metrics")[1]


def _is_unready(running: ServiceProcess) -> bool:
    return bool(running.missing())


@contextlib.contextmanager
def site(folder: Path, *, refusing: Fault | None = None) -> Iterator[Site]:
    """Start Redis, an API server and the services; refusing: from the start."""
    with contextlib.ExitStack() as stack:
        server = MovingRedis(folder)
        server.start()
        stack.callback(server.kill)
        stack.callback(lambda: server.process.send_signal(signal.SIGCONT))
        if refusing is not None:
            refusing.begin(server)
        yield Site(server, stack.enter_context(ApiServer()), folder, stack)
