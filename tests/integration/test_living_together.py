"""Watcher and updater as they are deployed, beside doubles of Harvester's controller, UI and webhook.

On a real clock, with a real Redis; most tests share one updater: each has networks and VLANs of its own.
"""

from collections.abc import Callable, Iterator

import pytest

from lab.harvester import ControllerDouble, Pace, StoreNetworks
from lab.kube.requests import Match
from lab.kube.resources import NADS
from lab.kube.writes import WriteRecord
from services.network.parse.nad import Network
from tests.support.neighbourhood import PERSON, Neighbourhood, neighbourhood
from tests.support.shared_networks import AUTO, gateway_of, is_made_whole, make_well, manual, route_of
from tests.support.updater_site import NAMESPACE, state_of
from tests.support.write_history import by_others, by_us, on_route, trespasses


@pytest.fixture(scope="module")
def here() -> Iterator[Neighbourhood]:
    with neighbourhood() as running:
        yield running


def test_over_ticks_both_agree_and_nobody_writes(here: Neighbourhood) -> None:
    """Good ones without and with an annotation, manual ones, a dead one: ten ticks, no write of a route."""
    names = [f"agree-{n}" for n in range(4)]
    here.active(*names, vlan=100)
    here.active("agree-auto", vlan=110, route=AUTO)
    here.active("agree-manual", vlan=111, route=manual(111))
    here.site.create("agree-dead", vlan=112, route=manual(112))
    here.site.wait_for("agree-dead", lambda network: state_of(network) == "Unreachable")
    here.settle()
    watched = [*names, "agree-auto", "agree-manual", "agree-dead"]
    here.site.wait(lambda: here.harvester.busy_workers == 0)
    before = here.sequence()
    for _ in range(10):
        ticks = here.harvester.counters.ticks
        here.harvester.tick()
        assert here.harvester.counters.ticks == ticks + 1
        here.settle()
    assert [r for name in watched for r in here.writes(name, after=before) if r.changed] == []
    assert [r for name in watched for r in by_us(here.writes(name, after=before))] == []


@pytest.mark.parametrize("who", ["ui", "terraform"])
def test_a_save_is_made_whole(here: Neighbourhood, who: str) -> None:
    """connectivity is written again; one write, or one more after Harvester's Job."""
    vlan = {"ui": 120, "terraform": 121}[who]
    here.active(who, vlan=vlan)
    before = here.sequence()
    if who == "ui":
        here.ui.save((NAMESPACE, who))
    else:
        here.terraform.apply((NAMESPACE, who))
    here.site.wait_for(who, lambda network: is_made_whole(network, vlan), after=before)
    here.settle()
    here.site.wait(lambda: is_made_whole(here.site.get(who), vlan))
    writes = here.writes(who, after=before)
    assert writes[0].user == PERSON.user
    assert len([w for w in by_us(writes) if w.changed]) <= len(by_others(writes)) + 1


def test_false_results_on_many_networks_are_corrected_once_each() -> None:
    """One tick calls half of the answering gateways silent: each is put right within seconds, and once."""
    crowd = Pace(tick_s=1e9, crowd=1, crowd_loss=0.5).scaled(0.02)
    with neighbourhood() as here:
        here.harvester.stop()
        names = [f"crowd-{n}" for n in range(30)]
        here.active(*names, vlan=200)
        here.settle()
        before = here.sequence()
        with ControllerDouble(
            StoreNetworks(here.site.server.store), here.fabric, pace=crowd, seed=3
        ) as double:
            here.site.wait(lambda: double.known == len(names) + 1)
            double.tick()
            lost = double.counters.lost_replies
            assert 5 < lost < 25
            here.site.wait(lambda: len(theirs(here, before)) == lost)
            for record in theirs(here, before):
                vlan = 200 + int(record.name.partition("-")[2]) if record.name in names else None
                here.site.wait_for(
                    record.name,
                    lambda network: route_of(network).get("connectivity") == "true",
                    after=record.sequence,
                )
                assert vlan is None or is_made_whole(here.site.get(record.name), vlan)
            here.settle()
            ours = [r for r in on_route(by_us(here.site.server.writes)) if r.sequence > before and r.before]
        corrected = [record.name for record in ours if not record.name.startswith("settle")]
        wronged = [r.name for r in theirs(here, before) if not r.name.startswith("settle")]
        assert sorted(corrected) == sorted(wronged)


def theirs(here: Neighbourhood, after: int) -> list[WriteRecord]:
    """What Harvester wrote into routes since."""
    return [record for record in by_others(here.site.server.writes) if record.sequence > after]


