"""The prober as a service: its Celery worker on a real Redis, probing from a host of the lab."""

import base64
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from celery import Celery
from celery.result import AsyncResult

from lab.namespaces import python_environment
from lab.prerequisites import program
from lab.running import RunningSite, start_site
from lab.site import ServerKind, Vlan
from lab.site_builder import build_site, build_vlan
from services.contract.messages import HostAnnouncement, ProbeRequest, Segment, SegmentProbe, Target, Verdict
from services.contract.names import (
    DEAD_LETTERS_KEY,
    FULL_TASK,
    HOST_TTL_S,
    PROBE_TASK,
    REPORT_QUEUE,
    host_key,
    host_lock_key,
    outstanding_key,
    probe_queue,
)
from services.contract.outcomes import DHCPOutcome, Fault, ReachOutcome
from services.contract.reports import FullRequest, Repeat, Report
from services.runtime.queues.celery_app import make_app
from tests.network.lab_site import require_lab
from tests.support.redis_server import RedisServer

WORKING, SILENT = (7, 8, 9), 40
SITE = build_site(
    [
        *(build_vlan(vlan, server=ServerKind.BUILTIN) for vlan in WORKING),
        Vlan(vlan=SILENT, cluster_network="extra"),
    ],
    hosts=1,
)
TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    require_lab(SITE)
    with start_site(SITE, tmp_path_factory.mktemp("lab") / "state") as running:
        yield running


def wait_until(condition: Callable[[], object]) -> None:
    deadline, never = time.monotonic() + TIMEOUT_S, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        never.wait(0.02)


class Prober:
    """A running prober on node1, its requests and its reports."""

    def __init__(self, server: RedisServer, process: "subprocess.Popen[bytes]") -> None:
        self.redis: redis.Redis = server.client
        self.process = process
        self.app: Celery = make_app(server.url)

    def request(self, request_id: str, *vlans: int, **fields: object) -> ProbeRequest:
        seconds, _ = self.redis.time()
        segments = [SegmentProbe(vlan=v, ask_dhcp=True, targets=(Target(digest="0" * 16),)) for v in vlans]
        known = {"id": request_id, "host": "node1", "cluster_network": "extra", "segments": segments}
        return ProbeRequest.model_validate(
            {**known, "sent_at_ms": seconds * 1000, "max_age_ms": 60_000, **fields}
        )

    def send(self, request: ProbeRequest, *, wait: bool = False) -> AsyncResult:
        for probe in request.segments:
            self.redis.set(mark(probe.vlan), request.id)
        return self.send_body(request.to_wire(), wait=wait)

    def send_body(self, body: object, *, wait: bool = False) -> AsyncResult:
        queue = probe_queue("node1")
        return self.app.send_task(PROBE_TASK, kwargs={"request": body}, queue=queue, ignore_result=not wait)

    def reported(self) -> list[Verdict]:
        """Return the full verdicts on the updater's queue, in the order sent."""
        return [verdict for report in self.reports() for verdict in report.verdicts]

    def repeated(self) -> list[Repeat]:
        """Return the repeats on the updater's queue."""
        return [entry for report in self.reports() for each in report.repeats for entry in each.verdicts]

    def reports(self) -> list[Report]:
        """Return the reports on the updater's queue, in the order sent."""
        found = []
        for raw in reversed(self.redis.lrange(REPORT_QUEUE, 0, -1)):
            _, kwargs, _ = json.loads(base64.b64decode(json.loads(raw)["body"]))
            found.append(Report.from_wire(kwargs["report"]))
        return found

    def wait_for_reports(self, count: int) -> list[Verdict]:
        wait_until(lambda: len(self.reported()) >= count)
        return self.reported()

    def refusals(self) -> list[dict[str, object]]:
        return [json.loads(letter) for letter in self.redis.lrange(DEAD_LETTERS_KEY, 0, -1)]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(TIMEOUT_S)


def mark(vlan: int) -> str:
    return outstanding_key("node1", Segment(cluster_network="extra", vlan=vlan))


@contextmanager
def running_prober(
    site: RunningSite, server: RedisServer, *options: str, uplink: str = "extra=extra-bo"
) -> Iterator[Prober]:
    nadroute = [sys.executable, "-m", "services.cli.main", "prober", "--host", "node1"]
    flags = ["--uplink", uplink, "--redis-url", server.url, *options]
    with subprocess.Popen(
        [*site.command("node1"), *nadroute, *flags], stderr=subprocess.DEVNULL, env=python_environment()
    ) as process:
        prober = Prober(server, process)
        try:
            wait_until(lambda: server.client.exists(host_key("node1")) or process.poll() is not None)
            assert process.poll() is None
            yield prober
        finally:
            process.kill()
            # Else its connections end with the garbage collector, whose warning fails the whole run.
            prober.app.close()


