"""W13: two probers with one host name, as processes: one works; the other says why it waits, and takes over.

They share a Redis and nothing else. Neither is on a trunk: which of them answers is what counts here.
"""

import base64
import json
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from services.contract.host_claims import HostClaim
from services.contract.messages import HostAnnouncement, ProbeRequest, SegmentProbe, Target, Verdict
from services.contract.names import (
    HOST_TTL_S,
    PROBE_TASK,
    REPORT_QUEUE,
    host_key,
    host_lock_key,
    host_waiting_key,
    probe_queue,
)
from services.contract.reports import Report
from services.prober.host_lock import POLL_S
from services.runtime.connection.redis_client import time_ms
from services.runtime.queues.celery_app import make_app
from tests.support.redis_server import RedisServer
from tests.support.service_process import TIMEOUT_S, ServiceProcess, running_service

LOCK, WAITING, ANNOUNCEMENT = host_lock_key("node1"), host_waiting_key("node1"), host_key("node1")
REQUESTS = 20
TAKE_OVER_S = HOST_TTL_S + POLL_S + 4.0
"""The lock's TTL, one poll, and the delay on a busy machine."""


@contextmanager
def prober(server: RedisServer, folder: Path, name: str) -> Iterator[ServiceProcess]:
    """Run a prober of node1, with the log and the port of its own."""
    (folder / name).mkdir()
    environment = {
        "NADROUTE_REDIS_URL": server.url,
        "NADROUTE_HOST": "node1",
        "NADROUTE_UPLINKS": '{"extra":"lo"}',
    }
    with running_service("prober", folder / name, environment) as running:
        yield running


def waits(running: ServiceProcess) -> bool:
    """Return whether it is live, and not ready because of its name."""
    status, _ = running.get("/healthz")
    return status == 200 and "another prober" in running.missing().get("host name", "")


def holder(server: RedisServer) -> HostClaim:
    return HostClaim.from_wire(server.client.get(LOCK))


def announced(server: RedisServer) -> HostAnnouncement | None:
    body = server.client.get(ANNOUNCEMENT)
    return HostAnnouncement.from_wire(body) if body else None


def consumers(server: RedisServer) -> int:
    """Return how many clients wait for a message; Redis would give one to a client that is just ending."""
    return int(server.client.info("clients")["blocked_clients"])


def conflict(running: ServiceProcess) -> bool:
    return "nadroute_host_name_conflict 1.0" in running.get("/metrics")[1]


def request_probes(server: RedisServer, count: int, name: str, *, first_vlan: int = 1) -> None:
    """Queue this many requests, each of one VLAN.

    A second verdict on a VLAN may be reported as a repeat of the first: who wants verdicts takes fresh VLANs.
    """
    with closing(make_app(server.url)) as app:
        for number in range(count):
            probe = SegmentProbe(vlan=first_vlan + number, targets=(Target(digest="0" * 16),))
            request = ProbeRequest(
                id=f"{name}-{number}", host="node1", cluster_network="extra",
                sent_at_ms=time_ms(server.client), max_age_ms=600_000, segments=(probe,),
            )  # fmt: skip
            app.send_task(
                PROBE_TASK,
                kwargs={"request": request.to_wire()},
                queue=probe_queue("node1"),
                ignore_result=True,
            )


def reported(server: RedisServer, name: str) -> list[Verdict]:
    """Return the verdicts on the requests of this name."""
    verdicts: list[Verdict] = []
    for raw in server.client.lrange(REPORT_QUEUE, 0, -1):
        _, kwargs, _ = json.loads(base64.b64decode(json.loads(raw)["body"]))
        verdicts += Report.from_wire(kwargs["report"]).verdicts
    return [verdict for verdict in verdicts if verdict.request_id.startswith(f"{name}-")]


def test_the_second_waits_and_says_for_whom(short_folder: Path, redis_server: RedisServer) -> None:
    """W13: the first answers every request and stays announced, and both tell the conflict."""
    with prober(redis_server, short_folder, "first") as first:
        first.wait(lambda: announced(redis_server) is not None)
        text = redis_server.client.get(ANNOUNCEMENT)
        with prober(redis_server, short_folder, "second") as second:
            second.wait(lambda: waits(second))
            reason = second.missing()["host name"]
            assert f"another prober, process {first.process.pid} on {holder(redis_server).machine}" in reason
            request_probes(redis_server, REQUESTS, "both")
            first.wait(lambda: len(reported(redis_server, "both")) == REQUESTS)
            incarnations = {verdict.incarnation for verdict in reported(redis_server, "both")}
            assert incarnations == {holder(redis_server).since_ms}
            first.wait(lambda: conflict(first))
            assert conflict(second)
            assert waits(second)
            assert HostClaim.from_wire(redis_server.client.get(WAITING)).pid == second.process.pid
            assert redis_server.client.get(ANNOUNCEMENT) == text
            second.process.terminate()
            assert second.process.wait(TIMEOUT_S) == 0
        assert "prober started" not in second.log.read_text()
        first.wait(lambda: not conflict(first))
        assert not first.missing()


