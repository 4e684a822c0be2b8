"""What is due when: each rule of the schedule, on a clock that is a number."""

import itertools
import math
from ipaddress import IPv4Address

import pytest

from services.watcher.plan.triggers import Trigger
from tests.unit.watcher.builders import (
    ACTIVE,
    KNOWN,
    MANUAL,
    RETRY_S,
    SAVED,
    SWEEP_S,
    WINDOW_S,
    described,
    host,
    network,
    schedule,
)

A = network().uid


def test_one_host_asks_dhcp_for_a_new_network() -> None:
    """The others have no gateway to check yet."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8), 1.0)
    assert due.next_due() == 1.0
    assert described(due.due(1.0)) == ["n1 8 dhcp"]
    assert due.due(1.0) == []


def test_segments_begin_their_rotation_on_different_hosts() -> None:
    """Otherwise the first host would ask for all segments."""
    due = schedule("n1", "n2")
    for vlan in (7, 8):
        due.upsert(network(f"a{vlan}", vlan=vlan), 1.0)
    assert sorted(described(due.due(1.0))) == ["n1 8 dhcp", "n2 7 dhcp"]


def test_a_manual_network_is_checked_by_every_host() -> None:
    """The owner's gateway needs no DHCP."""
    due = schedule("n1", "n2")
    due.upsert(network(route=MANUAL), 1.0)
    assert described(due.due(1.0)) == ["n1 7", "n2 7"]


def test_a_new_gateway_is_checked_by_the_other_hosts() -> None:
    """The host that asked has checked it already."""
    due = schedule("n1", "n2", "n3")
    due.upsert(network(vlan=6), 1.0)
    assert described(due.due(1.0)) == ["n1 6 dhcp"]
    assert due.upsert(network(vlan=6, route=KNOWN, status=ACTIVE), 2.0) is Trigger.GATEWAY
    assert described(due.due(2.0)) == ["n2 6", "n3 6"]


def test_dhcp_rotates_over_the_hosts_once_a_sweep() -> None:
    """One host asks per sweep, the next one each time, and every host checks in every sweep."""
    due = schedule("n1", "n2", "n3")
    due.upsert(network(vlan=6, route=KNOWN, status=ACTIVE), 0.0)
    rounds = [described(due.due(SWEEP_S * number)) for number in range(4)]
    assert rounds == [
        ["n1 6 dhcp", "n2 6", "n3 6"],
        ["n1 6", "n2 6 dhcp", "n3 6"],
        ["n1 6", "n2 6", "n3 6 dhcp"],
        ["n1 6 dhcp", "n2 6", "n3 6"],
    ]
    assert due.due(SWEEP_S * 3.5) == []


@pytest.mark.parametrize(("jitter", "expected"), [(0.0, SWEEP_S * 0.9), (1.0, SWEEP_S * 1.1)])
def test_a_sweep_is_jittered_by_a_tenth(jitter: float, expected: float) -> None:
    """The interval is between 90 % and 110 % of the sweep interval."""
    due = schedule("n1", jitter=jitter)
    due.upsert(network(route=KNOWN, status=ACTIVE), 0.0)
    due.due(0.0)
    assert due.next_due() == math.ceil(expected)


@pytest.mark.parametrize(
    "status",
    [
        None,
        "junk",
        '{"state":"Unreachable","reason":"GatewaySilent"}',
        '{"state":"Active","reason":"GatewayAnswers","dhcpOut":true}',
        '{"state":"Active","reason":"GatewayAnswers","digest":"0000000000000000"}',
    ],
)
def test_a_failing_network_is_probed_sooner(status: str | None) -> None:
    """The retry interval applies where the status is not Active, missing, of another intent, or says that
    DHCP is out."""
    due = schedule("n1")
    due.upsert(network(route=KNOWN, status=status), 0.0)
    due.due(0.0)
    assert due.next_due() == RETRY_S
    assert described(due.due(RETRY_S)) == ["n1 7 dhcp"]


def test_a_network_that_begins_to_fail_is_probed_within_the_retry_interval() -> None:
    """It does not wait for its sweep."""
    due = schedule("n1")
    due.upsert(network(route=KNOWN, status=ACTIVE), 0.0)
    due.due(0.0)
    due.upsert(network(route=KNOWN, status='{"state":"Unreachable","reason":"GatewaySilent"}'), 10.0)
    assert due.next_due() == 10.0 + RETRY_S


