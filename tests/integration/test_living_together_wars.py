"""Beside a tool that puts its own back again and again: four answers an hour, and peace when it stops.

In simulated time; see tests/support/simulated_site.py for what is real.
"""

import json
from collections.abc import Callable

import pytest

from lab.kube.jsontypes import JsonObject, metadata
from lab.kube.objects import Actor
from lab.kube.resources import NADS
from services.contract.outcomes import Reason
from services.network.parse import nad
from services.network.reasons.events import LIMIT_REASON
from services.network.write.disputes import MAX_CORRECTIONS
from tests.support.shared_networks import (
    AUTO,
    filled,
    gateway_of,
    make_well,
    manual,
    route_of,
    state_of,
    status_of,
)
from tests.support.simulated_site import NAMESPACE, SimulatedSite
from tests.support.write_history import by_us, of_network

HOUR_S = 3_600.0
SETTLED_S = 120.0
EACH_S = 20.0
"""Between two looks of the tool."""
ANSWERED_S = 5.0
ARGO = Actor(user="argocd", agent="argocd-application-controller/v3.5.1", manager="argocd-controller")

Annotations = dict[str, str]
WAYS: dict[str, Callable[[Annotations], Annotations]] = {
    "a bare mode": lambda given: {**given, nad.ROUTE: AUTO},
    "the UI's empty form": lambda given: {
        **given, nad.ROUTE: '{"mode":"auto","serverIPAddr":"","cidr":"","gateway":""}',
    },
    "a missing connectivity": lambda given: {**given, nad.ROUTE: json.dumps(_without(given, "connectivity"))},
    "another connectivity": lambda given: {
        **given, nad.ROUTE: json.dumps({**_route(given), "connectivity": "ping failed"}),
    },
    "outdated": lambda given: {**given, nad.ROUTE: json.dumps({**_route(given), "outdated": True})},
    "no route annotation": lambda given: {k: v for k, v in given.items() if k != nad.ROUTE},
    "no annotation at all": lambda _: {},
}  # fmt: skip


def _route(given: Annotations) -> dict[str, object]:
    route = json.loads(given.get(nad.ROUTE) or "{}")
    assert isinstance(route, dict)
    return route


def _without(given: Annotations, name: str) -> dict[str, object]:
    return {key: value for key, value in _route(given).items() if key != name}


class Tool:
    """Looks every 20 s and puts its own back, as a GitOps tool that corrects drift."""

    def __init__(self, site: SimulatedSite, way: Callable[[Annotations], Annotations]) -> None:
        self.is_on = True
        self._site, self._way = site, way
        site.at(site.clock.seconds + EACH_S, self._look)

    def _look(self) -> None:
        if not self.is_on:
            return

        def edit(body: JsonObject) -> JsonObject:
            own = metadata(body)
            given = own.get("annotations") or {}
            assert isinstance(given, dict)
            own["annotations"] = dict(self._way({key: str(value) for key, value in given.items()}))
            return body

        self._site.store.change(NADS, NAMESPACE, "net", edit, verb="update", actor=ARGO)
        self._site.at(self._site.clock.seconds + EACH_S, self._look)


def war(
    way: Callable[[Annotations], Annotations], *, route: str | None, with_harvester: bool
) -> SimulatedSite:
    """Return a site on which a tool has taken back everything for three and a half hours, then stopped."""
    site = SimulatedSite(with_harvester=with_harvester)
    make_well(site.fabric, 100)
    site.create("net", vlan=100, route=route)
    site.run(SETTLED_S)
    assert state_of(site.get("net")) == "Active"
    tool = Tool(site, way)
    site.run(3.5 * HOUR_S)
    tool.is_on = False
    return site


