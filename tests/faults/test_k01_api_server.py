"""K1 to K8, K15: the API server restarts, forgets, freezes, refuses and holds what nobody can read."""

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

import pytest

from lab.kube import Match
from lab.kube.errors import ApiError
from lab.kube.faults import Action, GoneStyle
from lab.kube.requests import Request, RequestRecord
from lab.kube.resources import EVENTS, NADS
from services.network.parse import nad
from services.network.parse.nad import Network
from tests.faults.scripted_site import ScriptedSite, body_of
from tests.faults.scripted_starting import scripted_site
from tests.support.updater_site import NAMESPACE, wait_until
from tests.support.write_history import by_us

WRITES = Match(verb="patch", resource=NADS.plural)
WATCHES = Match(verb="watch", resource=NADS.plural)
LEASES = Match(verb="update", resource="leases")
RETRY_AFTER_S = 3
STORM_PER_S = 50.0
CONFLICTS = 3


@pytest.fixture(scope="module")
def site() -> Iterator[ScriptedSite]:
    """One system for all: each test has networks of its own, and heals what it breaks."""
    with scripted_site() as running:
        yield running


@pytest.fixture
def pair(site: ScriptedSite) -> tuple[str, str]:
    """Two Active networks: one to be edited, and one to be deleted while something is broken."""
    names = site.create(), site.create()
    site.wait_until_true()
    return names


def change_all(site: ScriptedSite, pair: tuple[str, str]) -> None:
    """Have an owner edit one network, delete another and create a third."""
    edited, gone = pair
    site.edit(edited)
    site.delete(gone)
    site.create()


def test_k1_restart(site: ScriptedSite, pair: tuple[str, str]) -> None:
    """K1: the server dies and returns without its history: both services list again and see all changes."""
    with site.fault(heals_within_s=15.0):
        site.server.stop()
        change_all(site, pair)
        site.server.store.compact()
        lists = site.lists()
        site.server.start()
    assert site.lists() == lists + 2


@pytest.mark.parametrize("style", ["event", "status"])
def test_k2_compaction(site: ScriptedSite, pair: tuple[str, str], style: GoneStyle) -> None:
    """K2: 410 in the stream, and as a status: the edit, the deletion and the creation in the gap are seen."""
    faults, lists = site.server.faults, site.lists()
    with site.fault(heals_within_s=15.0):
        faults.gone_style = style
        faults.freeze(WATCHES)
        change_all(site, pair)
        faults.compact()
        faults.cut_watches(WATCHES)
        faults.thaw()
    assert site.lists() == lists + 2


def test_k3_half_open_connections(site: ScriptedSite, pair: tuple[str, str]) -> None:
    """K3: packets on every open connection are dropped, so that no event arrives: that is noticed, and the
    changes are read on new connections."""
    with site.fault(heals_within_s=20.0):
        for proxy in site.api.values():
            proxy.drop_packets()
        change_all(site, pair)


def test_k3_frozen_server(site: ScriptedSite, pair: tuple[str, str]) -> None:
    """K3: the server accepts connections and answers nothing, until it goes on."""
    with site.fault(heals_within_s=20.0):
        site.server.faults.freeze()
        change_all(site, pair)
        site.wait_for_log("watch interrupted", site.watcher, site.updater)
        site.server.faults.thaw()


def test_k4_expired_token(site: ScriptedSite, pair: tuple[str, str]) -> None:
    """K4: 401 to everything until the token's file has another one: the same processes read it again."""
    with site.fault(heals_within_s=15.0):
        site.server.tokens.revoke(site.server.tokens.admin)
        site.server.faults.cut_watches()
        change_all(site, pair)
        site.wait_for_log("HTTP 401", site.watcher, site.updater)
        site.server.tokens.rotate()


def test_k5_too_many_requests(site: ScriptedSite, pair: tuple[str, str]) -> None:
    """K5: 429 to writes, watches and the Leases: the next request of each kind is never earlier than asked
    for, and they do not all come after the same time."""
    begun = site.server.requests[-1].sequence
    refused: list[tuple[Kind, float]] = []

    def note(request: Request) -> None:
        refused.append(((request.verb, request.kind.plural, request.name), time.monotonic()))

    with site.fault(heals_within_s=30.0):
        error = ApiError(429, "too many requests", retry_after=RETRY_AFTER_S)
        action = Action(before=note, error=error)
        faults = [site.server.faults.add(action, match=match, count=2) for match in (WRITES, WATCHES, LEASES)]
        site.server.faults.cut_watches(WATCHES)
        change_all(site, pair)
        for fault in faults:
            fault.wait(hits=2, seconds=60)
    gaps = _gaps(refused, site.server.request_log.all(after=begun))
    assert len(gaps) == len(refused)
    assert min(gaps) >= RETRY_AFTER_S
    assert len({round(gap, 2) for gap in gaps}) > 1


