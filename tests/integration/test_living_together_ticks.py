"""Beside Harvester's controller, hour after hour: agreement, and no war where there is none.

In simulated time; see tests/support/simulated_site.py for what is real.
"""

import pytest

from lab.harvester import Pace
from lab.kube.writes import WriteRecord
from services.contract.outcomes import Reason
from services.updater.memory.memories import CORRECTIONS_COUNT_S
from tests.support.shared_networks import (
    AUTO,
    CLUSTER_NETWORK,
    filled,
    gateway_of,
    make_well,
    manual,
    route_of,
    state_of,
    status_of,
)
from tests.support.simulated_site import SimulatedSite
from tests.support.write_history import by_others, by_us, of_network, on_route

HOUR_S = 3_600.0
SETTLED_S = 300.0


def writes_since(site: SimulatedSite, at: float) -> list[WriteRecord]:
    return [record for record in site.store.writes.all() if record.at > at]


@pytest.mark.parametrize("active_when", ["routed", "vlan"])
def test_where_both_mean_the_same_nobody_writes(active_when: str) -> None:
    """Ninety-six ticks in a day, good networks and dead ones: after the first minutes not one write."""
    site = SimulatedSite(active_when=active_when)
    make_well(site.fabric, 100, 101, 102, 105, 106)
    site.create("bare", vlan=100)
    site.create("auto", vlan=101, route=AUTO)
    site.create("manual", vlan=102, route=manual(102))
    site.create("dead", vlan=103, route=manual(103))
    site.create("no-dhcp", vlan=104, route=AUTO)
    expected = {"bare": "true", "auto": "true", "manual": "true", "dead": "false", "no-dhcp": "DHCP failed"}
    if active_when == "routed":
        # Here the other meaning would be another word.
        site.fabric.route(gateway_of(105), answers=False)
        site.fabric.attach((CLUSTER_NETWORK, 106), gateway_of(106), answers=False)
        site.create("isolated", vlan=105, route=AUTO)
        site.create("off-vlan", vlan=106, route=AUTO)
        expected |= {"isolated": "false", "off-vlan": "true"}
    site.run(SETTLED_S)
    assert {name: route_of(site.get(name)).get("connectivity") for name in expected} == expected
    site.run(24 * HOUR_S)
    assert site.manager.counters.ticks >= 96
    assert by_us(writes_since(site, SETTLED_S)) == []
    assert by_others(writes_since(site, SETTLED_S)) == []


def test_false_results_of_a_crowded_tick_are_corrected_once_each() -> None:
    """As many corrections as false results, each within seconds; every tick finds "true" standing again."""
    site = SimulatedSite(pace=Pace(crowd=40, crowd_loss=0.3), seed=5)
    vlans = range(200, 250)
    make_well(site.fabric, *vlans)
    for vlan in vlans:
        site.create(f"net-{vlan}", vlan=vlan, route=AUTO)
    site.run(SETTLED_S)
    site.run(1.5 * HOUR_S)
    wrong = by_others(writes_since(site, SETTLED_S))
    ours = by_us(writes_since(site, SETTLED_S))
    corrections = on_route(ours)
    assert len(wrong) == site.manager.counters.lost_replies > 50
    assert len(corrections) == len(wrong)
    # What else is written is the end of a disagreement, an hour after it, in our own annotation.
    assert len(ours) - len(corrections) <= len(vlans)
    delays: list[float] = []
    for vlan in vlans:
        name = f"net-{vlan}"
        theirs, mine = of_network(wrong, name), of_network(corrections, name)
        delays += [after.at - before.at for before, after in zip(theirs, mine, strict=True)]
        assert route_of(site.get(name)) == filled(vlan)
    assert min(delays) >= 0
    assert max(delays) < 5


def test_who_disagrees_is_told_once_and_in_the_status() -> None:
    """One Event with the finding's code however many corrections follow; the status names the value."""
    site = SimulatedSite(pace=Pace(crowd=1, crowd_loss=1.0))
    make_well(site.fabric, 100)
    site.create("net", vlan=100, route=AUTO)
    site.run(SETTLED_S + HOUR_S)
    told = [message for _, reason, message in site.writer.events if reason == Reason.OTHER_WRITER]
    assert len(told) == 1
    assert "false" in told[0]
    status = status_of(site.get("net"))
    assert status is not None
    assert "connectivity" in status.findings[Reason.OTHER_WRITER]
    assert status.state == "Active"


def quarrel(*, tick_s: float, hours: float) -> SimulatedSite:
    """active_when=vlan, and a gateway that is routed, but silent on the VLAN: the two must disagree."""
    site = SimulatedSite(active_when="vlan", pace=Pace(tick_s=tick_s))
    make_well(site.fabric, 100)
    site.fabric.attach((CLUSTER_NETWORK, 100), gateway_of(100), answers=False)
    site.create("net", vlan=100, route=manual(100))
    site.run(hours * HOUR_S)
    return site


def test_with_active_when_vlan_each_foreign_write_is_corrected_once() -> None:
    """At Harvester's own pace, four ticks an hour: "false" stands again at once, by one write each."""
    site = quarrel(tick_s=900.0, hours=6)
    records = site.store.writes.all()
    theirs = by_others(records)
    made = corrections(records)
    assert 20 <= len(theirs) == len(made)
    delays = [after.at - before.at for before, after in zip(theirs, made, strict=True)]
    assert min(delays) >= 0
    assert max(delays) < 5
    assert len(by_us(records)) == 1 + len(theirs)
    assert_never_more_than(4, made, within_s=HOUR_S)
    assert state_of(site.get("net")) == "OffVlan"


def test_with_active_when_vlan_there_are_four_corrections_an_hour() -> None:
    """Against a writer that comes every minute: four, then what it says is left, and that is told."""
    site = quarrel(tick_s=60.0, hours=6.5)
    records = site.store.writes.all()
    made = corrections(records)
    assert_never_more_than(4, made, within_s=CORRECTIONS_COUNT_S)
    assert 24 <= len(made) <= 28
    assert len(by_us(records)) == 1 + len(made)
    status = status_of(site.get("net"))
    assert status is not None
    assert "4 times" in status.findings[Reason.OTHER_WRITER]


def corrections(records: list[WriteRecord]) -> list[WriteRecord]:
    """Our writes of the route, without the first verdict: each takes back what somebody else wrote."""
    return on_route(by_us(of_network(records, "net")))[1:]


def assert_never_more_than(limit: int, records: list[WriteRecord], *, within_s: float) -> None:
    """In no window of that length."""
    for record in records:
        window = [other for other in records if record.at <= other.at < record.at + within_s - 1]
        assert len(window) <= limit
