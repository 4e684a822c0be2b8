"""A Redis that restarts, loses data, moves or freezes: the services go on, and nothing is written."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.contract.names import WATCHED_KEY
from tests.faults.refusing import OTHERS, Site, site
from tests.support.updater_site import digest_of, wait_until

pytestmark = pytest.mark.root

VLAN = 4_000
NAME = "net-4000"


@pytest.fixture(scope="module")
def started() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as folder, site(Path(folder)) as started:
        started.wait_ready()
        yield started


@pytest.fixture
def running(started: Site) -> Site:
    """The services, with a network of which the other host has reported that its gateway answers."""
    if started.network is None:
        started.announce()
        started.network = started.create(NAME, vlan=VLAN)
    report(started)
    started.services["updater"].wait(lambda: started.state(NAME) == "Active")
    return started


def report(running: Site) -> None:
    """Report as the other host what it always does."""
    assert running.network is not None
    running.report(running.segment(VLAN, OTHERS), digest_of(running.network))


def test_the_services_go_on_after_a_restart(running: Site) -> None:
    """R1: a Redis with an append-only file is killed and comes back; nothing is written."""
    before, server = running.writes(), running.server
    server.admin.config_set("appendfsync", "always")
    server.admin.config_set("appendonly", "yes")
    wait_until(lambda: not server.admin.info("persistence")["aof_rewrite_in_progress"])
    server.admin.set("kept", "until the end")
    server.kill()
    running.wait_until_unready()
    server.start("--appendonly", "yes", data=server.data)
    assert server.admin.get("kept")
    running.goes_on()
    assert running.writes() == before


def assert_an_empty_redis_elsewhere_is_no_news(running: Site, rounds: int) -> None:
    """Assert that the services consume again each time, are not ready before, and write nothing."""
    before, server = running.writes(), running.server
    for _ in range(rounds):
        server.kill()
        running.wait_until_unready()
        server.start()
        running.goes_on()
        report(running)
        running.works()
    assert running.writes() == before
    assert running.state(NAME) == "Active"


def test_the_services_go_on_with_an_empty_redis_elsewhere(running: Site) -> None:
    """R2: Redis comes back without its data, at another address."""
    assert_an_empty_redis_elsewhere_is_no_news(running, rounds=1)


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_the_services_go_on_with_an_empty_redis_elsewhere_fifty_times(running: Site) -> None:
    """R2: each of fifty times."""
    assert_an_empty_redis_elsewhere_is_no_news(running, rounds=50)


def test_the_services_go_on_with_a_replica_that_lacks_the_last_writes(running: Site) -> None:
    """R3: it is promoted elsewhere, with what Redis had some writes ago; nothing is written."""
    before, server = running.writes(), running.server
    server.admin.save()
    replica = server.data.parent / "replica"
    replica.mkdir()
    shutil.copy(server.data / "dump.rdb", replica)
    running.works()
    report(running)
    server.admin.set(WATCHED_KEY, "a write that the replica lacks")
    server.move(data=replica)
    running.goes_on()
    assert running.writes() == before


def assert_a_frozen_redis_is_no_news(running: Site, rounds: int) -> None:
    """Assert that the services say so, consume again each time, and write nothing."""
    before, process = running.writes(), running.server.process
    for _ in range(rounds):
        process.send_signal(signal.SIGSTOP)
        try:
            running.wait_until_unready()
        finally:
            process.send_signal(signal.SIGCONT)
        running.server.kill_clients()
        running.goes_on()
    assert running.writes() == before


def test_the_services_go_on_after_a_frozen_redis(running: Site) -> None:
    """R5: it is frozen until they notice, and then closes their connections."""
    assert_a_frozen_redis_is_no_news(running, rounds=1)


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_the_services_go_on_after_a_redis_that_was_frozen_fifty_times(running: Site) -> None:
    """R5: each of fifty times."""
    assert_a_frozen_redis_is_no_news(running, rounds=50)
