"""Leader election by a Lease on an API server, on manual clocks."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.kube import ApiServer, Match
from services.cluster.client import Cluster
from services.cluster.leadership import lease
from services.cluster.leadership.lease import LeaderLease
from tests.support.clusters import connect
from tests.support.log_lines import log_lines
from tests.support.manual_clock import ManualClock

LEASES = Match(resource="leases")
NAME = "nadroute-watcher"


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer(tls=False) as running:
        yield running


@pytest.fixture
def cluster(server: ApiServer, tmp_path: Path) -> Iterator[Cluster]:
    found = connect(server.kubeconfig(tmp_path / "kubeconfig"))
    yield found
    server.faults.clear()
    found.close()


def candidate(
    cluster: Cluster, identity: str, clock: ManualClock, changes: list[str] | None = None
) -> LeaderLease:
    def record(leads: bool) -> None:
        if changes is not None:
            changes.append(f"{identity} {'leads' if leads else 'stands by'}")

    return LeaderLease(
        cluster, name=NAME, namespace="default", identity=identity, clock=clock, on_change=record
    )


def holder(cluster: Cluster) -> str:
    body = cluster.transport.request(
        "GET", f"/apis/coordination.k8s.io/v1/namespaces/default/leases/{NAME}", timeout_s=(5, 5)
    )
    spec = body["spec"]
    assert isinstance(spec, dict)
    return str(spec["holderIdentity"])


def test_the_first_one_leads_and_the_second_waits(cluster: Cluster) -> None:
    """A missing Lease is created; the second process observes it for as long as it is renewed."""
    clock, changes = ManualClock(), list[str]()
    one, two = candidate(cluster, "one", clock, changes), candidate(cluster, "two", clock, changes)
    for _ in range(20):
        one.attempt()
        two.attempt()
        clock.seconds += 2
    assert (one.is_leader, two.is_leader, holder(cluster)) == (True, False, "one")
    assert changes == ["one leads"]


def test_a_silent_holder_is_succeeded(cluster: Cluster) -> None:
    """Not before its record has been unchanged for its duration, by the successor's clock."""
    clock = ManualClock()
    one, two = candidate(cluster, "one", clock), candidate(cluster, "two", clock)
    one.attempt()
    two.attempt()
    clock.seconds += 14.9
    two.attempt()
    assert not two.is_leader
    clock.seconds += 0.2
    two.attempt()
    assert (one.is_leader, two.is_leader, holder(cluster)) == (False, True, "two")


def test_different_wall_clocks_do_not_matter(cluster: Cluster) -> None:
    """A holder whose wall clock is a year behind keeps the Lease, since its record changes."""
    clock = ManualClock()
    late = ManualClock(wall=datetime(2025, 1, 1, tzinfo=UTC))
    one, two = candidate(cluster, "one", late), candidate(cluster, "two", clock)
    for _ in range(30):
        for each in (late, clock):
            each.seconds += 2
        one.attempt()
        two.attempt()
    assert (one.is_leader, two.is_leader) == (True, False)


def test_a_leader_that_cannot_renew_stops_leading(cluster: Cluster, server: ApiServer) -> None:
    """Cut off from the server, it stops when its duration is over, even without an attempt."""
    clock, changes = ManualClock(), list[str]()
    one = candidate(cluster, "one", clock, changes)
    one.attempt()
    server.faults.respond(503, match=LEASES, count=None)
    clock.seconds += 14.9
    one.attempt()
    before = one.is_leader
    clock.seconds += 0.2
    after = one.is_leader
    assert (before, after) == (True, False)
    one.attempt()
    assert changes == ["one leads", "one stands by"]


def test_a_leader_renews_without_reading(cluster: Cluster, server: ApiServer) -> None:
    """It knows what it wrote; another's write would be a conflict."""
    clock = ManualClock()
    one = candidate(cluster, "one", clock)
    one.attempt()
    server.faults.respond(503, match=Match(verb="get", resource="leases"), count=None)
    for _ in range(20):
        clock.seconds += 2
        one.attempt()
    assert one.is_leader


def test_a_leader_whose_lease_another_took_stops_at_once(cluster: Cluster) -> None:
    """Its own time is not over: a process whose clock runs faster found the Lease expired."""
    clock, fast = ManualClock(), ManualClock()
    one, two = candidate(cluster, "one", clock), candidate(cluster, "two", fast)
    one.attempt()
    two.attempt()
    fast.seconds += 16
    two.attempt()
    one.attempt()
    assert (one.is_leader, two.is_leader, holder(cluster)) == (False, True, "two")


def test_one_of_two_that_find_it_expired_wins(cluster: Cluster, server: ApiServer) -> None:
    """Both read the same record; the slower one's write names an outdated version."""
    clock = ManualClock()
    old = candidate(cluster, "old", clock)
    one, two = candidate(cluster, "one", clock), candidate(cluster, "two", clock)
    for each in (old, one, two):
        each.attempt()
    clock.seconds += 16
    server.faults.hook(before=lambda _: two.attempt(), match=Match(verb="update", resource="leases"))
    one.attempt()
    assert (one.is_leader, two.is_leader, holder(cluster)) == (False, True, "two")


def test_stop_releases_the_lease(cluster: Cluster) -> None:
    """The next process leads at its first attempt."""
    clock, changes = ManualClock(), list[str]()
    leads = threading.Event()
    one = LeaderLease(
        cluster,
        name=NAME,
        namespace="default",
        identity="one",
        clock=clock,
        on_change=lambda leading: leads.set() if leading else leads.clear(),
    )
    one.start()
    assert leads.wait(60)
    one.stop()
    assert not one.is_leader
    two = candidate(cluster, "two", clock, changes)
    two.attempt()
    assert changes == ["two leads"]


def test_a_deleted_lease_is_created_again(cluster: Cluster) -> None:
    """The next attempt creates it and leads."""
    clock = ManualClock()
    one = candidate(cluster, "one", clock)
    one.attempt()
    cluster.transport.request(
        "DELETE", f"/apis/coordination.k8s.io/v1/namespaces/default/leases/{NAME}", timeout_s=(5, 5)
    )
    clock.seconds += 2
    one.attempt()
    assert (one.is_leader, holder(cluster)) == (True, "one")


def test_a_failure_that_lasts_is_logged_once(
    server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning for each change of it, not one every two seconds for as long as the API server is away."""
    clock = ManualClock()
    lines = log_lines(monkeypatch, lease)
    one = candidate(cluster, "one", clock)
    for _ in range(2):
        one.attempt()
        server.faults.respond(503, match=LEASES, count=None)
        before = len(lines)
        for _ in range(20):
            one.attempt()
            clock.seconds += 2
        warnings = [entry["leader"] for entry in lines[before:] if entry["log_level"] == "warning"]
        assert warnings == [True, False]
        server.faults.clear()


def test_a_pause_that_the_server_asks_for_is_kept(cluster: Cluster, server: ApiServer) -> None:
    """K5: after a 429, no request comes before its Retry-After is over; then the Lease is renewed."""
    clock = ManualClock()
    one = candidate(cluster, "one", clock)
    one.attempt()
    fault = server.faults.respond(429, match=LEASES, count=None, retry_after=12)
    for _ in range(6):
        clock.seconds += 2.0
        one.attempt()
    assert fault.hits == 1
    fault.cancel()
    clock.seconds += 2.0
    one.attempt()
    assert one.is_leader