@pytest.mark.parametrize("with_harvester", [True, False], ids=["with Harvester", "alone"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_a_tool_is_answered_four_times_an_hour(
    way: Callable[[Annotations], Annotations], with_harvester: bool
) -> None:
    """However it takes back what we wrote: in no hour more than four answers, each within five seconds; the
    limit is told once an hour; when it stops, all is as it should be within an hour."""
    site = war(way, route=None, with_harvester=with_harvester)
    records = of_network(site.store.writes.all(), "net")
    ours = [record for record in by_us(records) if record.changed and record.at > SETTLED_S]
    assert 3 * MAX_CORRECTIONS <= len(ours) <= 4 * MAX_CORRECTIONS
    for record in ours:
        assert len([other for other in ours if record.at <= other.at < record.at + HOUR_S]) <= MAX_CORRECTIONS
    for answer in ours[:MAX_CORRECTIONS]:
        theirs = max(record.at for record in records if record.sequence < answer.sequence and record.changed)
        assert answer.at - theirs < ANSWERED_S
    told = [message for name, reason, message in site.writer.events if reason == LIMIT_REASON]
    assert 3 <= len(told) <= 4
    site.run(HOUR_S)
    assert {key: value for key, value in route_of(site.get("net")).items() if value} == filled(100)
    assert state_of(site.get("net")) == "Active"


def test_the_other_writer_is_named() -> None:
    """By its field manager, with what makes peace, in the status and in the Event."""
    site = war(WAYS["a bare mode"], route=AUTO, with_harvester=False)
    status = status_of(site.get("net"))
    assert status is not None
    finding = status.findings[Reason.OTHER_WRITER]
    assert "'argocd-controller' removed cidr, gateway, connectivity" in finding
    assert "RespectIgnoreDifferences" in finding
    events = [message for _, reason, message in site.writer.events if reason == LIMIT_REASON]
    assert all("argocd-controller" in message for message in events)


def test_a_manual_network_without_connectivity_is_answered_four_times_an_hour() -> None:
    """The owner's route is put back from a manifest, which names no connectivity."""
    site = war(lambda given: {**given, nad.ROUTE: manual(100)}, route=manual(100), with_harvester=False)
    ours = [r for r in by_us(of_network(site.store.writes.all(), "net")) if r.at > SETTLED_S]
    assert 3 * MAX_CORRECTIONS <= len(ours) <= 4 * MAX_CORRECTIONS


def test_four_saves_in_an_hour_are_answered_at_once_and_a_fifth_is_told() -> None:
    """A save drops connectivity. The fifth one's turn comes when the first is an hour ago."""
    site = SimulatedSite(with_harvester=False)
    make_well(site.fabric, 100)
    site.create("net", vlan=100)
    site.run(SETTLED_S)
    for _ in range(MAX_CORRECTIONS):
        site.ui.save((NAMESPACE, "net"))
        site.run(ANSWERED_S)
        assert route_of(site.get("net"))["connectivity"] == "true"
        site.run(300)
    site.ui.save((NAMESPACE, "net"))
    site.run(ANSWERED_S)
    assert "connectivity" not in route_of(site.get("net"))
    (message,) = [message for _, reason, message in site.writer.events if reason == LIMIT_REASON]
    assert "'kubectl' removed connectivity" in message
    site.run(HOUR_S)
    assert route_of(site.get("net"))["connectivity"] == "true"


def test_another_intent_is_answered_at_any_time() -> None:
    """The owner changes VLAN and mode while the limit is reached: each is written at once, however often."""
    site = SimulatedSite(with_harvester=False)
    make_well(site.fabric, 100, 101)
    site.create("net", vlan=100)
    site.run(SETTLED_S)
    for _ in range(MAX_CORRECTIONS + 1):
        site.annotate("net", nad.ROUTE, AUTO)
        site.run(60)
    assert route_of(site.get("net")) == {"mode": "auto"}
    for vlan in (101, 100, 101, 100, 101, 100):
        site.ui.save(
            (NAMESPACE, "net"), mode="manual", cidr=f"10.0.{vlan}.0/24", gateway=gateway_of(vlan), vlan=vlan
        )
        site.run(ANSWERED_S)
        assert route_of(site.get("net"))["connectivity"] == "true"
        assert route_of(site.get("net"))["gateway"] == gateway_of(vlan)