def test_k6_errors_and_lost_responses(site: ScriptedSite, pair: tuple[str, str]) -> None:
    """K6: 5xx, and writes that are committed while their response is lost: no write has a second effect."""
    with site.fault(heals_within_s=30.0):
        faults = site.server.faults
        broken = [faults.respond(500, match=WRITES, count=2), faults.drop_response(match=WRITES, count=2)]
        change_all(site, pair)
        for fault in broken:
            fault.wait(hits=2, seconds=60)


def test_k7_storm_of_conflicts(site: ScriptedSite, pair: tuple[str, str]) -> None:
    """K7: another writer changes the network 50 times a second, and just before each of the first writes,
    while its owner edits it: each decision is made again on the fresh object, and nothing is reverted."""
    edited, _ = pair
    rival = site.server.rival(NAMESPACE, edited)
    match = Match(verb="patch", resource=NADS.plural, name=edited)
    with site.fault(heals_within_s=30.0), rival.storm(per_second=STORM_PER_S):
        meeting = site.server.faults.hook(before=lambda _: rival.touch(), match=match, count=CONFLICTS)
        change_all(site, pair)
        meeting.wait(hits=CONFLICTS, seconds=60)
        wait_until(lambda: not site.false())
    refused = [record for record in site.server.writes if record.name == edited and record.status == 409]
    assert len(refused) >= CONFLICTS


def test_k8_denied_by_the_webhook(site: ScriptedSite, pair: tuple[str, str]) -> None:
    """K8: a denial is told by an Event and a metric, and not tried again before something has changed."""
    edited, _ = pair
    denied = _metric(site, "denied")
    with site.fault(heals_within_s=60.0):
        match = Match(verb="patch", resource=NADS.plural, name=edited)
        fault = site.server.faults.deny("it does not like it", match=match, count=None)
        change_all(site, pair)
        wait_until(lambda: "WriteDenied" in _events(site, edited))
        wait_until(lambda: _metric(site, "denied") == denied + 1)
        site.create()
        fault.cancel()
        assert fault.hits == 1
        site.edit(edited, host=78)


@pytest.mark.long
def test_k8_denial_that_is_over(site: ScriptedSite, pair: tuple[str, str]) -> None:
    """K8: the same where nothing changes but the webhook's mind."""
    match = Match(verb="patch", resource=NADS.plural, name=pair[0])
    fault = site.server.faults.deny("it does not like it", match=match, count=None)
    change_all(site, pair)
    wait_until(lambda: "WriteDenied" in _events(site, pair[0]))
    with site.fault(heals_within_s=60.0):
        fault.cancel()


def test_k8_webhook_that_times_out(site: ScriptedSite, pair: tuple[str, str]) -> None:
    """K8: it is tried again without an Event, and a slow write holds up no other network."""
    edited, _ = pair
    with site.fault(heals_within_s=60.0):
        match = Match(verb="patch", resource=NADS.plural, name=edited)
        fault = site.server.faults.webhook_down(match=match, count=2, delay=1.0)
        change_all(site, pair)
        fault.wait(hits=2, seconds=60)
    assert "WriteDenied" not in _events(site, edited)


DEEP = 40_000
BROKEN = {
    "cut": '{"mode":',
    "a number": "5",
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


Kind = tuple[str, str, str]
"""Verb, resource and name."""


def _gaps(refused: Sequence[tuple[Kind, float]], requests: Sequence[RequestRecord]) -> list[float]:
    """Return the time from each request that was refused to the next one of its kind.

    Both processes watch: the first watches after two that were refused are theirs, in some order.
    """
    times: dict[Kind, list[float]] = defaultdict(list)
    for request in requests:
        times[request.verb, request.resource, request.name].append(request.at)
    found = []
    for kind, at in refused:
        last = max(at for other, at in refused if other == kind) if kind[0] == "watch" else at
        later = [then for then in times[kind] if then > last]
        if later:
            found.append(later[0] - at)
            times[kind] = [then for then in times[kind] if kind[0] != "watch" or then != later[0]]
    return found


def _metric(site: ScriptedSite, result: str) -> float:
    lines = site.metrics(site.updater).splitlines()
    (line,) = [line for line in lines if line.startswith(f'nadroute_writes_total{{result="{result}"}}')]
    return float(line.split()[-1])


def _events(site: ScriptedSite, name: str) -> list[str]:
    found = [stored.body for stored in site.server.store.snapshot(EVENTS).items]
    return [str(event["reason"]) for event in found if event["involvedObject"]["name"] == name]  # type: ignore[index,call-overload]
