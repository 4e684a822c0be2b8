"""K11 to K15: what the watch brings: own writes, stale lists, storms, a second reader, and broken objects."""

import dataclasses
import json
import signal
from collections.abc import Iterator

import pytest

from lab.kube import Match
from lab.kube.resources import NADS
from services.network.parse import nad
from services.network.parse.nad import Network
from tests.faults.scripted_site import ScriptedSite, body_of
from tests.faults.scripted_starting import HOSTS, scripted_site
from tests.support.updater_site import NAMESPACE, wait_until
from tests.support.write_history import by_us

WATCHES = Match(verb="watch", resource=NADS.plural)
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
    """Write networks, and watch until the hosts have checked each of them so often again."""
    names = [site.create() for _ in range(5)]
    with site.fault(heals_within_s=30.0):
        site.wait_until_true()
        site.settle()
        written, due, checked = site.sequence(), times_due(site, names), site.checks(*names)
        for sweep in range(1, sweeps + 1):
            more = sweep * len(names) * len(HOSTS)
            wait_until(lambda more=more: site.checks(*names) >= checked + more)  # type: ignore[misc]
        assert [record.name for record in site.writes(after=written) if record.resource == NADS.plural] == []
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
def test_k13_storm_of_a_full_site() -> None:
    """K13: as many as a cluster network has VLANs."""
    with scripted_site() as own:
        storm(own, creations=4_094, edits=10_000)


def storm(site: ScriptedSite, *, creations: int, edits: int) -> None:
    """Create and edit so often: each network is written once; an edited one is checked and written for what
    it became, not for each edit."""
    edited = [site.create() for _ in range(10)]
    site.wait_until_true()
    with site.fault(heals_within_s=30.0):
        checked, before = site.checks(*edited), site.sequence()
        created = [site.create() for _ in range(creations)]
        for number in range(edits):
            site.edit(edited[number % len(edited)], host=2 + number // len(edited) % 250)
        while len(site.false()) > creations // 2:
            wait_until(lambda: len(site.false()) <= creations // 2)
        site.wait_until_true()
    ours = [record for record in by_us(site.writes(after=before)) if record.changed]
    assert sum(record.name in created for record in ours) == creations
    assert sum(record.name in edited for record in ours) < edits / 2
    assert site.checks(*edited) - checked < edits * len(HOSTS) / 2


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


DEEP = 40_000
BROKEN = {
    "cut": '{"mode":',
    "a number": "5",
    "null": "null",
    "a list": "[]",
    "a string": '"x"',
    "nested within the size": "[" * 5_000 + "]" * 5_000,
    "nested": "[" * DEEP + "]" * DEEP,
    "nested objects": '{"x":' * DEEP + "1" + "}" * DEEP,
    "a huge number": "9" * 5_000,
    "huge": json.dumps({"mode": "x" * 200_000}),
    "not a number": '{"mode":NaN}',
}
ROUTES = {
    **BROKEN,
    "wrong types": '{"mode":[],"cidr":{},"gateway":5}',
    "no address": '{"mode":"manual","cidr":"10.0.7.0/24","gateway":"gateway"}',
    "a gateway outside": '{"mode":"manual","cidr":"10.0.7.0/24","gateway":"10.0.8.1"}',
}
CONFIGS = {
    **BROKEN,
    "nothing": "",
    "a text": '{"type":"bridge","bridge":"extra-br","vlan":"seven"}',
    "negative": '{"type":"bridge","bridge":"extra-br","vlan":-1}',
    "too large": '{"type":"bridge","bridge":"extra-br","vlan":4095}',
    "infinite": '{"type":"bridge","bridge":"extra-br","vlan":1e999}',
    "an object": '{"type":"bridge","bridge":"extra-br","vlan":{}}',
    "bridge a list": '{"type":"bridge","bridge":[],"vlan":7}',
}


def test_k15_broken_objects(site: ScriptedSite) -> None:
    """K15: of a corpus of broken routes and configs, each is Invalid with a reason, within seconds; nothing
    is written to what cannot be read, and a good network beside them becomes Active."""
    with site.fault(heals_within_s=15.0):
        bodies = [
            *(body_of(f"route-{n}", 7, {nad.ROUTE: text}) for n, text in enumerate(ROUTES.values())),
            *(body_of(f"config-{n}", 7, {}, text) for n, text in enumerate(CONFIGS.values())),
        ]
        made = [Network.from_object(site.server.store.create(NADS, NAMESPACE, body).body) for body in bodies]
        good = site.create()
        wait_until(lambda: all(site.conclusion(network).startswith("Invalid ") for network in made))
        wait_until(lambda: site.state(good) == "Active")
        for network in made:
            site.server.store.delete(NADS, NAMESPACE, network.ref.name)
    names = {network.ref.name for network in made}
    written = {record.name for record in by_us(site.server.writes)} & names
    assert written <= {f"route-{list(ROUTES).index('a gateway outside')}"}
