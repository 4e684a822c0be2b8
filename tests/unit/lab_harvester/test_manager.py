"""The double of Harvester's controller behaves as the real one was observed to."""

import json

import pytest

from lab.harvester import FINALIZER, Lease, Pace
from lab.kube.jsontypes import metadata, strings
from lab.kube.resources import NADS
from tests.unit.lab_harvester.world import GATEWAY, LEASE, SEGMENT, SUBNET, World

AUTO = '{"mode":"auto"}'
FILLED = f'{{"mode":"auto","cidr":"{SUBNET}","gateway":"{GATEWAY}"}}'
TRUE = FILLED[:-1] + ',"connectivity":"true"}'
FALSE = FILLED[:-1] + ',"connectivity":"false"}'
FAILED = '{"mode":"auto","connectivity":"DHCP failed"}'


@pytest.fixture
def world() -> World:
    return World()


def test_a_network_without_annotation_is_ignored_for_ever(world: World) -> None:
    """A network without annotation gets a finalizer and labels and nothing else, whatever DHCP offers."""
    world.fabric.offer(SEGMENT, LEASE)
    world.create()
    world.run(7_200)
    assert world.writes() == []
    assert metadata(world.body())["finalizers"] == [FINALIZER]
    assert strings(metadata(world.body()), "labels")["network.harvesterhci.io/vlan-id"] == "80"


def test_auto_goes_by_dhcp_and_then_by_ping(world: World) -> None:
    """Auto writes cidr and gateway first, and connectivity some five seconds after the creation."""
    world.fabric.offer(SEGMENT, LEASE)
    world.fabric.route(GATEWAY)
    world.create(AUTO)
    world.run(0)
    world.run(1.1)
    assert world.route() == FILLED
    assert world.manager.busy_workers == 1
    world.run(4.5)
    assert world.route() == TRUE
    assert (world.manager.counters.jobs, world.manager.counters.pings) == (1, 1)


@pytest.mark.parametrize(
    ("lease", "expected"),
    [
        (
            Lease.of("10.80.0.50/24"),
            '{"mode":"auto","cidr":"\\u003cnil\\u003e","gateway":"\\u003cnil\\u003e"}',
        ),
        (
            Lease.of("10.80.0.50/24", "10.80.0.1", "10.80.1.10"),
            '{"mode":"auto","cidr":"\\u003cnil\\u003e","gateway":"?0a5000010a50010a"}',
        ),
        (
            Lease.of("10.80.0.50/24", "10.99.7.1"),
            '{"mode":"auto","cidr":"10.99.7.0/24","gateway":"10.99.7.1"}',
        ),
    ],
)
def test_what_it_makes_of_odd_offers(world: World, lease: Lease, expected: str) -> None:
    """No router, two routers, or one outside the subnet are written as the real helper does, wrong or not."""
    world.fabric.offer(SEGMENT, lease)
    world.create(AUTO)
    world.run(2)
    assert world.route() == expected


def test_a_gateway_that_is_no_address_is_never_decided(world: World) -> None:
    """A gateway that is not an address is never pinged or written, and occupies no worker."""
    world.create('{"mode":"auto","cidr":"<nil>","gateway":"<nil>"}')
    world.run(60)
    assert world.writes() == []
    assert world.manager.busy_workers == 0


def test_a_host_name_that_resolves_is_pinged(world: World) -> None:
    """A host name that resolves is pinged, also to an IPv6 address."""
    world.fabric.name("gw.example")
    world.fabric.route("gw.example")
    world.fabric.route("fd00::1")
    world.create('{"mode":"auto","cidr":"x","gateway":"gw.example"}')
    world.create('{"mode":"manual","cidr":"fd00::/64","gateway":"fd00::1"}', name="six")
    world.run(5)
    assert '"connectivity":"true"' in world.route()
    assert '"connectivity":"true"' in world.route("six")


def test_dhcp_failed_is_sticky(world: World) -> None:
    """After 35 s cidr and gateway are dropped, and a server that starts later is never asked."""
    world.create('{"mode":"auto","cidr":"","gateway":"10.80.0.9"}')
    world.run(34)
    assert world.writes() == []
    world.run(2)
    assert world.route() == FAILED
    world.fabric.offer(SEGMENT, LEASE)
    world.write(AUTO)
    world.run(7_200)
    assert (world.route(), world.manager.counters.jobs) == (AUTO, 1)


def test_a_helper_overwrites_what_changed_meanwhile(world: World) -> None:
    """The helper reads the newest version and still replaces the whole route."""
    world.fabric.offer(SEGMENT, LEASE)
    world.create(AUTO)
    world.run(0.5)
    world.write('{"mode":"auto","note":"mine","connectivity":"false"}')
    world.run(1)
    assert world.route() == FILLED


def test_a_present_connectivity_is_let_be(world: World) -> None:
    """A connectivity that is present is not overwritten, however often others write."""
    world.create(FALSE)
    for number in range(50):
        world.write(TRUE if number % 2 else FALSE, other=str(number))
        world.run(1)
    assert world.writes() == []


@pytest.mark.parametrize("missing", ["", ',"connectivity":""'])
def test_without_connectivity_it_pings_at_once(world: World, missing: str) -> None:
    """A missing connectivity starts a ping: four seconds if the gateway answers, ten if not."""
    world.create(FILLED[:-1] + missing + "}")
    world.run(10)
    assert world.writes() == []
    world.run(0.1)
    assert world.route() == FALSE


