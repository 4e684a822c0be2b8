"""Beside Harvester's UI, Terraform and its webhook: back within seconds, and hands off what is not ours.

In simulated time; see tests/support/simulated_site.py for what is real.
"""

import json
from collections.abc import Callable

import pytest

from lab.harvester import Lease
from lab.kube.errors import ApiError
from lab.kube.resources import NADS
from services.network.parse import nad
from tests.support.shared_networks import (
    AUTO,
    CLUSTER_NETWORK,
    cidr_of,
    filled,
    gateway_of,
    lease_of,
    make_well,
    manual,
    route_of,
    state_of,
)
from tests.support.simulated_site import NAMESPACE, SimulatedSite
from tests.support.write_history import by_us, of_network, on_route, trespasses

KEY = (NAMESPACE, "net")
SETTLED_S = 120.0
SECONDS = 5.0
"""Within so many is a network whole again that somebody else has cut back."""

Edit = Callable[[SimulatedSite], object]
CUTS: dict[str, Edit] = {
    "a save in the UI": lambda site: site.ui.save(KEY),
    "an apply of Terraform": lambda site: site.terraform.apply(KEY),
    "a bare mode": lambda site: site.annotate("net", nad.ROUTE, AUTO),
    "an empty connectivity": lambda site: site.annotate(
        "net", nad.ROUTE, json.dumps({**filled(100), "connectivity": ""})
    ),
    "no annotation": lambda site: site.annotate("net", nad.ROUTE, None),
}


@pytest.mark.parametrize("with_harvester", [True, False], ids=["with Harvester", "alone"])
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
def test_what_was_cut_back_is_whole_within_seconds(cut: Edit, with_harvester: bool) -> None:
    """Whoever did it, and whether Harvester's controller runs or not."""
    site = SimulatedSite(with_harvester=with_harvester)
    make_well(site.fabric, 100)
    site.create("net", vlan=100)
    site.run(SETTLED_S)
    assert route_of(site.get("net")) == filled(100)
    cut(site)
    site.run(SECONDS)
    assert {key: value for key, value in route_of(site.get("net")).items() if value} == filled(100)
    # A Job that Harvester may have begun ends in seconds too, and leaves nothing to be done afterwards.
    site.run(SECONDS)
    quiet = len(site.store.writes.all())
    site.run(600)
    assert len(site.store.writes.all()) == quiet
    assert {key: value for key, value in route_of(site.get("net")).items() if value} == filled(100)


def test_a_manual_network_that_was_saved_keeps_what_its_owner_said() -> None:
    """connectivity comes back; cidr, gateway and server stay as they were saved."""
    site = SimulatedSite()
    make_well(site.fabric, 100)
    site.create("net", vlan=100, route=manual(100))
    site.run(SETTLED_S)
    site.fabric.attach((CLUSTER_NETWORK, 100), "10.0.100.9")
    site.fabric.route("10.0.100.9")
    site.ui.save(KEY, gateway="10.0.100.9", server="10.0.100.3")
    site.run(SECONDS)
    assert route_of(site.get("net")) == {
        "mode": "manual",
        "serverIPAddr": "10.0.100.3",
        "cidr": cidr_of(100),
        "gateway": "10.0.100.9",
        "connectivity": "true",
    }


def test_harvesters_controller_is_never_made_to_ping_longer_than_once() -> None:
    """While it pings, the verdict is the only thing that we write: it holds a worker once, and no more."""
    site = SimulatedSite()
    make_well(site.fabric, 100)
    site.create("net", vlan=100)
    site.run(SETTLED_S)
    for number in range(10):
        before = site.manager.counters.pings
        site.ui.save(KEY)
        site.run(60)
        assert site.manager.counters.pings - before <= 1, number
        assert site.manager.busy_workers == 0


