"""The telemetry of the real service processes, while their dependencies fail and return."""

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.kube import ApiServer, Match
from lab.kube.resources import NADS
from services.contract.messages import HostAnnouncement, ProbeRequest, SegmentProbe, Target
from services.contract.names import PROBE_TASK, REPORT_QUEUE, REPORT_TASK, host_key, probe_queue
from services.contract.reports import Report
from services.network.parse.nad import Network
from services.prober.frames.ignore_reasons import IgnoreReason
from services.runtime.process.logs import TASK_LOGGERS
from services.runtime.queues.celery_app import make_app
from tests.support.announcing import announced
from tests.support.redis_server import RedisServer, running_redis
from tests.support.service_process import TIMEOUT_S, ServiceProcess, running_service
from tests.support.updater_site import digest_of
from tests.unit.deploy.reading import ROOT, compose
from tests.unit.network.builders import config, verdict

SERVICES = ("watcher", "prober", "updater")


@contextlib.contextmanager
def service(
    name: str, folder: Path, redis_url: str, server: ApiServer, **environment: str
) -> Iterator[ServiceProcess]:
    own = (
        {"NADROUTE_HOST": "node1", "NADROUTE_UPLINKS": '{"extra":"lo"}'}
        if name == "prober"
        else {"NADROUTE_KUBECONFIG": str(server.kubeconfig(folder / "kubeconfig"))}
    )
    own |= {"NADROUTE_REDIS_URL": redis_url, **environment}
    with running_service(name, folder, own) as running:
        yield running


def alive(running: ServiceProcess) -> bool:
    status, body = running.get("/healthz")
    return (status, json.loads(body)) == (200, {"alive": True, "stalled": {}})


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_survives_a_frozen_and_a_killed_redis(name: str, short_folder: Path) -> None:
    """/healthz stays 200; /readyz is 503 and names Redis, then 200 again. The log is JSON throughout."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(ApiServer())
        redis_server = stack.enter_context(running_redis(short_folder))
        running = stack.enter_context(service(name, short_folder, redis_server.url, server))
        running.wait_ready()
        assert alive(running)

        redis_server.process.send_signal(signal.SIGSTOP)
        try:
            running.wait(lambda: "redis" in running.missing())
            assert alive(running)
        finally:
            redis_server.process.send_signal(signal.SIGCONT)
        running.wait_ready()

        redis_server.process.kill()
        redis_server.process.wait()
        running.wait(lambda: "Connection" in running.missing().get("redis", ""))
        if name != "watcher":
            running.wait(lambda: "worker" in running.missing())
        assert alive(running)
        assert "nadroute_redis_up 0.0" in running.get("/metrics")[1]
        with running_redis(short_folder):
            running.wait_ready()
            assert alive(running)
            assert "nadroute_redis_up 1.0" in running.get("/metrics")[1]
    assert_only_json(running.log)


def assert_only_json(log: Path) -> None:
    """Each line of stdout and stderr is a JSON object."""
    lines = log.read_text().splitlines()
    assert lines
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_what_celery_prints_is_logged(short_folder: Path, redis_server: RedisServer) -> None:
    """A worker prints to stdout on SIGINT, from its signal handler: the text is logged instead."""
    with ApiServer() as server, service("prober", short_folder, redis_server.url, server) as running:
        running.wait_ready()
        running.process.send_signal(signal.SIGINT)
        running.process.wait(TIMEOUT_S)
    assert_only_json(running.log)
    assert "Warm shutdown" in running.log.read_text()


@pytest.mark.parametrize("name", ["watcher", "updater"])
def test_a_service_is_not_ready_before_it_has_listed_the_networks(name: str, short_folder: Path) -> None:
    """While the API server fails lists, /readyz is 503 and /healthz 200."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(ApiServer())
        lists = server.faults.respond(503, match=Match(verb="list", resource=NADS.plural), count=None)
        redis_server = stack.enter_context(running_redis(short_folder))
        running = stack.enter_context(service(name, short_folder, redis_server.url, server))
        running.wait(lambda: list(running.missing()) == ["watch"])
        assert alive(running)
        lists.cancel()
        running.wait_ready()
        running.wait(lambda: "nadroute_watch_synced 1.0" in running.get("/metrics")[1])


def test_a_prober_serves_its_pages_while_it_waits_for_redis(short_folder: Path) -> None:
    """Before Redis has ever answered, it is live, and /readyz names Redis."""
    url = f"unix://{short_folder}/redis.sock"
    with ApiServer() as server, service("prober", short_folder, url, server) as running:
        running.wait(lambda: "redis" in running.missing())
        assert alive(running)
        with running_redis(short_folder):
            running.wait_ready()


