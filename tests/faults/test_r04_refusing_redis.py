"""A Redis that refuses: the services wait in their processes, say why, and go on by themselves."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.refusing import FAULTS, WORKERS, Site, site

pytestmark = pytest.mark.root

LONG = ("every command", "every key", "subscriptions", "NOREPLICAS", "maxclients")
"""Kinds of the same, of which the others show enough."""


@pytest.fixture(scope="module")
def running() -> Iterator[Site]:
    """The services, which have started at a Redis that refused for one reason after the other."""
    names = iter(("every command", "READONLY", "MISCONF", "OOM"))
    fault = FAULTS[next(names)]
    with (
        tempfile.TemporaryDirectory(prefix="nr-", dir="/tmp") as folder,
        site(Path(folder), refusing=fault) as starting,
    ):
        starting.wait_for(fault)
        for name in names:
            former, fault = fault, FAULTS[name]
            former.end(starting.server)
            fault.begin(starting.server)
            starting.wait_for(fault)
        fault.end(starting.server)
        starting.wait_ready()
        yield starting


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.long] if name in LONG else [])
        for name in FAULTS
        if name != "zadd"
    ],
)
def test_the_services_wait_while_redis_refuses(running: Site, name: str) -> None:
    """R4, R6, R7, R8: none ends. Each says why in /readyz, by a metric and once in the log, and goes on."""
    fault = FAULTS[name]
    said = {service: len(running.lines(service, "the worker waits for Redis")) for service in WORKERS}
    fault.begin(running.server)
    try:
        running.wait_for(fault)
    finally:
        fault.end(running.server)
    running.goes_on()
    for service in WORKERS:
        kinds = running.lines(service, "the worker waits for Redis")[said[service] :]
        assert len(kinds) == len(set(kinds)) > 0


def test_a_message_that_cannot_be_recorded_is_taken_all_the_same(running: Site) -> None:
    """R7: it has left its queue. After it, the workers wait."""
    fault = FAULTS["zadd"]
    fault.begin(running.server)
    try:
        running.works()
        running.wait_for(fault)
    finally:
        fault.end(running.server)
    running.goes_on()


def test_the_services_start_at_a_redis_that_refuses(running: Site) -> None:
    """R19: at each reason each process waited where it had come to; now they work."""
    running.goes_on()