def test_the_second_takes_over_when_the_first_is_killed(
    short_folder: Path, redis_server: RedisServer
) -> None:
    """W13: once the lock's TTL is over, and as a newer incarnation; what was queued meanwhile is answered."""
    with (
        prober(redis_server, short_folder, "first") as first,
        prober(redis_server, short_folder, "second") as second,
    ):
        # Either may have been the first.
        second.wait(lambda: waits(first) or waits(second))
        working, waiting = (second, first) if waits(first) else (first, second)
        working.wait_ready()
        before = holder(redis_server)
        working.process.kill()
        killed_ms = time_ms(redis_server.client)
        working.process.wait(TIMEOUT_S)
        waiting.wait(lambda: consumers(redis_server) == 0)
        request_probes(redis_server, REQUESTS, "after")
        waiting.wait_ready()
        now = holder(redis_server)
        assert (now.pid, now.since_ms > before.since_ms) == (waiting.process.pid, True)
        assert now.since_ms - killed_ms <= TAKE_OVER_S * 1_000
        waiting.wait(lambda: len(reported(redis_server, "after")) == REQUESTS)
        assert {verdict.incarnation for verdict in reported(redis_server, "after")} == {now.since_ms}


def test_the_second_takes_over_at_once_when_the_first_stops(
    short_folder: Path, redis_server: RedisServer
) -> None:
    """W13: as in a rolling update whose pods overlap: no TTL is waited for."""
    with (
        prober(redis_server, short_folder, "first") as first,
        prober(redis_server, short_folder, "second") as second,
    ):
        second.wait(lambda: waits(first) or waits(second))
        working, waiting = (second, first) if waits(first) else (first, second)
        working.wait_ready()
        working.process.terminate()
        assert working.process.wait(TIMEOUT_S) == 0
        stopped_ms = time_ms(redis_server.client)
        waiting.wait_ready()
        waiting.wait(lambda: announced(redis_server) is not None)
        assert holder(redis_server).since_ms - stopped_ms < HOST_TTL_S * 1_000 / 2
        said = announced(redis_server)
        assert said is not None
        assert said.incarnation == holder(redis_server).since_ms


def test_a_prober_that_is_ended_as_it_starts_gives_the_name_back(
    short_folder: Path, redis_server: RedisServer
) -> None:
    """W4, W13: SIGTERM between taking the name and the worker's start is not lost."""
    with prober(redis_server, short_folder, "one") as one:
        one.wait(lambda: bool(redis_server.client.exists(LOCK)))
        one.process.terminate()
        assert one.process.wait(TIMEOUT_S) == 0
        assert not redis_server.client.exists(LOCK, ANNOUNCEMENT)


def test_a_frozen_prober_ends_when_another_has_its_name(
    short_folder: Path, redis_server: RedisServer
) -> None:
    """W13: it reports and announces nothing more, and exits with 1: its supervisor starts it again."""
    with (
        prober(redis_server, short_folder, "first") as first,
        prober(redis_server, short_folder, "second") as second,
    ):
        second.wait(lambda: waits(first) or waits(second))
        working, waiting = (second, first) if waits(first) else (first, second)
        working.wait_ready()
        working.process.send_signal(signal.SIGSTOP)
        try:
            waiting.wait_ready()
            waiting.wait(lambda: announced(redis_server) is not None)
            now = holder(redis_server)
            assert now.pid == waiting.process.pid
        finally:
            working.process.send_signal(signal.SIGCONT)
        request_probes(redis_server, REQUESTS, "meanwhile")
        assert working.process.wait(TIMEOUT_S) == 1
        assert "the host's name is lost to another prober" in working.log.read_text()
        waiting.wait(lambda: consumers(redis_server) <= 1)
        request_probes(redis_server, REQUESTS, "after", first_vlan=1 + REQUESTS)
        waiting.wait(lambda: len(reported(redis_server, "after")) == REQUESTS)
        answers = [*reported(redis_server, "meanwhile"), *reported(redis_server, "after")]
        assert {verdict.incarnation for verdict in answers} == {now.since_ms}
        said = announced(redis_server)
        assert said is not None
        assert said.incarnation == now.since_ms
        assert not waiting.missing()


def test_the_first_keeps_its_name_when_redis_has_lost_its_data(
    short_folder: Path, redis_server: RedisServer
) -> None:
    """W13, R2: the second gives it time to take the name again."""
    with prober(redis_server, short_folder, "first") as first:
        first.wait_ready()
        with prober(redis_server, short_folder, "second") as second:
            second.wait(lambda: waits(second) and bool(redis_server.client.exists(WAITING)))
            redis_server.client.flushall()
            first.wait(lambda: redis_server.client.exists(LOCK, ANNOUNCEMENT) == 2)
            second.wait(lambda: waits(second) and bool(redis_server.client.exists(WAITING)))
            assert holder(redis_server).pid == first.process.pid
            said = announced(redis_server)
            assert said is not None
            assert said.incarnation == holder(redis_server).since_ms
            assert not first.missing()