def test_verdicts_are_reported_at_once_and_outstanding_marks_deleted(
    site: RunningSite, redis_server: RedisServer
) -> None:
    """A silent VLAN of the same request delays no other; the mark of a newer request is kept."""
    with running_prober(site, redis_server, "--dhcp-deadline-s", "600s") as prober:
        prober.send(prober.request("first", *WORKING, SILENT))
        prober.redis.set(mark(8), "newer")
        verdicts = prober.wait_for_reports(len(WORKING))
        assert {verdict.segment.vlan for verdict in verdicts} == set(WORKING)
        assert {verdict.request_id for verdict in verdicts} == {"first"}
        assert {v.targets[0].vlan.outcome for v in verdicts} == {ReachOutcome.REACHABLE}
        assert [v.counter for v in verdicts] == sorted({v.counter for v in verdicts})
        wait_until(lambda: not prober.redis.exists(mark(7), mark(9)))
        assert prober.redis.exists(f"{mark(7)}:offered"), "the watcher is to know that DHCP has answered"
        assert (prober.redis.get(mark(8)), prober.redis.get(mark(SILENT))) == ("newer", "first")


def test_a_check_that_finds_the_same_is_a_repeat_until_it_is_asked_for(
    site: RunningSite, redis_server: RedisServer
) -> None:
    """The updater's question comes on the host's own queue; a prober that starts anew reports in full."""
    wanted = Segment(cluster_network="extra", vlan=7)
    with running_prober(site, redis_server) as prober:
        prober.send(prober.request("first", 7))
        (full,) = prober.wait_for_reports(1)
        prober.send(prober.request("second", 7))
        wait_until(prober.repeated)
        ((vlan, counter, fingerprint, asked),) = prober.repeated()
        assert (vlan, fingerprint, asked) == (7, full.fingerprint, True)
        assert counter > full.counter
        assert len(prober.reported()) == 1
        wait_until(lambda: not prober.redis.exists(mark(7)))
        request = FullRequest(host="node1", segments=(wanted,))
        prober.app.send_task(
            FULL_TASK, kwargs={"request": request.to_json()}, queue=probe_queue("node1"), ignore_result=True
        )
        answer = prober.wait_for_reports(2)[1]
        assert (answer.counter, answer.fingerprint) == (counter, full.fingerprint)
        assert answer.request_id == "second"
        prober.stop()
    with running_prober(site, redis_server) as prober:
        prober.send(prober.request("third", 7))
        assert prober.wait_for_reports(3)[2].fingerprint == full.fingerprint


def test_an_awaited_task_reports_progress_and_returns_the_verdicts(
    site: RunningSite, redis_server: RedisServer
) -> None:
    """The task ends with the last segment; its result equals what was reported."""
    with running_prober(site, redis_server, "--dhcp-deadline-s", "4s") as prober:
        result = prober.send(prober.request("waited", *WORKING, SILENT), wait=True)
        seen: list[Any] = []

        def ready() -> bool:
            state, info = result.state, result.info
            if state == "PROGRESS" and info not in seen:
                seen.append(info)
            return bool(result.ready())

        wait_until(ready)
        assert {"done": len(WORKING), "total": len(WORKING) + 1} in seen
        verdicts = {v.segment.vlan: v for v in map(Verdict.from_wire, result.get(timeout=60))}
        assert verdicts.keys() == {*WORKING, SILENT}
        silent = verdicts[SILENT].dhcp
        assert silent is not None
        assert silent.outcome is DHCPOutcome.NO_OFFER
        assert {v.segment.vlan: v for v in prober.wait_for_reports(4)} == verdicts


