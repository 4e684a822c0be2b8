"""W2 to W5, W8 to W11, K14, R2: whole processes end, freeze, fill their disk and meet another version."""

import dataclasses
import json
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.kube.resources import NADS
from services.contract.messages import HostAnnouncement, Segment
from services.contract.names import DEAD_LETTERS_KEY, REPORT_QUEUE, REPORT_TASK, host_key
from services.contract.reports import Report
from tests.faults.scripted_site import ScriptedSite
from tests.faults.scripted_starting import HOSTS, scripted_site
from tests.faults.soak.parts import Part
from tests.support.updater_site import digest_of, wait_until
from tests.support.write_history import by_us
from tests.unit.network.builders import verdict

GRACE_S = 30.0
"""What Kubernetes gives a process to end by itself."""
LOAD = 60
REPORTS = 20
FULL = Path("/dev/full")


@pytest.fixture(scope="module")
def site() -> Iterator[ScriptedSite]:
    """One system for all: each test has networks of its own, and heals what it breaks."""
    with scripted_site() as running:
        yield running


def restart(part: Part, how: signal.Signals = signal.SIGKILL) -> None:
    """End a process and start it again, as its supervisor does."""
    part.end(how)
    part.start()


def end_by_itself(part: Part) -> None:
    """Check that a process ends by itself within its grace; start it again for the next test in any case."""
    process = part.process
    assert process is not None
    process.send_signal(signal.SIGTERM)
    try:
        assert process.wait(GRACE_S) == 0, part.last_words()
    finally:
        restart(part)


def kill_at(site: ScriptedSite, part: Part, step: int, change: Callable[[], object]) -> None:
    """Change something, and kill a process before its n-th request since, to Redis or the API server."""
    taken, killed = 0, threading.Event()

    def count() -> None:
        nonlocal taken
        taken += 1
        if taken == step and part.process is not None:
            part.process.kill()
            killed.set()

    proxies = (site.api[part.name], site.queues[part.name])
    for proxy in proxies:
        proxy.on_request = count
    try:
        change()
        assert killed.wait(60)
    finally:
        for proxy in proxies:
            proxy.on_request = lambda: None
        restart(part)


def end_at(site: ScriptedSite, part: Part, step: int) -> None:
    """Check the invariants when a process is killed at this step after an owner's edit, and restarted."""
    edited, gone = site.create(), site.create()
    site.wait_until_true()
    with site.fault(heals_within_s=30.0, ends=[part]):

        def change() -> None:
            site.edit(edited)
            site.delete(gone)

        starts = part.log.read_text().count('"watcher started"')
        kill_at(site, part, step, change)
        if part is site.watcher:
            wait_until(lambda: part.log.read_text().count('"watcher started"') > starts)
            wait_until(lambda: due_since_start(part) >= len(site.truth.states))


def due_since_start(watcher: Part) -> int:
    """Return how many networks it has found due for everything since it was started last."""
    lines = [json.loads(line) for line in watcher.log.read_text().splitlines() if line.startswith("{")]
    started = max(n for n, line in enumerate(lines) if line["event"] == "watcher started")
    many = [line["why"].get("everything", 0) for line in lines[started:] if line["event"] == "networks due"]
    one = [line["why"] == "everything" for line in lines[started:] if line["event"] == "network due"]
    return int(sum(many) + sum(one))


@pytest.mark.parametrize("step", [2, 5, 9])
def test_w2_updater_killed_between_read_and_write(site: ScriptedSite, step: int) -> None:
    """W2: before some of its requests."""
    end_at(site, site.updater, step)


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_w2_updater_killed_at_every_step(site: ScriptedSite) -> None:
    """W2: before each of its requests."""
    for step in range(1, 41):
        end_at(site, site.updater, step)


@pytest.mark.parametrize("step", [1, 3])
def test_w3_watcher_killed_between_event_and_enqueue(site: ScriptedSite, step: int) -> None:
    """W3: before some of its requests: every network is due after the restart."""
    end_at(site, site.watcher, step)


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_w3_watcher_killed_at_every_step(site: ScriptedSite) -> None:
    """W3: before each of its requests."""
    for step in range(1, 21):
        end_at(site, site.watcher, step)


def test_w4_sigterm_under_load(site: ScriptedSite) -> None:
    """W4: both services end by themselves within their grace while networks are created; what is written is
    whole, and what is not follows after the restart."""
    with site.fault(heals_within_s=30.0, ends=[site.watcher, site.updater]):
        names = [site.create() for _ in range(LOAD)]
        wait_until(lambda: any(site.state(name) for name in names))
        for part in (site.updater, site.watcher):
            end_by_itself(part)


def test_w5_frozen_processes(site: ScriptedSite) -> None:
    """W5: one and the other and both are stopped where they are, and go on."""
    frozen(site, seconds=0.5)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_w5_frozen_processes_for_two_minutes(site: ScriptedSite) -> None:
    """W5: the same for longer than a Lease, an announcement and a result last."""
    frozen(site, seconds=120.0)


def frozen(site: ScriptedSite, *, seconds: float) -> None:
    """Freeze services for so long, with changes meanwhile."""
    for parts in ([site.updater], [site.watcher], [site.updater, site.watcher]):
        edited, gone = site.create(), site.create()
        site.wait_until_true()
        with site.fault(heals_within_s=30.0):
            for part in parts:
                part.freeze()
            site.edit(edited)
            site.delete(gone)
            site.create()
            threading.Event().wait(seconds)
            for part in parts:
                part.thaw()


