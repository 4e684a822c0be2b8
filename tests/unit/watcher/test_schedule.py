"""When what is due: each rule by itself, on a clock that is a number."""

import itertools
import math
from ipaddress import IPv4Address

import pytest

from services.network.parse.nad import NetworkRef
from services.watcher.plan.triggers import Trigger
from tests.unit.watcher.builders import (
    ACTIVE,
    KNOWN,
    MANUAL,
    RETRY_S,
    SAVED,
    SWEEP_S,
    WINDOW_S,
    host,
    network,
    schedule,
    told,
)

A = NetworkRef("default", "a")


def test_a_new_network_is_asked_for_by_one_host() -> None:
    """DHCP at once from one; the others have no gateway to check yet."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8), 1.0)
    assert due.next_due() == 1.0
    assert told(due.due(1.0)) == ["n1 8 dhcp"]
    assert due.due(1.0) == []


def test_segments_begin_their_rotation_on_different_hosts() -> None:
    """Otherwise the first host would ask for all."""
    due = schedule("n1", "n2")
    for vlan in (7, 8):
        due.upsert(network(f"a{vlan}", vlan=vlan), 1.0)
    assert sorted(told(due.due(1.0))) == ["n1 8 dhcp", "n2 7 dhcp"]


def test_a_manual_network_is_checked_by_every_host() -> None:
    """The owner's gateway needs no DHCP."""
    due = schedule("n1", "n2")
    due.upsert(network(route=MANUAL), 1.0)
    assert told(due.due(1.0)) == ["n1 7", "n2 7"]


def test_a_gateway_that_becomes_known_is_checked_by_the_others() -> None:
    """Whoever asked heard it from DHCP and has checked it."""
    due = schedule("n1", "n2", "n3")
    due.upsert(network(vlan=6), 1.0)
    assert told(due.due(1.0)) == ["n1 6 dhcp"]
    assert due.upsert(network(vlan=6, route=KNOWN, status=ACTIVE), 2.0) is Trigger.GATEWAY
    assert told(due.due(2.0)) == ["n2 6", "n3 6"]


def test_dhcp_goes_round_the_hosts_once_a_sweep() -> None:
    """One ask a sweep, each time from the next host, and every host checks in every sweep."""
    due = schedule("n1", "n2", "n3")
    due.upsert(network(vlan=6, route=KNOWN, status=ACTIVE), 0.0)
    rounds = [told(due.due(SWEEP_S * number)) for number in range(4)]
    assert rounds == [
        ["n1 6 dhcp", "n2 6", "n3 6"],
        ["n1 6", "n2 6 dhcp", "n3 6"],
        ["n1 6", "n2 6", "n3 6 dhcp"],
        ["n1 6 dhcp", "n2 6", "n3 6"],
    ]
    assert due.due(SWEEP_S * 3.5) == []


@pytest.mark.parametrize(("jitter", "expected"), [(0.0, SWEEP_S * 0.9), (1.0, SWEEP_S * 1.1)])
def test_a_sweep_is_jittered_by_a_tenth(jitter: float, expected: float) -> None:
    """Not sooner than nine tenths of the interval, not later than eleven."""
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
    """Not Active, nothing said, DHCP out, or said of another intent: the retry interval holds."""
    due = schedule("n1")
    due.upsert(network(route=KNOWN, status=status), 0.0)
    due.due(0.0)
    assert due.next_due() == RETRY_S
    assert told(due.due(RETRY_S)) == ["n1 7 dhcp"]


def test_a_network_that_begins_to_fail_is_not_left_to_its_sweep() -> None:
    """Active, and then not: the next probe comes within the retry interval."""
    due = schedule("n1")
    due.upsert(network(route=KNOWN, status=ACTIVE), 0.0)
    due.due(0.0)
    due.upsert(network(route=KNOWN, status='{"state":"Unreachable","reason":"GatewaySilent"}'), 10.0)
    assert due.next_due() == 10.0 + RETRY_S


def test_the_absence_of_an_offer_is_confirmed_by_two_others() -> None:
    """As soon as one host has given up the next one asks; after three, at the retry interval."""
    due = schedule("n1", "n2", "n3", "n4")
    due.upsert(network(vlan=8), 0.0)
    asked, now = list[tuple[float, str]](), 0.0
    while len(asked) < 4:
        asked += [(now, each) for each in told(due.due(now))]
        now = due.next_due()
    assert asked == [
        (0.0, "n1 8 dhcp"),
        (WINDOW_S, "n2 8 dhcp"),
        (2 * WINDOW_S, "n3 8 dhcp"),
        (2 * WINDOW_S + RETRY_S, "n4 8 dhcp"),
    ]