def test_a_failing_network_is_asked_for_in_rotation() -> None:
    """At the retry interval, by the next host each time."""
    due = schedule("n1", "n2", "n3")
    due.upsert(network(vlan=6), 0.0)
    asked, now = list[tuple[float, str]](), 0.0
    while len(asked) < 4:
        asked += [(now, each) for each in described(due.due(now))]
        now = due.next_due()
    assert asked == [
        (0.0, "n1 6 dhcp"),
        (RETRY_S, "n2 6 dhcp"),
        (2 * RETRY_S, "n3 6 dhcp"),
        (3 * RETRY_S, "n1 6 dhcp"),
    ]


def test_after_an_offer_no_host_asks_before_the_sweep() -> None:
    """Once a gateway is known, the retry interval does not apply any more."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8), 0.0)
    due.due(0.0)
    due.upsert(network(vlan=8, route=KNOWN, status=ACTIVE), 1.0)
    assert described(due.due(1.0)) == ["n2 8"]
    assert [
        each for at in (WINDOW_S, 30.0, 60.0, 200.0) for each in described(due.due(at)) if "dhcp" in each
    ] == []


@pytest.mark.parametrize(
    ("before", "after", "trigger"),
    [
        (network(), network(route='{"mode":"auto","serverIPAddr":"10.0.7.5"}'), Trigger.EVERYTHING),
        (network(route=KNOWN), network(route=MANUAL), Trigger.EVERYTHING),
        (network(), network(vlan=8), Trigger.EVERYTHING),
        (network(), network(uid="u2"), Trigger.EVERYTHING),
        (network(route=KNOWN), network(route=SAVED), Trigger.EVERYTHING),
        (network(route=KNOWN), network(route='{"mode":"auto"}'), Trigger.EVERYTHING),
        (network(route=KNOWN), network(), Trigger.EVERYTHING),
        (network(), network(probe_now="1"), Trigger.PROBE_NOW),
        (network(probe_now="1"), network(probe_now="2"), Trigger.PROBE_NOW),
        (network(probe_now="1"), network(), Trigger.NOTHING),
        (network(), network(route='{"mode":"auto"}'), Trigger.NOTHING),
        (network(), network(route=KNOWN), Trigger.GATEWAY),
        (network(route=KNOWN), network(route=KNOWN.replace("10.0.7.1", "10.0.7.2")), Trigger.GATEWAY),
        (network(route=KNOWN), network(route=KNOWN.replace("true", "false")), Trigger.NOTHING),
        (network(route=KNOWN), network(route=KNOWN, status=ACTIVE), Trigger.NOTHING),
    ],
)
def test_what_a_change_makes_due(before: object, after: object, trigger: Trigger) -> None:
    """Each kind of edit has its trigger; our own writes have none."""
    due = schedule("n1")
    due.upsert(before, 0.0)  # type: ignore[arg-type]
    due.due(0.0)
    assert due.upsert(after, 10.0) is trigger  # type: ignore[arg-type]
    # The only host has just asked, so another gateway is no news to it.
    assert (due.next_due() == 10.0) == (trigger in (Trigger.EVERYTHING, Trigger.PROBE_NOW))


def test_a_burst_of_edits_is_coalesced() -> None:
    """The first edit is due at once, the following ones together 100 ms later."""
    due = schedule("n1")
    due.upsert(network(route=MANUAL), 0.0)
    due.due(0.0)
    times = []
    for step in range(200):
        now = 10.0 + step / 1000
        due.upsert(network(route=MANUAL.replace("10.0.7.1", f"10.0.7.{step + 2}")), now)
        if due.due(now):
            times.append(round(now - 10.0, 3))
    assert times == [0.0, 0.1]


def test_probe_now_is_rate_limited() -> None:
    """It is due at once and then every ten seconds at most, however often the annotation is written."""
    due = schedule("n1")
    due.upsert(network(route=MANUAL, status=ACTIVE), 0.0)
    due.due(0.0)
    times = []
    for step in range(250):
        now = 100.0 + step / 10
        due.upsert(network(route=MANUAL, status=ACTIVE, probe_now=str(step)), now)
        if due.due(now):
            times.append(now)
    assert times == [100.0, 110.0, 120.0]


def test_dhcp_is_asked_once_a_second_at_most() -> None:
    """Edits that each need DHCP do not make a host flood its server."""
    due = schedule("n1", "n2")
    asked = []
    for step in range(100):
        now = step / 10
        due.upsert(network(route=f'{{"mode":"auto","serverIPAddr":"10.0.7.{step + 1}"}}'), now)
        asked += [now for each in described(due.due(now)) if "dhcp" in each]
    assert len(asked) == 10
    assert min(b - a for a, b in itertools.pairwise(asked)) >= 1.0


def test_only_one_host_asks_at_a_time() -> None:
    """An edit during an ask is handled by the same host, which drops the old ask."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8), 0.0)
    assert described(due.due(0.0)) == ["n1 8 dhcp"]
    due.upsert(network(vlan=8, route='{"mode":"auto","serverIPAddr":"10.0.7.5"}'), 5.0)
    assert described(due.due(5.0)) == ["n1 8 dhcp"]