def test_w8_full_disk_of_the_logs(site: ScriptedSite) -> None:
    """W8: nothing that the services say can be written: they start, work and end as ever."""
    site.create()
    site.wait_until_true()
    services = (site.watcher, site.updater)
    with site.fault(heals_within_s=30.0, ends=services):
        for part in services:
            part.end(signal.SIGTERM)
            log, part.log = part.log, FULL
            part.start()
            part.log = log
        name = site.create()
        site.wait_until_true()
        site.edit(name)
        site.wait_until_true()
        for part in services:
            end_by_itself(part)


def test_w9_no_flower(site: ScriptedSite) -> None:
    """W9: nobody takes the events of tasks and workers: nothing of them stays in Redis."""
    with site.fault(heals_within_s=30.0):
        site.edit(site.create())
    assert site.client.keys("*celeryev*") == []


def test_w10_killed_for_its_memory(site: ScriptedSite) -> None:
    """W10: as the kernel does it: SIGKILL while much is created, to the services and to Redis."""
    parts = (site.updater, site.watcher, site.redis)
    with site.fault(heals_within_s=30.0, ends=parts):
        for part in parts:
            for _ in range(LOAD // len(parts)):
                site.create()
            restart(part)


def test_w11_two_versions_of_the_messages(site: ScriptedSite) -> None:
    """W11: a host of a newer version announces itself and reports: it is refused and told, and counts as no
    host; the reports of the others are taken as ever."""
    name = site.create()
    site.wait_until_true()
    site.client.delete(DEAD_LETTERS_KEY)
    with site.fault(heals_within_s=30.0):
        network, segment = site.networks()[name], Segment(cluster_network="extra", vlan=site.vlans[name])
        said = verdict(digest_of(network), host="newer", segment=segment)
        report = json.loads(Report(host="newer", verdicts=(said,)).to_json())
        newer = json.dumps({**report, "schema_version": 2, "news": [1]})
        said_by_host = HostAnnouncement(host="newer", uplinks={"extra": "bo"}, version="2", incarnation=1)
        announcement = {**said_by_host.to_wire(), "schema_version": 2, "news": 1}
        for _ in range(REPORTS):
            site.client.set(host_key("newer"), json.dumps(announcement), ex=15)
            site.app.send_task(REPORT_TASK, kwargs={"report": newer}, queue=REPORT_QUEUE, ignore_result=True)
        site.edit(name)
        site.wait_for_log("announcement ignored", site.updater)
        wait_until(lambda: refused(site, "Report: schema_version") == REPORTS)
        wait_until(lambda: refused(site, "HostAnnouncement: schema_version") == 1)


def refused(site: ScriptedSite, reason: str) -> int:
    """Return the number of dead letters with this reason."""
    letters = [json.loads(str(raw)) for raw in site.client.lrange(DEAD_LETTERS_KEY, 0, -1)]
    return sum(reason in letter["reason"] for letter in letters)


@pytest.mark.long
def test_k14_two_watchers(site: ScriptedSite) -> None:
    """K14: the leader freezes: the second one sends; when the first goes on, it stands by, and nothing of
    what was true is told otherwise."""
    second = dataclasses.replace(
        site.watcher,
        name="second",
        log=site.folder / "second.log",
        environment={
            **site.watcher.environment,
            "NADROUTE_LEASE_IDENTITY": "second",
            "NADROUTE_METRICS_PORT": "0",
        },
        process=None,
    )
    second.start()
    try:
        wait_until(lambda: "networks listed" in second.log.read_text())
        with site.fault(heals_within_s=30.0):
            site.watcher.freeze()
            site.edit(site.create())
        assert '"leading"' in second.log.read_text()
        with site.fault(heals_within_s=30.0):
            site.watcher.thaw()
            site.wait_for_log("standing by", site.watcher)
            site.edit(site.create())
        assert not second.has_ended()
    finally:
        site.watcher.thaw()
        second.end(signal.SIGTERM)
    with site.fault(heals_within_s=30.0):
        site.create()


@pytest.mark.parametrize("how", ["flushed", "restarted"])
def test_r2_all_data_lost(site: ScriptedSite, how: str) -> None:
    """R2: FLUSHALL, and a restart without persistence: the hosts are probed again, what changed meanwhile is
    told, and nothing is written of what did not."""
    same, edited, gone = site.create(), site.create(), site.create()
    site.wait_until_true()
    before = site.sequence()
    with site.fault(heals_within_s=60.0, ends=[site.redis]):
        if how == "flushed":
            site.client.flushall()
        else:
            site.redis.end()
            # Not in place: what it leaves behind may still be written.
            (site.folder / "appendonlydir").rename(site.folder / f"lost-{before}")
        try:
            site.edit(edited)
            site.delete(gone)
            site.create()
        finally:
            site.redis.start()
        checked = site.checks(same)
        wait_until(lambda: site.checks(same) >= checked + len(HOSTS))
    ours = [record for record in by_us(site.writes(after=before)) if record.resource == NADS.plural]
    assert same not in {record.name for record in ours}