def test_a_write_in_the_middle_of_a_ping_restarts_it(world: World) -> None:
    """Its write after a foreign write conflicts and starts over; frequent writes prevent it for ever."""
    world.fabric.route(GATEWAY)
    world.create(FILLED)
    for number in range(5):
        world.run(3)
        world.write(FILLED, other=str(number))
    assert [record.status for record in world.writes()] == [409] * 3
    world.run(8.2)
    assert world.route() == TRUE


def test_a_verdict_written_in_the_middle_of_a_ping_stands(world: World) -> None:
    """Its write conflicts with a verdict written during the ping, and is then unnecessary."""
    world.create(FILLED)
    world.run(3)
    world.write(TRUE)
    world.run(60)
    assert world.route() == TRUE
    assert [record.status for record in world.writes()] == [409]


def test_two_workers_and_no_more(world: World) -> None:
    """Silent gateways occupy both workers for ten seconds each, and an auto network waits for its Job."""
    for number in range(20):
        world.create('{"mode":"manual","cidr":"10.1.0.0/24","gateway":"10.1.0.1"}', name=f"dead-{number}")
    world.fabric.offer(SEGMENT, LEASE)
    world.create(AUTO)
    world.run(50)
    assert (world.manager.busy_workers, world.manager.counters.jobs) == (2, 0)
    world.run(55)
    assert world.manager.counters.jobs == 1


def test_unknown_keys_are_lost_and_the_order_is_its_own(world: World) -> None:
    """Its writes keep only the struct's fields, in its order; other annotations stay."""
    world.fabric.route(GATEWAY)
    world.create(f'{{"ours":1,"gateway":"{GATEWAY}","Mode":"auto","cidr":"{SUBNET}"}}')
    world.write(world.route(), **{"nadroute.io/status": "{}"})
    world.run(5)
    assert world.route() == TRUE
    assert strings(metadata(world.body()), "annotations")["nadroute.io/status"] == "{}"


def test_the_tick_writes_on_change_only(world: World) -> None:
    """Every fifteen minutes values that differ from its ping are overwritten, and others are not."""
    world.fabric.route(GATEWAY)
    world.create(TRUE)
    world.create(FALSE, name="other")
    world.run(899)
    before = len(world.store.writes.all())
    assert world.writes("other") == []
    world.run(6)
    assert world.route("other") == TRUE
    world.run(3_600)
    assert [record.name for record in world.store.writes.all()[before:]] == ["other"]


def test_a_crowded_tick_calls_answering_gateways_silent() -> None:
    """From some hundreds of gateways at once the tick calls answering ones silent, the same for one seed."""
    found = []
    for _ in range(2):
        world = World(pace=Pace(crowd=40, crowd_loss=0.3), seed=7)
        for number in range(40):
            world.fabric.route(f"10.2.{number}.1")
            route = f'{{"mode":"auto","cidr":"10.2.{number}.0/24","gateway":"10.2.{number}.1"}}'
            world.create(route[:-1] + ',"connectivity":"true"}', name=f"net-{number}")
        world.run(920)
        found.append([n for n in range(40) if '"false"' in world.route(f"net-{n}")])
    assert found[0] == found[1]
    assert 4 < len(found[0]) < 25
    assert world.manager.counters.lost_replies == len(found[0])


def test_another_vlan_means_another_job(world: World) -> None:
    """The webhook sets outdated; the new Job's result removes it."""
    world.fabric.offer(SEGMENT, LEASE)
    world.fabric.offer(("extra", 81), Lease.of("10.81.0.50/24", "10.81.0.1"))
    world.create(AUTO)
    world.run(60)
    config = json.dumps({"type": "bridge", "bridge": "extra-br", "vlan": 81})
    world.store.change(NADS, "default", "net", lambda body: {**body, "spec": {"config": config}})
    assert '"outdated":true' in world.route()
    world.run(60)
    assert json.loads(world.route()) == {
        "mode": "auto",
        "cidr": "10.81.0.0/24",
        "gateway": "10.81.0.1",
        "connectivity": "false",
    }


def test_outdated_stops_it_while_a_job_exists(world: World) -> None:
    """outdated set on the same VLAN stops the controller from pinging and asking, for good."""
    world.fabric.offer(SEGMENT, LEASE)
    world.create(AUTO)
    world.run(60)
    outdated = FILLED[:-1] + ',"outdated":true}'
    world.write(outdated)
    before = len(world.writes())
    world.run(600)
    assert (world.route(), len(world.writes())) == (outdated, before)


def test_deletion_needs_the_manager(world: World) -> None:
    """Without the manager a deleted network stays and can still be patched; the manager releases it."""
    world.create(AUTO)
    world.run(1)
    world.store.delete(NADS, "default", "net")
    world.write(AUTO, other="1")
    assert "deletionTimestamp" in metadata(world.body())
    world.run(1)
    assert world.store.find(NADS, "default", "net") is None


@pytest.mark.parametrize("config", ['{"type":"macvlan"}', '{"type":"bridge","bridge":"extra-br"}', "{"])
def test_other_networks_are_left_alone(world: World, config: str) -> None:
    """An untagged network is never checked; one that the webhook refuses cannot be written."""
    with world.admission.bypassed():
        world.create(FILLED)
        world.store.change(NADS, "default", "net", lambda body: {**body, "spec": {"config": config}})
    world.run(1_000)
    assert world.route() == FILLED
    assert world.manager.counters.pings == 0


def test_a_broken_annotation_refuses_its_finalizer_too(world: World) -> None:
    """The controller cannot add its finalizer to a network with a broken annotation."""
    with world.admission.bypassed():
        world.create('{"connectivity":true}')
    before = world.body()
    world.run(1_000)
    assert world.body() == before
    assert world.manager.counters.failed_writes == 1