def test_a_new_host_is_due_on_all_its_segments() -> None:
    """It checks known gateways; a host of another cluster network gets nothing."""
    due = schedule("n1")
    due.upsert(network(route=KNOWN, status=ACTIVE), 0.0)
    due.due(0.0)
    due.set_hosts([host("n1"), host("n2"), host("n3", "other")], 5.0)
    assert described(due.due(5.0)) == ["n2 7"]
    due.set_hosts([host("n1"), host("n2"), host("n3", "other", "extra")], 6.0)
    assert described(due.due(6.0)) == ["n3 7"]


def test_a_restarted_host_is_due_again() -> None:
    """If it was asking DHCP, that ask is lost, and the next host asks."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8, route=KNOWN, status=ACTIVE), 0.0)
    assert described(due.due(0.0)) == ["n1 8 dhcp", "n2 8"]
    due.set_hosts([host("n1", incarnation=2), host("n2")], 5.0)
    assert described(due.due(5.0)) == ["n1 8", "n2 8 dhcp"]
    due.set_hosts([host("n1", incarnation=2), host("n2", incarnation=2)], 6.0)
    assert described(due.due(6.0)) == ["n1 8 dhcp", "n2 8"]


def test_a_host_that_goes_while_asking_is_replaced() -> None:
    """The next host asks; the one that went gets nothing any more."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8), 0.0)
    assert described(due.due(0.0)) == ["n1 8 dhcp"]
    due.set_hosts([host("n2")], 5.0)
    assert described(due.due(5.0)) == ["n2 8 dhcp"]


def test_without_hosts_nothing_is_due() -> None:
    """The first host that comes is asked at once."""
    due = schedule()
    due.upsert(network(), 0.0)
    assert (due.next_due(), due.due(1e9)) == (math.inf, [])
    due.set_hosts([host("n1")], 5.0)
    assert described(due.due(5.0)) == ["n1 7 dhcp"]


@pytest.mark.parametrize(
    "after",
    [
        network(deleting=True),
        network(route="not json"),
        network(vlan=0),
        network(vlan=5000),
    ],
)
def test_a_network_that_is_not_probed_is_forgotten(after: object) -> None:
    """Nothing is due for a network that is terminating, broken, untagged or invalid."""
    due = schedule("n1")
    due.upsert(network(), 0.0)
    due.due(0.0)
    due.upsert(after, 1.0)  # type: ignore[arg-type]
    assert due.due(1_000.0) == []
    assert due.next_due() == math.inf
    assert dict(due.size) == {"networks": 0, "segments": 0, "hosts": 1}


def test_a_segment_that_comes_back_is_not_confused_with_its_predecessor() -> None:
    """Both may have the very same due time."""
    due = schedule("n1")
    due.upsert(network(route=MANUAL, status=ACTIVE), 0.0)
    due.due(0.0)
    due.delete(A, 1.0)
    assert due.due(1.0) == []
    due.upsert(network(route=MANUAL, status=ACTIVE), SWEEP_S)
    assert described(due.due(SWEEP_S)) == ["n1 7"]
    assert described(due.due(2 * SWEEP_S)) == ["n1 7"]


def test_large_numbers_are_due_in_portions() -> None:
    """The longest due come first, and next_due shows that there are more."""
    due = schedule("n1")
    for vlan in range(1, 101):
        due.upsert(network(f"a{vlan}", vlan=vlan, route=MANUAL), float(vlan))
    assert described(due.due(100.0, limit=40)) == [f"n1 {vlan}" for vlan in range(1, 41)]
    assert due.next_due() <= 100.0
    assert len(due.due(100.0, limit=1_000)) == 60