def test_a_frozen_webhook_holds_up_no_other_network(here: Neighbourhood) -> None:
    """While six writes hang in it, a seventh network becomes Active."""
    stuck = [f"stuck-{n}" for n in range(6)]
    server = here.site.server
    for offset, name in enumerate(stuck):
        server.faults.freeze(Match(verb="write", resource=NADS.plural, name=name))
        make_well(here.fabric, 300 + offset)
        here.site.create(name, vlan=300 + offset)
    here.site.wait(lambda: {r.name for r in server.requests if r.verb == "patch"} >= set(stuck))
    here.active("free", vlan=310)
    assert [record for name in stuck for record in by_us(here.writes(name))] == []
    server.faults.thaw()
    for offset, name in enumerate(stuck):
        here.site.wait_for(name, lambda network, vlan=300 + offset: is_made_whole(network, vlan))  # type: ignore[misc]


def test_a_denial_is_parked_with_one_event(here: Neighbourhood) -> None:
    """HTTP 500 that says "denied the request": no second try while everything stays, and one Event."""
    fault = here.webhook.deny("not this one", name="denied")
    make_well(here.fabric, 320)
    here.site.create("denied", vlan=320)
    here.site.wait(lambda: len(here.site.events("denied")) == 1)
    for _ in range(3):
        here.harvester.tick()
        here.settle()
    assert fault.hits == 1
    (event,) = here.site.events("denied")
    assert (event["type"], event["reason"]) == ("Warning", "WriteDenied")
    assert "not this one" in event["message"]
    fault.cancel()


def test_a_webhook_that_cannot_be_called_is_tried_again(here: Neighbourhood) -> None:
    """The same status, other words: transient."""
    fault = here.webhook.down(name="transient", count=3)
    here.active("transient", vlan=330)
    assert fault.hits == 3


def test_an_edit_between_decision_and_write_stands(here: Neighbourhood) -> None:
    """I2: somebody saves another gateway while our patch is on its way; it is decided again, and kept."""
    here.active("edited", vlan=340, route=manual(340))
    other = gateway_of(341)
    make_well(here.fabric, 341)
    here.fabric.attach(("extra", 340), other)
    edited = manual(340).replace(gateway_of(340), other).replace("10.1.84.0/24", "10.1.85.0/24")
    mine = Match(verb="patch", resource=NADS.plural, name="edited")
    fault = here.site.server.faults.hook(
        before=lambda _: here.site.edit("edited", "network.harvesterhci.io/route", edited), match=mine
    )
    # Saved: so our next patch is one of the route.
    here.ui.save((NAMESPACE, "edited"))
    fault.wait(hits=1, seconds=60)
    here.site.wait_for(
        "edited",
        lambda network: (
            route_of(network).get("gateway") == other and route_of(network).get("connectivity") == "true"
        ),
    )
    assert [found for record in by_us(here.writes("edited")) for found in trespasses(record)] == []


def test_in_all_of_this_no_field_of_anybody_else_was_written(here: Neighbourhood) -> None:
    """I2 over every write of the updater that this module has seen so far."""
    here.active("last", vlan=350)
    ours = by_us(here.site.server.writes)
    assert ours
    assert [(record.name, found) for record in ours if (found := trespasses(record))] == []


def test_with_active_when_vlan_a_foreign_result_is_taken_back_four_times_at_most() -> None:
    """Routed, and silent on the VLAN: Harvester's tick says "true"; ours says "false" again, four times."""
    with neighbourhood(NADROUTE_ACTIVE_WHEN="vlan") as here:
        make_well(here.fabric, 400)
        here.fabric.attach(("extra", 400), gateway_of(400), answers=False)
        here.site.create("quarrel", vlan=400, route=manual(400))
        here.site.wait_for("quarrel", lambda network: state_of(network) == "OffVlan")
        here.site.wait(lambda: here.harvester.known == 1)
        for round_ in range(6):
            before = here.sequence()
            here.harvester.tick()
            if round_ < 5:
                here.site.wait_for("quarrel", says("true"), after=before)
            if round_ < 4:
                here.site.wait_for("quarrel", says("false"), after=before)
            here.settle()
        records = here.writes("quarrel")
        assert len(on_route(by_us(records))) == 1 + 4
        assert route_of(here.site.get("quarrel"))["connectivity"] == "true"
        told = [event for event in here.site.events("quarrel") if event["reason"] == "OtherWriter"]
        assert len(told) == 1


def says(connectivity: str) -> Callable[[Network], bool]:
    """Whether that stands in the route."""
    return lambda network: route_of(network).get("connectivity") == connectivity
