"""W14: the API server is away for an hour: without a watcher that sends, nothing ages and nothing is told.

Watcher, updater, Redis and API server are processes or servers of their own; the test plays two hosts.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.kube import ApiServer
from lab.kube.resources import NADS
from services.contract.messages import HostAnnouncement
from services.contract.names import OBSERVED_TIME_KEY, REPORT_QUEUE, REPORT_TASK, SENDING_KEY
from services.contract.outcomes import ReachOutcome
from services.contract.reports import Report
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import Network
from services.runtime.queues.celery_app import make_app
from services.runtime.stored.verdict_store import VerdictStore
from tests.support.announcing import announced
from tests.support.redis_server import RedisServer
from tests.support.service_process import ServiceProcess, running_service
from tests.support.updater_site import NAMESPACE, state_of
from tests.unit.network.builders import CIDR, GATEWAY, verdict

HOSTS = ("node1", "node2")
ROUTE = json.dumps({"mode": "manual", "cidr": str(CIDR), "gateway": str(GATEWAY)})
HOUR_S, STEP_S = 3_600, 4
SWEEP_S = "60"
"""Results are fresh for twice as long: less than an hour, but more than a watcher leads without the API."""


@dataclass
class Site:
    """What runs, and what happens to it."""

    server: ApiServer
    redis: RedisServer
    updater: ServiceProcess
    counter: int = 0

    def create(self, name: str, *, vlan: int) -> Network:
        config = {"cniVersion": "0.3.1", "type": "bridge", "bridge": "extra-br", "vlan": vlan}
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
        return Network.from_object(self.server.store.create(NADS, NAMESPACE, body).body)

    def state(self, name: str) -> str:
        return state_of(Network.from_object(self.server.store.get(NADS, NAMESPACE, name).body))

    def report(self, network: Network, found: ReachOutcome = ReachOutcome.REACHABLE) -> None:
        """Let every host report this of the network's gateway."""
        self.counter += 1
        intent = read_intent(network)
        assert isinstance(intent, Intent)
        with contextlib.closing(make_app(self.redis.url)) as app:
            for host in HOSTS:
                said = verdict(
                    intent.digest,
                    host=host,
                    segment=intent.segment,
                    counter=self.counter,
                    vlan=found,
                    routed=found,
                )
                report = Report(host=host, verdicts=(said,)).to_json()
                app.send_task(REPORT_TASK, kwargs={"report": report}, queue=REPORT_QUEUE, ignore_result=True)

    def is_marked(self) -> bool:
        """Whether a watcher sends."""
        return bool(self.redis.client.exists(SENDING_KEY))

    def time(self, name: str) -> int:
        """Return a field of the observed time."""
        return int(str(self.redis.client.hget(OBSERVED_TIME_KEY, name) or 0))

    def pass_time(self, seconds: int) -> None:
        """Let an updater count so much time, as far as it counts."""
        store = VerdictStore(self.redis.client)
        for _ in range(seconds // STEP_S):
            at_ms = self.time("at_ms")
            self.redis.client.hset(OBSERVED_TIME_KEY, "at_ms", at_ms - STEP_S * 1000 + 100)
            store.tick()

    def wait_until_time_runs(self) -> None:
        """Wait until observed time has gone on for longer than the updater takes to review all networks."""
        self.updater.wait(self.is_marked)
        before_ms = self.time("observed_ms")
        self.updater.wait(lambda: self.time("observed_ms") > before_ms + 3_000)

    def writes(self) -> list[tuple[str, str]]:
        """Return the networks that nadroute wrote, each with the state after it."""
        return [
            (record.name, state_of(Network.from_object(record.after)))
            for record in self.server.writes
            if record.resource == NADS.plural and record.user_agent.startswith("nadroute") and record.after
        ]


@contextlib.contextmanager
def running(folder: Path, redis_server: RedisServer) -> Iterator[Site]:
    with contextlib.ExitStack() as hosts, ApiServer() as server:
        for host in HOSTS:
            said = HostAnnouncement(host=host, uplinks={"extra": "extra-bo"}, version="1", incarnation=1)
            hosts.enter_context(announced(redis_server.client, said))
        environment: Mapping[str, str] = {
            "NADROUTE_REDIS_URL": redis_server.url,
            "NADROUTE_KUBECONFIG": str(server.kubeconfig(folder / "kubeconfig")),
            "NADROUTE_SWEEP_INTERVAL_S": SWEEP_S,
        }
        with (
            running_service("watcher", folder, {**environment, "NADROUTE_LEASE_NAMESPACE": NAMESPACE}),
            running_service(
                "updater", folder, {**environment, "NADROUTE_LEADER_ELECTION": "false"}
            ) as updater,
        ):
            yield Site(server, redis_server, updater)


def test_nothing_ages_while_the_api_server_is_away(tmp_path: Path, redis_server: RedisServer) -> None:
    """W14: after an hour each network is as before, without one write."""
    with running(tmp_path, redis_server) as site:
        networks = [site.create(f"net-{vlan}", vlan=vlan) for vlan in range(101, 111)]
        site.updater.wait(site.is_marked)
        for network in networks:
            site.report(network)
        site.updater.wait(lambda: all(site.state(network.ref.name) == "Active" for network in networks))
        before = len(site.writes())
        site.server.stop()
        site.updater.wait(lambda: not site.is_marked())
        site.pass_time(HOUR_S)
        site.server.start()
        site.wait_until_time_runs()
        # Their one subnet overlaps, which is told once all hosts are known: no state changes.
        assert {state for _, state in site.writes()[before:]} <= {"Active"}


def test_what_was_true_before_is_not_told_afterwards(tmp_path: Path, redis_server: RedisServer) -> None:
    """W14: a gateway was silent to all hosts when the API server went away, and answers when it is back."""
    with running(tmp_path, redis_server) as site:
        network = site.create("net", vlan=101)
        site.updater.wait(site.is_marked)
        site.report(network)
        site.updater.wait(lambda: site.state("net") == "Active")
        before = len(site.writes())
        site.server.stop()
        site.report(network, ReachOutcome.SILENT)
        site.updater.wait(lambda: not site.is_marked())
        site.pass_time(HOUR_S)
        site.server.start()
        site.wait_until_time_runs()
        site.report(network)
        site.wait_until_time_runs()
        assert site.writes()[before:] == []