def test_an_offer_ends_the_confirming() -> None:
    """Once a gateway is known nobody asks until the sweep."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8), 0.0)
    due.due(0.0)
    due.upsert(network(vlan=8, route=KNOWN, status=ACTIVE), 1.0)
    assert told(due.due(1.0)) == ["n2 8"]
    assert [
        each for at in (WINDOW_S, 30.0, 60.0, 200.0) for each in told(due.due(at)) if "dhcp" in each
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
        (network(), network(probe_now="1"), Trigger.MANUAL),
        (network(probe_now="1"), network(probe_now="2"), Trigger.MANUAL),
        (network(probe_now="1"), network(), Trigger.NOTHING),
        (network(), network(route='{"mode":"auto"}'), Trigger.NOTHING),
        (network(), network(route=KNOWN), Trigger.GATEWAY),
        (network(route=KNOWN), network(route=KNOWN.replace("10.0.7.1", "10.0.7.2")), Trigger.GATEWAY),
        (network(route=KNOWN), network(route=KNOWN.replace("true", "false")), Trigger.NOTHING),
        (network(route=KNOWN), network(route=KNOWN, status=ACTIVE), Trigger.NOTHING),
    ],
)
def test_what_a_change_makes_due(before: object, after: object, trigger: Trigger) -> None:
    """Each kind of edit, and each write of our own, which is no reason to probe."""
    due = schedule("n1")
    due.upsert(before, 0.0)  # type: ignore[arg-type]
    due.due(0.0)
    assert due.upsert(after, 10.0) is trigger  # type: ignore[arg-type]
    # The only host is the one that asked just now, so another gateway is nothing new to it.
    assert (due.next_due() == 10.0) == (trigger in (Trigger.EVERYTHING, Trigger.MANUAL))


def test_a_burst_of_edits_is_coalesced() -> None:
    """The first at once, all that follow within 100 ms together at its end."""
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


def test_a_trigger_by_hand_is_limited() -> None:
    """At once, and then ten seconds later at the soonest, however often the annotation is written."""
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


def test_dhcp_is_not_asked_twice_a_second() -> None:
    """Edits that each want DHCP do not make a host flood its server."""
    due = schedule("n1", "n2")
    asked = []
    for step in range(100):
        now = step / 10
        due.upsert(network(route=f'{{"mode":"auto","serverIPAddr":"10.0.7.{step + 1}"}}'), now)
        asked += [now for each in told(due.due(now)) if "dhcp" in each]
    assert len(asked) == 10
    assert min(b - a for a, b in itertools.pairwise(asked)) >= 1.0


def test_while_one_asks_no_other_does() -> None:
    """An edit within the window of an ask is asked by the same host, which drops the old one."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8), 0.0)
    assert told(due.due(0.0)) == ["n1 8 dhcp"]
    due.upsert(network(vlan=8, route='{"mode":"auto","serverIPAddr":"10.0.7.5"}'), 5.0)
    assert told(due.due(5.0)) == ["n1 8 dhcp"]


def test_a_host_that_is_new_is_due_on_all_its_segments() -> None:
    """It checks what is known; a host that carries another cluster network is left alone."""
    due = schedule("n1")
    due.upsert(network(route=KNOWN, status=ACTIVE), 0.0)
    due.due(0.0)
    due.set_hosts([host("n1"), host("n2"), host("n3", "other")], 5.0)
    assert told(due.due(5.0)) == ["n2 7"]
    due.set_hosts([host("n1"), host("n2"), host("n3", "other", "extra")], 6.0)
    assert told(due.due(6.0)) == ["n3 7"]


def test_a_host_that_restarts_is_due_again() -> None:
    """And if it was asking DHCP, that ask is lost and made again."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8, route=KNOWN, status=ACTIVE), 0.0)
    assert told(due.due(0.0)) == ["n1 8 dhcp", "n2 8"]
    due.set_hosts([host("n1", incarnation=2), host("n2")], 5.0)
    assert told(due.due(5.0)) == ["n1 8 dhcp"]
    due.set_hosts([host("n1", incarnation=2), host("n2", incarnation=2)], 6.0)
    assert told(due.due(6.0)) == ["n2 8"]


def test_a_host_that_goes_while_it_asks_is_relieved() -> None:
    """The next one asks; the one that went is asked nothing any more."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8), 0.0)
    assert told(due.due(0.0)) == ["n1 8 dhcp"]
    due.set_hosts([host("n2")], 5.0)
    assert told(due.due(5.0)) == ["n2 8 dhcp"]


def test_without_hosts_nothing_is_due() -> None:
    """And the first one is asked at once when it comes."""
    due = schedule()
    due.upsert(network(), 0.0)
    assert (due.next_due(), due.due(1e9)) == (math.inf, [])
    due.set_hosts([host("n1")], 5.0)
    assert told(due.due(5.0)) == ["n1 7 dhcp"]