def test_nothing_but_the_verdict_is_written_while_harvester_pings() -> None:
    """cidr and gateway without connectivity, nobody knows better yet: a write would start its ping anew."""
    site = SimulatedSite(hosts=())
    make_well(site.fabric, 100)
    site.create("net", vlan=100, route=json.dumps({**filled(100), "connectivity": ""}))
    site.annotate(
        "net", nad.STATUS, '{"state":"Active","reason":"GatewayAnswers","digest":"0000000000000000"}'
    )
    site.run(3.5)
    assert by_us(site.store.writes.all()) == []
    site.run(1)
    assert route_of(site.get("net"))["connectivity"] == "true"
    assert site.manager.counters.pings == 1


def test_another_vlan_clears_outdated_with_a_fresh_verdict() -> None:
    """Harvester's controller is down: its webhook sets outdated, our verdict takes it away."""
    site = SimulatedSite(with_harvester=False)
    make_well(site.fabric, 100, 101)
    site.create("net", vlan=100)
    site.run(SETTLED_S)
    site.ui.save(KEY, vlan=101)
    assert route_of(site.get("net"))["outdated"] is True
    site.run(SECONDS)
    assert {k: v for k, v in route_of(site.get("net")).items() if v} == filled(101)
    assert state_of(site.get("net")) == "Active"


def test_dhcp_that_failed_for_harvester_is_tried_again_by_us() -> None:
    """Its "DHCP failed" is sticky; ours goes as soon as a server answers."""
    site = SimulatedSite()
    site.create("net", vlan=100, route=AUTO)
    site.run(SETTLED_S)
    assert route_of(site.get("net")) == {"mode": "auto", "connectivity": "DHCP failed"}
    make_well(site.fabric, 100)
    site.run(SETTLED_S)
    assert route_of(site.get("net")) == filled(100)
    assert site.manager.counters.jobs == 1


@pytest.mark.parametrize(
    ("lease", "expected"),
    [
        (Lease.of("10.0.100.50/24"), {"mode": "auto", "connectivity": "DHCP failed"}),
        (Lease.of("10.0.100.50/24", "10.0.100.1", "10.0.100.2"), filled(100)),
    ],
    ids=["no router", "two routers"],
)
def test_what_harvesters_helper_makes_of_odd_offers_is_put_right(
    lease: Lease, expected: dict[str, object]
) -> None:
    """`<nil>` and `?0a00…` do not stand for long, and nobody fights over it."""
    site = SimulatedSite()
    make_well(site.fabric, 100)
    site.fabric.offer((CLUSTER_NETWORK, 100), lease)
    site.create("net", vlan=100, route=AUTO)
    site.run(SETTLED_S)
    assert route_of(site.get("net")) == expected
    quiet = len(site.store.writes.all())
    site.run(3_600)
    assert len(site.store.writes.all()) == quiet


def test_a_subnet_that_harvesters_helper_made_up_is_not_fought_over() -> None:
    """A router outside the offered subnet: nothing of it stays, and Harvester's pings are no dispute."""
    site = SimulatedSite()
    make_well(site.fabric, 100)
    site.fabric.offer((CLUSTER_NETWORK, 100), Lease.of("10.0.100.50/24", "10.77.0.1"))
    site.create("net", vlan=100, route=AUTO)
    site.run(SETTLED_S)
    assert route_of(site.get("net")) == {"mode": "auto", "connectivity": "DHCP failed"}
    assert state_of(site.get("net")) == "DHCPFailed"
    ours = len(by_us(site.store.writes.all()))
    site.run(1_000)
    quiet = len(site.store.writes.all())
    site.run(3_600)
    assert len(site.store.writes.all()) == quiet
    assert len(by_us(site.store.writes.all())) == ours
    assert route_of(site.get("net")) == {"mode": "auto", "connectivity": "false"}
    assert state_of(site.get("net")) == "DHCPFailed"
    make_well(site.fabric, 100)
    site.run(SETTLED_S)
    assert route_of(site.get("net")) == filled(100)


