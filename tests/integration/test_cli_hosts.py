"""`nadroute hosts` against a real Redis."""

import json
from ipaddress import IPv4Address

import pytest

from services.contract.host_claims import HostClaim
from services.contract.messages import HostAnnouncement
from services.contract.names import PROBE_TASK, host_key, host_lock_key, host_waiting_key, probe_queue
from services.runtime.connection.redis_client import time_ms
from services.runtime.queues.celery_app import make_app
from services.version import __version__
from tests.support.redis_server import RedisServer
from tests.unit.cli.running import Ran, run


def announce(server: RedisServer, host: str, *, ttl_ms: int = 15_000, **uplinks: str) -> None:
    """Announce a host as a prober does."""
    announcement = HostAnnouncement(
        host=host, uplinks=uplinks, version=__version__, incarnation=time_ms(server.client)
    )
    server.client.set(host_key(host), json.dumps(announcement.to_wire()), px=ttl_ms)


def hosts(monkeypatch: pytest.MonkeyPatch, server: RedisServer, *arguments: str) -> Ran:
    """Run `nadroute hosts` against this Redis."""
    return run(monkeypatch, "hosts", *arguments, REDIS_URL=server.url)


def test_hosts_are_live_stale_or_gone(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The condition follows from the announcement's TTL; each queue has its length."""
    announce(redis_server, "node1", extra="extra-bo")
    announce(redis_server, "node2", ttl_ms=3_000, extra="extra-bo", mgmt="mgmt-bo")
    with make_app(redis_server.url) as app:
        for host in ("node1", "node3", "node3"):
            app.send_task(PROBE_TASK, queue=probe_queue(host))
    ran = hosts(monkeypatch, redis_server, "-o", "json")
    assert ran.code == 0
    rows = {row.pop("host"): row for row in json.loads(ran.out)}
    assert {host: (row["condition"], row["queued"]) for host, row in rows.items()} == {
        "node1": ("live", 1),
        "node2": ("stale", 0),
        "node3": ("gone", 2),
    }
    assert rows["node2"]["uplinks"] == {"extra": "extra-bo", "mgmt": "mgmt-bo"}
    assert rows["node3"]["incarnation_ms"] is None
    assert set(rows["node1"]) == {
        "condition",
        "uplinks",
        "members",
        "port_rate",
        "version",
        "incarnation_ms",
        "queued",
        "expires_in_ms",
        "holder",
        "waiting",
    }
    table = hosts(monkeypatch, redis_server).out
    assert all(word in table for word in ("node1", "extra=extra-bo", "live", "stale", "gone", __version__))


def test_a_prober_that_waits_for_a_name_in_use_is_named(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On standard error and in JSON, with its machine and since when; so is the one that has the name.

    An unreadable record is left out.
    """
    for host in ("node1", "node2", "node3", "node4"):
        announce(redis_server, host, extra="extra-bo")
    claim = HostClaim(
        host="node1",
        process="b",
        machine="spare\x1b[31m",
        pid=12,
        address=IPv4Address("10.0.0.9"),
        since_ms=time_ms(redis_server.client) - 125_000,
    )
    holder = claim.model_copy(update={"process": "a", "machine": "node1", "pid": 7, "address": None})
    redis_server.client.set(host_lock_key("node1"), json.dumps(holder.to_wire()))
    redis_server.client.set(host_lock_key("node2"), "junk")
    redis_server.client.set(host_waiting_key("node1"), json.dumps(claim.to_wire()))
    redis_server.client.set(host_waiting_key("node2"), json.dumps(claim.to_wire()))
    redis_server.client.set(host_waiting_key("node3"), "junk")
    redis_server.client.lpush(host_waiting_key("node4"), "junk")
    ran = hosts(monkeypatch, redis_server, "-o", "json")
    rows = json.loads(ran.out)
    assert [row["holder"] for row in rows] == [
        {"machine": "node1", "pid": 7, "address": None, "since_ms": claim.since_ms},
        None,
        None,
        None,
    ]
    waiting = {row["host"]: row["waiting"] for row in rows}
    assert waiting == {
        "node1": {"machine": "spare\x1b[31m", "pid": 12, "address": "10.0.0.9", "since_ms": claim.since_ms},
        "node2": None,
        "node3": None,
        "node4": None,
    }
    (line,) = ran.err.splitlines()
    assert line.startswith("node1: another prober waits for this name, process 12 on spare")
    assert "(10.0.0.9), for 2m 5s; it starts when process 7 on node1, the one at work, ends, or 15 s" in line
    assert "\x1b" not in line


def test_without_hosts_the_remedy_is_printed(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard error says how to start a prober."""
    ran = hosts(monkeypatch, redis_server)
    assert (ran.code, ran.out) == (0, "")
    assert "no prober is announced" in ran.err


def test_a_queue_name_that_is_not_text_hides_no_host(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any client of Redis can create one; it is shown escaped."""
    announce(redis_server, "node1", extra="extra-bo")
    redis_server.client.rpush(probe_queue("").encode() + b"\xff\xfe", "anything")
    ran = hosts(monkeypatch, redis_server, "-o", "json")
    assert ran.code == 0
    assert {row["host"]: row["condition"] for row in json.loads(ran.out)} == {
        "node1": "live",
        r"\xff\xfe": "gone",
    }