@pytest.mark.parametrize(
    "after",
    [
        network(deleting=True),
        network(route="not json"),
        network(vlan=0),
        network(vlan=5000),
    ],
)
def test_a_network_that_is_left_alone_is_forgotten(after: object) -> None:
    """Terminating, broken, untagged, invalid: nothing is due for it any more."""
    due = schedule("n1")
    due.upsert(network(), 0.0)
    due.due(0.0)
    due.upsert(after, 1.0)  # type: ignore[arg-type]
    assert due.due(1_000.0) == []
    assert due.next_due() == math.inf
    assert dict(due.size) == {"networks": 0, "segments": 0, "hosts": 1}


def test_a_segment_that_comes_back_is_not_taken_for_the_one_that_left() -> None:
    """Its due time may be the very one that its predecessor had."""
    due = schedule("n1")
    due.upsert(network(route=MANUAL, status=ACTIVE), 0.0)
    due.due(0.0)
    due.delete(A, 1.0)
    assert due.due(1.0) == []
    due.upsert(network(route=MANUAL, status=ACTIVE), SWEEP_S)
    assert told(due.due(SWEEP_S)) == ["n1 7"]
    assert told(due.due(2 * SWEEP_S)) == ["n1 7"]


def test_a_great_many_are_due_in_portions() -> None:
    """The longest due first, and next_due says that there is more."""
    due = schedule("n1")
    for vlan in range(1, 101):
        due.upsert(network(f"a{vlan}", vlan=vlan, route=MANUAL), float(vlan))
    assert told(due.due(100.0, limit=40)) == [f"n1 {vlan}" for vlan in range(1, 41)]
    assert due.next_due() <= 100.0
    assert len(due.due(100.0, limit=1_000)) == 60


def test_networks_that_share_a_segment_are_one_probe() -> None:
    """Two that ask the same are one target, a third one with its own gateway a second."""
    due = schedule("n1")
    due.upsert(network("a"), 0.0)
    due.upsert(network("b"), 0.0)
    due.upsert(network("c", route=MANUAL), 0.0)
    (found,) = due.due(0.0)
    assert (found.probe.ask_dhcp, len(found.probe.targets)) == (True, 2)
    due.delete(A, 1.0)
    due.delete(NetworkRef("default", "b"), 1.0)
    (found,) = due.due(SWEEP_S)
    assert (found.probe.ask_dhcp, len(found.probe.targets)) == (False, 1)


def test_more_targets_than_a_probe_holds_take_turns() -> None:
    """A tenant who names 150 gateways on one VLAN gets each of them probed, and breaks nothing."""
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


def test_what_was_not_sent_is_due_again() -> None:
    """At the time it was put back to, with its DHCP ask."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8, route=KNOWN, status=ACTIVE), 0.0)
    lost = due.due(0.0)
    due.put_back(lost, 2.5)
    assert due.next_due() == 2.5
    assert told(due.due(2.5)) == told(lost)


def test_what_was_not_sent_is_dropped_with_its_host_or_segment() -> None:
    """Nothing is sent to who went meanwhile."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8, route=MANUAL, status=ACTIVE), 0.0)
    lost = due.due(0.0)
    due.set_hosts([host("n2")], 1.0)
    due.put_back(lost, 2.0)
    assert told(due.due(2.0)) == ["n2 8"]
    due.delete(A, 1.0)
    due.put_back(lost, 3.0)
    assert due.due(1_000.0) == []


def test_who_comes_to_lead_makes_everything_due() -> None:
    """What the last leader had in hand is unknown."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8, route=KNOWN, status=ACTIVE), 0.0)
    due.due(0.0)
    due.hasten_all(20.0)
    assert len(due.due(20.0)) == 2


def test_a_gateway_that_turns_out_to_be_a_hosts_own_address_is_left_alone() -> None:
    """Also when the network was known before the host; and probed again when the host is gone."""
    due = schedule("n1")
    due.upsert(network(route=MANUAL), 0.0)
    assert told(due.due(0.0)) == ["n1 7"]
    own = IPv4Address("10.0.7.1")
    due.set_hosts([host("n1"), host("n2").model_copy(update={"addresses": (own,)})], 1.0)
    assert due.due(1_000.0) == []
    due.set_hosts([host("n1")], 1_001.0)
    assert told(due.due(1_001.0)) == ["n1 7"]
    due.set_hosts([host("n1").model_copy(update={"addresses": (own,)})], 1_002.0)
    due.delete(A, 1_003.0)
    due.set_hosts([host("n1")], 1_004.0)
    assert due.due(2_000.0) == []