def test_a_refused_request_is_recorded_and_the_worker_continues(
    site: RunningSite, redis_server: RedisServer
) -> None:
    """Malformed, for another host, for an unknown uplink, or too old: each with its reason, none probed."""
    with running_prober(site, redis_server) as prober:
        bodies: list[object] = [
            {"id": 5},
            None,
            "x" * 100,
            [],
            prober.request("a", 7).to_wire() | {"more": 1},
        ]
        for body in bodies:
            prober.send_body(body)
        prober.app.send_task(PROBE_TASK, args=[1, 2, 3], kwargs={"other": 1}, queue=probe_queue("node1"))
        prober.send(prober.request("b", 7, host="node2"))
        prober.send(prober.request("c", 7, cluster_network="mgmt"))
        prober.send(prober.request("d", 9, sent_at_ms=1_000))
        wait_until(lambda: len(prober.refusals()) == len(bodies) + 4)
        reasons = " | ".join(str(letter["reason"]) for letter in prober.refusals())
        assert "host: expected node1, got node2" in reasons
        assert "cluster_network: expected one of extra, got mgmt" in reasons
        assert "too old" in reasons
        assert {letter["where"] for letter in prober.refusals()} == {"prober@node1"}
        assert not prober.redis.exists(mark(9)), "the watcher may request it again at once"
        prober.send(prober.request("good", 7))
        assert [v.request_id for v in prober.wait_for_reports(1)] == ["good"]


def test_the_announcement_lasts_as_long_as_the_process(site: RunningSite, redis_server: RedisServer) -> None:
    """It has a TTL, returns after Redis has lost its data, and is deleted on SIGTERM, as the lock is."""
    with running_prober(site, redis_server) as prober:
        announcement = HostAnnouncement.from_wire(prober.redis.get(host_key("node1")))
        assert (announcement.host, announcement.uplinks) == ("node1", {"extra": "extra-bo"})
        assert 0 < int(prober.redis.ttl(host_key("node1"))) <= HOST_TTL_S
        prober.redis.flushall()
        wait_until(lambda: prober.redis.exists(host_key("node1")))
        renewed = HostAnnouncement.from_wire(prober.redis.get(host_key("node1")))
        assert renewed.incarnation > announcement.incarnation
        assert renewed == announcement.model_copy(update={"incarnation": renewed.incarnation})
        assert prober.stop() == 0
        assert not prober.redis.exists(host_key("node1"), host_lock_key("node1"))


def test_a_successor_keeps_its_announcement(site: RunningSite, redis_server: RedisServer) -> None:
    """A prober that ends after its successor has started deletes only its own announcement."""
    with running_prober(site, redis_server) as prober:
        prober.redis.set(host_key("node1"), "the successor's")
        assert prober.stop() == 0
        assert prober.redis.get(host_key("node1")) == "the successor's"


def test_sigterm_ends_at_once_and_reports_unfinished_segments(
    site: RunningSite, redis_server: RedisServer
) -> None:
    """Long before their deadline, as STOPPED, to the waiting client and to the updater."""
    with running_prober(site, redis_server, "--dhcp-deadline-s", "600s") as prober:
        waited = prober.send(prober.request("waited", SILENT), wait=True)
        prober.send(prober.request("not", 7, SILENT))
        prober.wait_for_reports(1)
        wait_until(lambda: waited.state == "PROGRESS")
        assert prober.stop() == 0
        faults = sorted((v.request_id, v.segment.vlan, v.fault) for v in prober.reported() if v.fault)
        assert faults == [("not", SILENT, Fault.STOPPED), ("waited", SILENT, Fault.STOPPED)]
        assert [v["fault"] for v in waited.get(timeout=60)] == ["Stopped"]


def test_bonds_are_detected_while_the_prober_runs(site: RunningSite, redis_server: RedisServer) -> None:
    """--uplink auto: existing and later bonds are announced and probed, until they are deleted."""
    ip = [*site.command("node1"), program("ip"), "link"]

    def announced() -> dict[str, str]:
        return HostAnnouncement.from_wire(redis_server.client.get(host_key("node1"))).uplinks

    with running_prober(site, redis_server, uplink="auto") as prober:
        before = announced()
        assert before["extra"] == "extra-bo"
        prober.send(prober.request("seen", 7))
        (verdict,) = prober.wait_for_reports(1)
        assert verdict.targets[0].vlan.outcome is ReachOutcome.REACHABLE
        try:
            subprocess.run([*ip, "add", "late-bo", "type", "veth", "peer", "name", "late-far"], check=True)
            # Requested before the next poll: the uplinks are refreshed at once.
            prober.send(prober.request("late", 7, cluster_network="late"))
            assert prober.wait_for_reports(2)[1].fault is Fault.UPLINK_DOWN
            wait_until(lambda: announced() == {**before, "late": "late-bo"})
        finally:
            subprocess.run([*ip, "del", "late-bo"], check=True)
        wait_until(lambda: announced() == before)
        prober.send(prober.request("gone", 7, cluster_network="late"))
        wait_until(prober.refusals)
