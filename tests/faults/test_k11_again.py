"""K11 to K13, R13 to R15: what comes again, late and in masses, from the API server and from Redis."""

import json
from collections.abc import Iterator

import pytest

from lab.kube import Match
from lab.kube.resources import NADS
from services.contract.messages import Segment
from services.contract.names import REPORT_QUEUE
from services.contract.outcomes import ReachOutcome
from services.runtime.stored.verdict_store import VerdictStore
from tests.faults.scripted_site import ScriptedSite
from tests.faults.scripted_starting import HOSTS, scripted_site
from tests.support.updater_site import NAMESPACE, wait_until
from tests.support.write_history import by_us

WATCHES = Match(verb="watch", resource=NADS.plural)
COPIES = 100
EDITED = 10
WRITTEN_PER_S = 8
"""Networks, at least."""
CHECKS_EACH = 4
"""By a host of one network, however often it was edited: for its edits, its new gateway, and sweeps."""
UNACKED, INDEX = "unacked:updater", "unacked_index:updater"
LISTS = Match(verb="list", resource=NADS.plural)


@pytest.fixture(scope="module")
def site() -> Iterator[ScriptedSite]:
    """One system for all: each test has networks of its own, and heals what it breaks."""
    with scripted_site() as running:
        yield running


def test_k11_own_writes(site: ScriptedSite) -> None:
    """K11: they come back as watch events, and networks are swept again: nothing more is written or asked."""
    watch_own_writes(site, sweeps=1)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_k11_own_writes_for_ten_minutes(site: ScriptedSite) -> None:
    """K11: the same for as long as the catalogue says."""
    watch_own_writes(site, sweeps=60)


def watch_own_writes(site: ScriptedSite, *, sweeps: int) -> None:
    """Write networks, one of which loses its gateway, and watch until the hosts have checked each of them so
    often again: nothing but the loss is written, and no write has made the watcher have a network checked."""
    names = [site.create() for _ in range(5)]
    with site.fault(heals_within_s=30.0):
        site.wait_until_true()
        site.settle()
        written, due, checked = site.sequence(), times_due(site, names), site.checks(*names)
        site.set_gateway(names[0], answers=False)
        for sweep in range(1, sweeps + 1):
            more = sweep * len(names) * len(HOSTS)
            wait_until(lambda more=more: site.checks(*names) >= checked + more)  # type: ignore[misc]
        site.wait_until_true()
        site.settle()
        ours = [record.name for record in by_us(site.writes(after=written)) if record.name in names]
        assert ours == [names[0]]
        assert times_due(site, names) == due


def times_due(site: ScriptedSite, names: list[str]) -> int:
    """Return how often something about these networks has made the watcher have them checked at once."""
    lines = site.logged(site.watcher).splitlines()
    return sum(
        '"network due"' in line and f'"{NAMESPACE}/{name}"' in line for line in lines for name in names
    )


def test_k12_stale_lists(site: ScriptedSite) -> None:
    """K12: a replica that lags lists what was before: what was edited and deleted since stays so."""
    edited, gone = site.create(), site.create()
    site.wait_until_true()
    with site.fault(heals_within_s=30.0):
        stale = site.server.faults.stale_reads(match=LISTS, count=3)
        site.edit(edited)
        site.delete(gone)
        site.wait_until_true()
        before = site.sequence()
        site.server.faults.expire_watches(WATCHES)
        stale.wait(hits=3, seconds=60)
    assert [record.name for record in site.writes(after=before) if record.name in (edited, gone)] == []


def test_k13_storm(site: ScriptedSite) -> None:
    """K13: hundreds of creations and edits at once are coalesced; see storm."""
    storm(site, creations=200, edits=500)


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_k13_larger_storm() -> None:
    """K13: the same with more of both."""
    with scripted_site() as own:
        storm(own, creations=400, edits=2_500)