def test_a_metrics_port_in_use_does_not_stop_a_service(short_folder: Path) -> None:
    """A second process on the same port works without it, and binds it when the first process ends."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(ApiServer())
        redis_server = stack.enter_context(running_redis(short_folder))
        first = service("watcher", short_folder, redis_server.url, server)
        running = first.__enter__()
        try:
            running.wait_ready()
            (short_folder / "b").mkdir()
            second = stack.enter_context(
                running_service(
                    "prober",
                    short_folder / "b",
                    {
                        "NADROUTE_REDIS_URL": redis_server.url,
                        "NADROUTE_HOST": "node1",
                        "NADROUTE_UPLINKS": '{"extra":"lo"}',
                    },
                    port=running.port,
                )
            )
            second.wait(lambda: bool(redis_server.client.exists(host_key("node1"))))
            assert "metrics endpoint not listening yet" in second.log.read_text()
        finally:
            first.__exit__(None, None, None)
        second.wait(lambda: "nadroute_uplink_up" in second.get("/metrics")[1])
        assert samples(second, "nadroute_frames_ignored_total").keys() == {
            f'nadroute_frames_ignored_total{{reason="{reason.value}"}}' for reason in IgnoreReason
        }


def samples(running: ServiceProcess, prefix: str) -> dict[str, float]:
    """Return the samples of /metrics with this prefix."""
    lines = [line for line in running.get("/metrics")[1].splitlines() if line.startswith(prefix)]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_the_updaters_metrics_match_what_it_did(short_folder: Path, redis_server: RedisServer) -> None:
    """Reports, verdicts, writes, the network's state, and each host's view of the gateway."""
    with (
        contextlib.ExitStack() as hosts,
        ApiServer() as server,
        service("updater", short_folder, redis_server.url, server) as running,
    ):
        running.wait_ready()
        body: dict[str, Any] = {
            "apiVersion": "k8s.cni.cncf.io/v1",
            "kind": "NetworkAttachmentDefinition",
            "metadata": {
                "name": "net",
                "annotations": {
                    "network.harvesterhci.io/route": json.dumps(
                        {"mode": "manual", "cidr": "10.0.112.0/20", "gateway": "10.0.112.1"}
                    )
                },
            },
            "spec": {"config": config(100)},
        }
        network = Network.from_object(server.store.create(NADS, "default", body).body)
        said = {"host": "node1", "uplinks": {"extra": "extra-bo"}, "version": "1", "incarnation": 1}
        hosts.enter_context(announced(redis_server.client, HostAnnouncement.from_wire(said)))
        report = Report(host="node1", verdicts=(verdict(digest_of(network)),))
        with contextlib.closing(make_app(redis_server.url)) as app:
            for body_sent in (report.to_json(), report.to_json(), {"junk": 1}):
                app.send_task(REPORT_TASK, kwargs={"report": body_sent}, queue=REPORT_QUEUE)
        active = 'nadroute_network_state{name="net",namespace="default",state="Active"}'
        running.wait(lambda: samples(running, active) == {active: 1.0})
        labels = 'cluster_network="extra",host="node1"'
        assert samples(running, "nadroute_gateway_reachable{") == {
            f'nadroute_gateway_reachable{{{labels},path="{path}",vlan="100"}}': 1.0
            for path in ("vlan", "routed")
        }
        running.wait(lambda: samples(running, 'nadroute_reports_total{result="refused"}').popitem()[1] == 1)
        found = samples(running, "nadroute_")
        assert found['nadroute_reports_total{result="taken"}'] == 2
        assert found['nadroute_verdicts_total{result="new"}'] == 1
        assert found['nadroute_verdicts_total{result="old"}'] == 1
        assert found['nadroute_writes_total{result="written"}'] == 1
        assert found['nadroute_events_total{result="posted"}'] == 1
        assert found['nadroute_networks_in_state{state="Active"}'] == 1
        assert found['nadroute_verdict_age_seconds{host="node1"}'] < 60
        assert found["nadroute_reduce_seconds_count"] > 0


def test_tasks_are_logged_at_debug_level_without_results(
    short_folder: Path, redis_server: RedisServer
) -> None:
    """At info no task is logged; at debug the result is left out."""
    for level in ("info", "debug"):
        folder = short_folder / level
        folder.mkdir()
        with (
            ApiServer() as server,
            service("prober", folder, redis_server.url, server, NADROUTE_LOG_LEVEL=level) as running,
            contextlib.closing(make_app(redis_server.url)) as app,
        ):
            running.wait_ready()
            seconds, _ = redis_server.client.time()
            probe = SegmentProbe(vlan=77, targets=(Target(digest="f00d" * 4, gateway="10.9.8.7"),))
            request = ProbeRequest(
                id="waited", host="node1", cluster_network="extra", sent_at_ms=seconds * 1000,
                max_age_ms=60_000, segments=(probe,),
            )  # fmt: skip
            result = app.send_task(
                PROBE_TASK,
                kwargs={"request": request.to_wire()},
                queue=probe_queue("node1"),
                ignore_result=False,
            )
            assert result.get(timeout=60)[0]["segment"] == {"cluster_network": "extra", "vlan": 77}
            if level == "debug":
                running.wait(lambda: " succeeded in " in running.log.read_text())
        lines = [json.loads(line) for line in running.log.read_text().splitlines() if line.startswith("{")]
        about_tasks = [line for line in lines if line.get("logger") in TASK_LOGGERS]
        assert bool(about_tasks) is (level == "debug")
        assert {line["level"] for line in about_tasks} <= {"debug"}
        assert "f00d" not in "".join(map(str, about_tasks))
        ours = [line for line in lines if line.get("logger", "").startswith("services.")]
        assert {(line["service"], line["host"]) for line in ours} == {("prober", "node1")}
        taken = [line for line in lines if line["event"] == "request taken"]
        assert [line["request"] for line in taken] == (["waited"] if level == "debug" else [])


def test_the_health_check_of_the_compose_file_works(short_folder: Path, redis_server: RedisServer) -> None:
    """The command exits with 0 while the service is live, and with another code otherwise."""
    with ApiServer() as server, service("watcher", short_folder, redis_server.url, server) as running:
        running.wait_ready()
        kind, program, *arguments = compose()["services"]["watcher"]["healthcheck"]["test"]
        assert (kind, program) == ("CMD", "answers")
        command = [
            str(ROOT / "scripts" / "answers"),
            *(argument.replace("9401", str(running.port)) for argument in arguments),
        ]
        assert subprocess.run(command, check=False, timeout=60).returncode == 0
    assert subprocess.run(command, check=False, timeout=60, stderr=subprocess.DEVNULL).returncode != 0
