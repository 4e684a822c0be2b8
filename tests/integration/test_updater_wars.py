"""The updater as a process, against a writer that takes back its results: four answers an hour."""

import json
from collections.abc import Callable, Iterator

import pytest

from lab.kube.jsontypes import JsonObject, metadata
from lab.kube.objects import Actor
from lab.kube.resources import NADS
from services.contract.names import corrections_key
from services.contract.outcomes import Reason
from services.network.parse import nad
from services.network.reasons.events import LIMIT_REASON
from services.network.write.disputes import MAX_CORRECTIONS
from tests.integration.test_living_together_wars import WAYS
from tests.integration.test_updater_living import running
from tests.integration.test_updater_process import ACTIVE, LEASED, segment, settle
from tests.support.updater_site import NAMESPACE, UpdaterSite, digest_of, route_of, state_of
from tests.support.write_history import by_us, of_network
from tests.unit.network.builders import GATEWAY, dhcp, offer, verdict

ARGO = Actor(user="argocd", agent="argocd-application-controller/v3.5.1", manager="argocd-controller")
ANSWERED_S = 5.0
MANUAL = f'{{"mode":"manual",{LEASED}}}'


@pytest.fixture(scope="module")
def site() -> Iterator[UpdaterSite]:
    with running() as site:
        yield site


def take_back(site: UpdaterSite, name: str, way: Callable[[dict[str, str]], dict[str, str]]) -> int:
    """Write the network as a GitOps tool does; return the sequence of that write."""

    def edit(body: JsonObject) -> JsonObject:
        given = metadata(body).get("annotations") or {}
        assert isinstance(given, dict)
        metadata(body)["annotations"] = dict(way({key: str(value) for key, value in given.items()}))
        return body

    site.server.store.change(NADS, NAMESPACE, name, edit, verb="update", actor=ARGO)
    return max(record.sequence for record in of_network(site.server.writes, name))


@pytest.mark.parametrize("vlan", range(401, 401 + len(WAYS)), ids=WAYS.keys())
def test_a_fifth_take_back_in_an_hour_is_told_and_not_answered(site: UpdaterSite, vlan: int) -> None:
    """Whatever form it takes: four answers within five seconds each, one Event that names the writer, and no
    further write; another intent of the owner's is answered nevertheless."""
    way = list(WAYS.values())[vlan - 401]
    name = f"war-{vlan}"
    network = site.create(name, vlan=vlan)
    for host in ("node1", "node2"):
        site.send(verdict(digest_of(network), host=host, segment=segment(vlan), dhcp=dhcp(offer())))
    site.wait_for(name, lambda n: route_of(n) == ACTIVE and state_of(n) == "Active")
    for _ in range(MAX_CORRECTIONS):
        sequence = take_back(site, name, way)
        site.wait_for(
            name,
            lambda n: {k: v for k, v in route_of(n).items() if v} == ACTIVE and state_of(n) == "Active",
            after=sequence,
        )
        theirs, *_, ours = [r for r in of_network(site.server.writes, name) if r.sequence >= sequence]
        assert ours.at - theirs.at < ANSWERED_S
    sequence = take_back(site, name, way)
    site.wait(lambda: LIMIT_REASON in [event["reason"] for event in site.events(name)])
    settle(site, vlan)
    assert [r for r in by_us(of_network(site.server.writes, name)) if r.sequence > sequence] == []
    (limit,) = [event for event in site.events(name) if event["reason"] == LIMIT_REASON]
    assert ("'argocd-controller'" in limit["message"]) == (nad.ROUTE in site.get(name).annotations)
    site.edit(name, nad.ROUTE, MANUAL)
    for host in ("node1", "node2"):
        site.send(verdict(digest_of(site.get(name)), host=host, segment=segment(vlan), counter=2))
    site.wait_for(name, lambda n: route_of(n) == {**json.loads(MANUAL), "connectivity": "true"})


def test_an_answer_is_counted_in_redis(site: UpdaterSite) -> None:
    """A restart forgets nothing: the finding stands in the status, and the count beside it."""
    network = site.create("kept", vlan=450, route=MANUAL)
    for host in ("node1", "node2"):
        site.send(verdict(digest_of(network), host=host, segment=segment(450), gateway=GATEWAY))
    site.wait_for("kept", lambda n: state_of(n) == "Active")
    theirs = json.dumps({**json.loads(MANUAL), "connectivity": "ping failed"})
    sequence = take_back(site, "kept", lambda given: {**given, nad.ROUTE: theirs})
    after = site.wait_for("kept", lambda n: route_of(n).get("connectivity") == "true", after=sequence)
    assert after.status is not None
    assert "'argocd-controller' set connectivity" in after.status.findings[Reason.OTHER_WRITER]
    site.wait(lambda: site.redis.llen(corrections_key(network.uid)) == 1)
