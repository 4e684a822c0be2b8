"""An updater as deployed: a process, a real Redis and the lab's API server. The test plays the probers."""

import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import redis
from celery import Celery

from lab.kube import ApiServer
from lab.kube.admission import Admission
from lab.kube.resources import EVENTS, NADS
from lab.kube.writes import WriteRecord
from services.contract.doubts import Doubt
from services.contract.messages import HostAnnouncement, Segment, Verdict
from services.contract.names import (
    DOUBTS_KEY,
    FULL_TASK,
    OBSERVED_TIME_KEY,
    REPORT_QUEUE,
    REPORT_TASK,
    SENDING_KEY,
    probe_queue,
    verdicts_key,
)
from services.contract.outcomes import Reason
from services.contract.reports import FullRequest, Repeats, Report
from services.contract.sending import SendingMark
from services.network.parse import nad
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import Network
from services.runtime.queues.celery_app import make_app
from services.runtime.stored.doubts import FIELD
from tests.support.announcing import announced
from tests.support.redis_server import RedisServer, running_redis

TIMEOUT_S = 60.0
NAMESPACE = "default"
PROGRAM = """
from services.updater.app import main
from services.updater.settings import UpdaterSettings
raise SystemExit(main(UpdaterSettings.load()))
"""


@dataclass
class UpdaterSite:
    """The surroundings of an updater."""

    server: ApiServer
    redis: redis.Redis
    app: Celery
    process: subprocess.Popen[bytes]
    log: Path
    environment: Mapping[str, str]
    until_its_end: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def create(self, name: str, *, vlan: int, route: str | None = None, **annotations: str) -> Network:
        """Create a VM network as its owner does."""
        given = {**annotations, **({} if route is None else {nad.ROUTE: route})}
        config = {"cniVersion": "0.3.1", "type": "bridge", "bridge": "extra-br", "vlan": vlan}
        body: dict[str, Any] = {
            "apiVersion": "k8s.cni.cncf.io/v1",
            "kind": "NetworkAttachmentDefinition",
            "metadata": {"name": name, "namespace": NAMESPACE, "annotations": dict(given)},
            "spec": {"config": json.dumps(config)},
        }
        return Network.from_object(self.server.store.create(NADS, NAMESPACE, body).body)

    def get(self, name: str) -> Network:
        """Return the network as it is now."""
        return Network.from_object(self.server.store.get(NADS, NAMESPACE, name).body)

    def edit(self, name: str, annotation: str, value: str | None) -> None:
        """Set or remove an annotation as another writer."""
        self.server.rival(NAMESPACE, name).annotate(annotation, value)

    def restart(self, **environment: str) -> None:
        """Stop the updater and start it again, with these variables instead of those of the same name."""
        _end(self.process)
        self.process = _start({**self.environment, **environment}, self.log)

    def announce(self, *hosts: str) -> None:
        """Announce hosts that carry the cluster network until the site's end, also after Redis lost them."""
        for host in hosts:
            said = HostAnnouncement(host=host, uplinks={"extra": "extra-bo"}, version="1", incarnation=1)
            self.until_its_end.enter_context(announced(self.redis, said))

    def send(self, *verdicts: Verdict) -> None:
        """Send a report as a prober does."""
        report = Report(host=verdicts[0].host, verdicts=verdicts)
        self.send_raw(report.to_json())

    def send_raw(self, body: object) -> None:
        """Send anything in place of a report."""
        self.app.send_task(REPORT_TASK, kwargs={"report": body}, queue=REPORT_QUEUE, ignore_result=True)

    def send_repeat(
        self, segment: Segment, host: str, *, counter: int, fingerprint: str, asked: bool = False
    ) -> None:
        """Repeat a verdict as a prober does."""
        repeats = Repeats(
            cluster_network=segment.cluster_network,
            incarnation=1,
            verdicts=((segment.vlan, counter, fingerprint, asked),),
        )
        self.send_raw(Report(host=host, repeats=(repeats,)).to_json())

    def asked_in_full(self, host: str) -> list[Segment]:
        """Return the segments that the updater has asked this host for, from its queue."""
        found: list[Segment] = []
        for raw in self.redis.lrange(probe_queue(host), 0, -1):
            message = json.loads(raw)
            assert message["headers"]["task"] == FULL_TASK
            _, kwargs, _ = json.loads(base64.b64decode(message["body"]))
            found += FullRequest.from_wire(kwargs["request"]).segments
        return found

    def stored(self, segment: Segment, host: str) -> int | None:
        """Return the counter of this host's stored verdict."""
        text = self.redis.hget(verdicts_key(segment), host)
        return None if text is None else int(json.loads(str(text))["counter"])

    def doubts(self, segment: Segment) -> set[tuple[str, str]]:
        """Return the kind of each doubt about this segment, with each host that has been heard."""
        entries = cast("list[tuple[str, dict[str, str]]]", self.redis.xrange(DOUBTS_KEY))
        found = [Doubt.from_wire(fields[FIELD]) for _, fields in entries]
        return {
            (doubt.kind.value, host) for doubt in found if doubt.segment == segment for host in doubt.heard
        }

    def wait(self, condition: Callable[[], bool]) -> None:
        """Poll until the condition holds."""
        wait_until(condition, lambda: self.log.read_text()[-4000:])

    def wait_for(self, name: str, wanted: Callable[[Network], bool], *, after: int = 0) -> Network:
        """Return the network as left by the first write after which the condition held."""

        def fits(record: WriteRecord) -> bool:
            mine = record.name == name and record.resource == NADS.plural and record.status < 400
            return mine and record.after is not None and wanted(Network.from_object(record.after))

        record = self.server.store.writes.wait(fits, seconds=TIMEOUT_S, after=after)
        assert record.after is not None
        return Network.from_object(record.after)

    def writes(self, name: str) -> list[WriteRecord]:
        """Return every write of the updater to this network, committed or refused.

        Tests give one subnet to many networks: that one overlaps another is left out, as in events().
        """
        return [
            record
            for record in self.server.writes
            if record.name == name
            and record.resource == NADS.plural
            and record.user_agent.startswith("nadroute")
            and not (record.changed and _without_overlaps(record.before) == _without_overlaps(record.after))
        ]

    def events(self, name: str) -> list[Mapping[str, Any]]:
        """Return the Events on this network, oldest first."""
        found: list[Mapping[str, Any]] = [stored.body for stored in self.server.store.snapshot(EVENTS).items]
        mine = [
            event
            for event in found
            if event["involvedObject"]["name"] == name and event["reason"] != Reason.OVERLAPS_NETWORK
        ]
        return sorted(mine, key=lambda event: int(event["metadata"]["resourceVersion"]))