def test_networks_on_one_segment_share_a_probe() -> None:
    """Two with the same intent are one target; a third with its own gateway is a second one."""
    due = schedule("n1")
    due.upsert(network("a"), 0.0)
    due.upsert(network("b"), 0.0)
    due.upsert(network("c", route=MANUAL), 0.0)
    (found,) = due.due(0.0)
    assert (found.probe.ask_dhcp, len(found.probe.targets)) == (True, 2)
    due.delete(A, 1.0)
    due.delete(network("b").uid, 1.0)
    (found,) = due.due(SWEEP_S)
    assert (found.probe.ask_dhcp, len(found.probe.targets)) == (False, 1)


def test_more_targets_than_a_probe_holds_rotate() -> None:
    """A tenant with 150 gateways on one VLAN gets each of them probed, and breaks nothing."""
    due = schedule("n1")
    for number in range(150):
        route = MANUAL.replace("10.0.7.1", f"10.0.7.{number + 1}")
        due.upsert(network(f"a{number}", route=route, status=ACTIVE), 0.0)
    due.upsert(network("auto", status=ACTIVE), 0.0)
    seen, now = set[str](), 0.0
    while now < SWEEP_S * 2:
        for probe in due.due(now):
            assert len(probe.probe.targets) <= 64
            seen |= {str(target.gateway) for target in probe.probe.targets}
        now = due.next_due()
    assert {f"10.0.7.{number + 1}" for number in range(150)} <= seen


def test_unsent_probes_are_due_again() -> None:
    """They are due at the time they were put back to, including DHCP."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8, route=KNOWN, status=ACTIVE), 0.0)
    lost = due.due(0.0)
    due.put_back(lost, 2.5)
    assert due.next_due() == 2.5
    assert described(due.due(2.5)) == described(lost)


def test_unsent_probes_are_dropped_with_their_host_or_segment() -> None:
    """Nothing is sent to what is gone meanwhile."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8, route=MANUAL, status=ACTIVE), 0.0)
    lost = due.due(0.0)
    due.set_hosts([host("n2")], 1.0)
    due.put_back(lost, 2.0)
    assert described(due.due(2.0)) == ["n2 8"]
    due.delete(A, 1.0)
    due.put_back(lost, 3.0)
    assert due.due(1_000.0) == []


def test_make_all_due_makes_everything_due() -> None:
    """A new leader does not know what the last one had outstanding."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8, route=KNOWN, status=ACTIVE), 0.0)
    due.due(0.0)
    due.make_all_due(20.0)
    assert len(due.due(20.0)) == 2


def test_a_gateway_that_is_a_hosts_own_address_is_not_probed() -> None:
    """Once it is believed, also for a network known before; it ends when the host is gone."""
    due = schedule("n1")
    due.upsert(network(route=MANUAL), 0.0)
    assert described(due.due(0.0)) == ["n1 7"]
    own = IPv4Address("10.0.7.1")
    claiming = [host("n1"), host("n2").model_copy(update={"addresses": (own,)})]
    due.set_hosts(claiming, 1.0)
    assert described(due.due(100.0)) == ["n1 7", "n2 7"]
    for at in range(10, 140, 10):
        due.set_hosts(claiming, float(at))
    assert due.due(1_000.0) == []
    due.set_hosts([host("n1")], 1_001.0)
    assert described(due.due(1_001.0)) == ["n1 7"]
    due.set_hosts([host("n1").model_copy(update={"addresses": (own,)})], 1_002.0)
    due.delete(A, 1_003.0)
    due.set_hosts([host("n1")], 1_004.0)
    assert due.due(2_000.0) == []


def test_a_successor_does_not_wait_for_what_its_predecessor_did() -> None:
    """K9: the rate limit of the probe-now annotation is a network's own, not its name's."""
    due = schedule("n1")
    first = network(route=MANUAL, status=ACTIVE)
    due.upsert(first, 0.0)
    for number in range(3):
        due.upsert(network(route=MANUAL, status=ACTIVE, probe_now=str(number)), 20.0)
    due.due(20.0)
    due.delete(first.uid, 21.0)
    due.upsert(network(route=MANUAL, status=ACTIVE, uid="new"), 21.0)
    due.due(21.0)
    due.upsert(network(route=MANUAL, status=ACTIVE, uid="new", probe_now="now"), 22.0)
    assert described(due.due(22.0)) == ["n1 7"]