REFUSED_CONFIGS = [
    '{"type":"macvlan"}',
    "{}",
    "",
    '{"plugins":[{"type":"bridge","bridge":"extra-br","vlan":100}]}',
]


@pytest.mark.parametrize("config", REFUSED_CONFIGS)
def test_networks_that_refuse_every_update_are_left_alone(config: str) -> None:
    """Neither bridge nor kube-ovn: not one write is tried in an hour."""
    site = SimulatedSite()
    with site.admission.bypassed():
        site.create("net", vlan=100, route=AUTO)
        site.store.change(NADS, NAMESPACE, "net", lambda body: {**body, "spec": {"config": config}})
    site.run(3_600)
    assert by_us(site.store.writes.all()) == []


@pytest.mark.parametrize("route", ["{", '{"connectivity":true}', '{"mode":"auto","outdated":"true"}', "[1]"])
def test_a_broken_route_is_told_by_one_event(route: str) -> None:
    """The webhook lets nobody repair it in one step, so no write is tried; after the repair all is well."""
    site = SimulatedSite()
    make_well(site.fabric, 100)
    with site.admission.bypassed():
        site.create("net", vlan=100, route=route)
    site.run(3_600)
    assert by_us(site.store.writes.all()) == []
    (event,) = site.writer.events
    assert event[:2] == ("net", "Invalid")
    with pytest.raises(ApiError, match="denied the request"):
        site.annotate("net", nad.ROUTE, AUTO)
    site.annotate("net", nad.ROUTE, None)
    site.run(SECONDS)
    assert route_of(site.get("net")) == filled(100)


def test_a_missing_cluster_network_is_a_denial_that_is_told_once() -> None:
    """The write is refused for good: one Event, and less than two tries a minute, so that it is well soon."""
    site = SimulatedSite()
    make_well(site.fabric, 100)
    site.create("net", vlan=100)
    site.admission.cluster_networks = frozenset({"other"})
    site.run(3_600)
    ours = by_us(site.store.writes.all())
    assert {record.status for record in ours} == {500}
    assert 1 <= len(ours) <= 3_600 / 50 + 3
    assert [reason for _, reason, _ in site.writer.events] == ["WriteDenied"]
    site.admission.cluster_networks = None
    site.run(60)
    assert route_of(site.get("net")) == filled(100)


def test_a_network_that_is_going_is_not_written() -> None:
    """Harvester's manager is down, so its finalizer holds the deleted network, and patches would be taken."""
    site = SimulatedSite()
    make_well(site.fabric, 100)
    site.create("net", vlan=100)
    site.run(SETTLED_S)
    site.with_harvester = False
    site.store.delete(NADS, NAMESPACE, "net")
    before = len(by_us(site.store.writes.all()))
    site.annotate("net", nad.ROUTE, AUTO)
    site.fabric.route(gateway_of(100), answers=False)
    site.run(3_600)
    assert len(by_us(site.store.writes.all())) == before


def test_keys_of_others_in_the_route_survive_our_writes() -> None:
    """Unknown keys and other spellings stay where they were; mode and server are never touched."""
    site = SimulatedSite(with_harvester=False)
    make_well(site.fabric, 100)
    site.fabric.offer((CLUSTER_NETWORK, 100), lease_of(100))
    site.create("net", vlan=100, route='{"Mode":"auto","note":[1],"serverIPAddr":"10.0.100.1"}', mine="1")
    site.run(SETTLED_S)
    written = on_route(by_us(of_network(site.store.writes.all(), "net")))
    assert len(written) == 1
    assert trespasses(written[0]) == []
    assert route_of(site.get("net")) == {
        "Mode": "auto",
        "note": [1],
        "serverIPAddr": "10.0.100.1",
        "cidr": cidr_of(100),
        "gateway": gateway_of(100),
        "connectivity": "true",
    }
