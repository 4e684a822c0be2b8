"""W7: the machine's wall clock moves by an hour, under whole processes and Redis."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.faults.scripted_site import ScriptedSite
from tests.faults.scripted_starting import HOSTS, scripted_site
from tests.faults.soak.parts import Part
from tests.support.programs import libfaketime
from tests.support.updater_site import wait_until

pytestmark = pytest.mark.faketime
HOUR_S, MINUTE_S = 3_600, 60


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that says by how much the wall clock of all processes is moved."""
    path = tmp_path_factory.mktemp("clock") / "offset"
    path.write_text("+0\n")
    return path


@pytest.fixture(scope="module")
def site(clock: Path) -> Iterator[ScriptedSite]:
    """A system whose processes, Redis among them, have that clock; monotonic clocks stay as they are."""
    variables = {
        "LD_PRELOAD": str(libfaketime()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with scripted_site(**variables) as running:
        yield running


def test_w7_wall_clock_moved_by_an_hour(site: ScriptedSite, clock: Path) -> None:
    """W7: forwards, backwards, and to where it was: hosts are asked and changes are told as ever, and nothing
    else is."""
    same, edited = site.create(), site.create()
    site.wait_until_true()
    before = site.sequence()
    for number, hours in enumerate((1, -1, 0)):
        with site.fault(heals_within_s=30.0):
            told = clock_of(site)
            clock.write_text(f"{hours * HOUR_S:+d}\n")
            wait_until(lambda told=told: abs(clock_of(site) - told) > HOUR_S / 2)  # type: ignore[misc]
            site.edit(edited, host=77 + number)
            wait_until(lambda: abs(clock_of(site) - last_logged(site, site.watcher)) < MINUTE_S)
    checked = site.checks(same)
    wait_until(lambda: site.checks(same) >= checked + len(HOSTS))
    site.settle()
    assert same not in {record.name for record in site.writes(after=before)}


def clock_of(site: ScriptedSite) -> float:
    """Return the wall clock of Redis, in seconds."""
    return float(site.client.time()[0])


def last_logged(site: ScriptedSite, part: Part) -> float:
    """Return the wall clock of a service at its last log line, in seconds; 0 without one."""
    stamps = re.findall(r'"timestamp": "([^"]+)Z"', site.logged(part))
    return datetime.fromisoformat(f"{stamps[-1]}+00:00").timestamp() if stamps else 0.0