def _without_overlaps(body: object) -> object:
    """Return a network's annotations without the finding that its subnet overlaps another one's."""
    if not isinstance(body, dict):
        return body
    annotations = dict(body["metadata"].get("annotations", {}))
    status = json.loads(annotations.get(nad.STATUS, "{}"))
    findings = {
        code: text for code, text in status.get("findings", {}).items() if code != Reason.OVERLAPS_NETWORK
    }
    return {**annotations, nad.STATUS: {**status, "findings": findings}}


def digest_of(network: Network) -> str:
    """Return the digest of a network's intent."""
    intent = read_intent(network)
    assert isinstance(intent, Intent)
    return intent.digest


def route_of(network: Network) -> dict[str, object]:
    """Return the fields of the route annotation; empty without one."""
    fields = json.loads(network.annotations.get(nad.ROUTE) or "{}")
    assert isinstance(fields, dict)
    return fields


def state_of(network: Network) -> str:
    """Return the reported state."""
    return str(json.loads(network.annotations.get(nad.STATUS, "{}")).get("state", ""))


def wait_until(condition: Callable[[], bool], explain: Callable[[], str] = lambda: "") -> None:
    """Poll until the condition holds; otherwise raise AssertionError with the explanation."""
    deadline, never = time.monotonic() + TIMEOUT_S, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, explain()
        never.wait(0.02)


@contextlib.contextmanager
def updater_site(
    folder: Path, redis_server: RedisServer, *, admission: Admission | None = None, **environment: str
) -> Iterator[UpdaterSite]:
    """Start everything. environment adds NADROUTE_ variables. The test plays the watcher, which sends.

    Observed time runs from the start: what is reported before that counts for no doubt.
    """
    redis_server.client.set(SENDING_KEY, SendingMark(sweep_interval_s=0.5).to_json())
    log = folder / "updater.log"
    with ApiServer(admission=admission) as server:
        variables = {
            **{key: value for key, value in os.environ.items() if not key.startswith("NADROUTE_")},
            "NADROUTE_REDIS_URL": redis_server.url,
            "NADROUTE_KUBECONFIG": str(server.kubeconfig(folder / "kubeconfig")),
            "NADROUTE_LOG_FORMAT": "json",
            # A killed updater need not wait for its Lease to expire.
            "NADROUTE_LEADER_ELECTION": "false",
            **environment,
        }
        app = make_app(redis_server.url)
        site = UpdaterSite(server, redis_server.client, app, _start(variables, log), log, variables)
        try:
            site.wait(lambda: site.redis.hget(OBSERVED_TIME_KEY, "stood_still") == "0")
            yield site
        finally:
            app.close()
            site.until_its_end.close()
            _end(site.process)


def _start(environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, "-c", PROGRAM],
            env=environment,
            cwd=Path(__file__).parents[2],
            stderr=output,
            stdout=output,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(TIMEOUT_S)


@contextlib.contextmanager
def own_updater_site(
    *hosts: str, admission: Admission | None = None, **environment: str
) -> Iterator[UpdaterSite]:
    """Start an updater with a Redis of its own, and announce the hosts. The rest: see updater_site."""
    with (
        tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as folder,
        running_redis(Path(folder)) as redis_server,
        updater_site(Path(folder), redis_server, admission=admission, **environment) as running,
    ):
        running.announce(*hosts)
        yield running