def storm(site: ScriptedSite, *, creations: int, edits: int) -> None:
    """Create so many networks, and edit ten of them so often while the watcher stands still: each new one is
    written once; an edited one is checked and written for what it has become, not for each edit."""
    edited = [site.create() for _ in range(EDITED)]
    site.wait_until_true()
    with site.fault(heals_within_s=30.0):
        checked, before = site.checks(*edited), site.sequence()
        created = [site.create() for _ in range(creations)]
        site.wait_until_true(within_s=60.0 + creations / WRITTEN_PER_S)
        site.watcher.freeze()
        for number in range(edits):
            site.edit(edited[number % EDITED], host=2 + number // EDITED % 250)
        site.watcher.thaw()
        site.wait_until_true()
        assert site.checks(*edited) - checked <= len(HOSTS) * max(EDITED * CHECKS_EACH, edits // 20)
    ours = [record for record in by_us(site.writes(after=before)) if record.changed]
    assert sum(record.name in created for record in ours) == creations
    assert sum(record.name in edited for record in ours) <= EDITED * 2


def settled(site: ScriptedSite) -> str:
    """Return a network that is Active, when the updater knows its hosts long enough to tell an outage."""
    name = site.create()
    site.wait_until_true()
    for answers in (False, True):
        site.set_gateway(name, answers=answers)
        site.check_now(name)
        site.wait_until_true()
    return name


def reports_while_frozen(site: ScriptedSite, name: str, *, answers: bool) -> list[str]:
    """Freeze the updater and have the gateway die or come back; return the hosts' reports of it.

    They are no longer in the queue. Oldest first.
    """
    site.updater.freeze()
    checked = [host.checks[site.vlans[name]] for host in site.hosts]
    site.set_gateway(name, answers=answers)
    site.check_now(name)
    for host, before in zip(site.hosts, checked, strict=True):
        wait_until(lambda host=host, before=before: host.checks[site.vlans[name]] > before)  # type: ignore[misc]
    wait_until(lambda: int(site.client.llen(REPORT_QUEUE)) >= len(HOSTS))
    held = [str(raw) for raw in site.client.lrange(REPORT_QUEUE, 0, -1)]
    site.client.delete(REPORT_QUEUE)
    return held[::-1]


def writes_to(site: ScriptedSite, name: str, *, after: int) -> int:
    """Return how often nadroute has changed this network since."""
    ours = [record for record in by_us(site.writes(after=after)) if record.changed]
    return sum(record.name == name for record in ours)


def test_r13_the_same_messages_a_hundred_times(site: ScriptedSite) -> None:
    """R13: a hundred copies of each report about an outage and its end, in turn: it is told once at most."""
    name = settled(site)
    with site.fault(heals_within_s=30.0):
        held = reports_while_frozen(site, name, answers=False) + reports_while_frozen(
            site, name, answers=True
        )
        for raw in held * COPIES:
            site.client.lpush(REPORT_QUEUE, raw)
        site.updater.thaw()
        wait_until(lambda: not site.client.exists(REPORT_QUEUE, UNACKED))


def test_r14_redelivered_messages(site: ScriptedSite) -> None:
    """R14: the reports of an outage that is over come again, as after their visibility timeout: nothing is
    written of what they say."""
    name = settled(site)
    with site.fault(heals_within_s=30.0):
        taken = reports_while_frozen(site, name, answers=False)
        for raw in taken:
            site.client.lpush(REPORT_QUEUE, raw)
        site.updater.thaw()
        site.wait_until_true()
        site.set_gateway(name, answers=True)
        site.check_now(name)
        site.wait_until_true()
        before = site.sequence()
        for number, raw in enumerate(taken):
            entry = json.dumps([json.loads(raw), "", REPORT_QUEUE])
            site.client.hset(UNACKED, f"again-{number}", entry)
            site.client.zadd(INDEX, {f"again-{number}": 1.0})
        wait_until(lambda: not site.client.exists(UNACKED, INDEX))
        site.settle()
    assert writes_to(site, name, after=before) == 0


def test_r15_results_out_of_order(site: ScriptedSite) -> None:
    """R15: the reports of an outage are held back until after those of its end: the newer ones stay, and the
    outage is not told any more."""
    name = settled(site)
    before = site.sequence()
    with site.fault(heals_within_s=30.0):
        held = reports_while_frozen(site, name, answers=False)
        newer = reports_while_frozen(site, name, answers=True)
        for host in site.hosts:
            host.is_silent = True
        site.updater.thaw()
        # One after the other: reports that wait together are taken side by side.
        for reports in (newer, held):
            site.client.lpush(REPORT_QUEUE, *reports)
            wait_until(lambda: not site.client.exists(REPORT_QUEUE, UNACKED))
        assert outcomes(site, name) == {ReachOutcome.REACHABLE}
        for host in site.hosts:
            host.is_silent = False
    assert writes_to(site, name, after=before) == 0


def outcomes(site: ScriptedSite, name: str) -> set[ReachOutcome]:
    """Return what is stored of each host about the network's gateway."""
    segment = Segment(cluster_network="extra", vlan=site.vlans[name])
    latest = VerdictStore(site.client).read([segment])[segment].latest
    return {target.vlan.outcome for seen in latest for target in seen.verdict.targets}
