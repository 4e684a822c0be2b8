"""Who checks a gateway: every host one that answers, one host at a time one that is silent to all."""

import itertools

import pytest

from services.watcher.plan.schedule import Schedule
from services.watcher.plan.triggers import Trigger
from tests.unit.watcher.builders import (
    ACTIVE,
    GATEWAY,
    KNOWN,
    MANUAL,
    RETRY_S,
    host,
    network,
    says,
    schedule,
    told,
)

HOSTS = ("n1", "n2", "n3")
SILENT = says("Unreachable", gateway=GATEWAY["gateway"])
PARTIAL = says("Partial", "GatewaySilentOnSomeHosts", gateway=GATEWAY["gateway"])


def over_time(due: Schedule, *, start: float, end: float) -> list[tuple[float, str]]:
    """All that is sent from start on and before end."""
    sent = list[tuple[float, str]]()
    now = start
    while now < end:
        sent += [(now, each) for each in told(due.due(now))]
        now = max(now, due.next_due())
    return sent


@pytest.mark.parametrize("state", ["Unreachable", "OffVlan"])
def test_a_silent_gateway_is_asked_by_one_host_at_a_time(state: str) -> None:
    """A manual network's: in rotation, at the retry interval, once all hosts have tried it."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6, route=MANUAL), 0.0)
    assert told(due.due(0.0)) == ["n1 6", "n2 6", "n3 6"]
    due.upsert(network(vlan=6, route=MANUAL, status=says(state, gateway=GATEWAY["gateway"])), 4.0)
    sent = over_time(due, start=4.0, end=190.0)
    assert [each for _, each in sent] == ["n1 6", "n2 6", "n3 6", "n1 6", "n2 6", "n3 6"]
    assert {b - a for (a, _), (b, _) in itertools.pairwise(sent)} == {RETRY_S}


def test_of_an_auto_network_it_is_whoever_asks_dhcp_that_asks_the_gateway() -> None:
    """So that still one host at a time does both."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6, route=KNOWN, status=SILENT), 0.0)
    sent = over_time(due, start=0.0, end=100.0)
    assert [each for _, each in sent] == ["n1 6 dhcp", "n2 6 dhcp", "n3 6 dhcp", "n1 6 dhcp"]
    assert [at for at, _ in sent] == [0.0, 30.0, 60.0, 90.0]


@pytest.mark.parametrize("status", [ACTIVE, PARTIAL, says("Isolated", "GatewayNotRouted")])
def test_when_it_answers_every_host_checks_at_once(status: str) -> None:
    """One host found it up: up is told at once, of all of them."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6, route=MANUAL), 0.0)
    due.due(0.0)
    due.upsert(network(vlan=6, route=MANUAL, status=SILENT), 4.0)
    assert told(due.due(34.0)) == ["n1 6"]
    assert due.upsert(network(vlan=6, route=MANUAL, status=status), 34.2) is Trigger.CONTRADICTION
    assert told(due.due(34.2)) == ["n1 6", "n2 6", "n3 6"]


def test_when_one_host_finds_it_silent_every_host_checks_at_once() -> None:
    """Whether it is down, or that host cut off, is known seconds later and not at the next sweep."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6, route=MANUAL, status=ACTIVE), 0.0)
    due.due(0.0)
    assert due.upsert(network(vlan=6, route=MANUAL, status=PARTIAL), 50.0) is Trigger.CONTRADICTION
    assert told(due.due(50.0)) == ["n1 6", "n2 6", "n3 6"]
    # Who it is exactly is no news: the retry interval holds.
    named = says("Partial", gateway=GATEWAY["gateway"], hosts={"n2": "GatewaySilentOnVlan"})
    assert due.upsert(network(vlan=6, route=MANUAL, status=named), 52.0) is Trigger.NOTHING
    assert due.next_due() == 80.0


def test_a_gateway_that_dhcp_names_is_tried_by_every_host_though_the_first_found_it_silent() -> None:
    """Silent to one is not silent to all; the status of the first comes with the gateway, in one write."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6), 0.0)
    assert told(due.due(0.0)) == ["n1 6 dhcp"]
    assert due.upsert(network(vlan=6, route=KNOWN, status=SILENT), 4.0) is Trigger.GATEWAY
    assert told(due.due(4.0)) == ["n2 6", "n3 6"]
    assert [each for _, each in over_time(due, start=5.0, end=60.0)] == ["n2 6 dhcp"]


def test_a_silent_gateway_takes_nothing_from_one_that_answers() -> None:
    """On the same segment: every host goes on with the other at the sweep, one of them asks both."""
    due = schedule(*HOSTS)
    other = MANUAL.replace("10.0.7.1", "10.0.7.2")
    due.upsert(network("good", vlan=6, route=MANUAL, status=ACTIVE), 0.0)
    due.upsert(network("bad", vlan=6, route=other, status=says("Unreachable", gateway="10.0.7.2")), 0.0)
    first = due.due(0.0)
    assert [(p.host, len(p.probe.targets)) for p in first] == [("n1", 2), ("n2", 1), ("n3", 1)]
    lone = [due.due(at) for at in (30.0, 60.0)]
    assert [[(p.host, len(p.probe.targets)) for p in probes] for probes in lone] == [[("n2", 2)], [("n3", 2)]]


def test_what_another_network_is_told_of_the_same_gateway_counts_too() -> None:
    """A new network with a gateway that is known to be silent does not make every host ask it."""
    due = schedule(*HOSTS)
    due.upsert(network("a", vlan=6, route=MANUAL, status=SILENT), 0.0)
    due.due(0.0)
    due.upsert(network("b", vlan=6, route=MANUAL), 10.0)
    assert told(due.due(10.0)) == ["n2 6"]


def test_a_gateway_that_one_network_is_told_to_hear_is_not_silent() -> None:
    """Two networks name it, and one is told late: every host checks."""
    due = schedule(*HOSTS)
    due.upsert(network("a", vlan=6, route=MANUAL, status=SILENT), 0.0)
    due.upsert(network("b", vlan=6, route=MANUAL, status=ACTIVE), 0.0)
    assert told(due.due(0.0)) == ["n1 6", "n2 6", "n3 6"]


@pytest.mark.parametrize(
    "status", [says("Unreachable", gateway="10.0.7.9"), says("Unreachable", digest="0" * 16)]
)
def test_silence_of_another_gateway_or_intent_says_nothing(status: str) -> None:
    """Every host checks the present one."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6, route=MANUAL, status=status), 0.0)
    assert told(due.due(0.0)) == ["n1 6", "n2 6", "n3 6"]


def test_the_host_whose_turn_it_is_goes_and_the_next_takes_over() -> None:
    """At once: its answer will never come."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6, route=MANUAL, status=SILENT), 0.0)
    assert told(due.due(0.0)) == ["n1 6"]
    due.set_hosts([host("n2"), host("n3")], 2.0)
    assert told(due.due(2.0)) == ["n2 6"]


def test_a_silent_gateway_is_not_asked_by_two_hosts_when_somebody_triggers_by_hand() -> None:
    """Within a check's time it is the same host's turn still."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6, route=MANUAL, status=SILENT), 0.0)
    assert told(due.due(0.0)) == ["n1 6"]
    due.upsert(network(vlan=6, route=MANUAL, status=SILENT, probe_now="1"), 2.0)
    assert told(due.due(2.0)) == ["n1 6"]


def test_nobody_asks_a_silent_gateway_and_dhcp_at_the_same_time_where_another_host_can() -> None:
    """With one host alone the check waits until it is done with DHCP."""
    for names, expected in ((("n1", "n2"), ["n1 6 dhcp", "n2 6"]), (("n1",), ["n1 6 dhcp"])):
        due = schedule(*names)
        due.upsert(network("auto", vlan=6), 0.0)
        due.upsert(network("bad", vlan=6, route=MANUAL, status=SILENT), 0.0)
        assert told(due.due(0.0)) == expected
    assert told(due.due(15.0)) == ["n1 6"]


def test_a_host_that_comes_back_tries_a_silent_gateway_once() -> None:
    """What it said before it went may be something else than all others say now."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6, route=MANUAL, status=SILENT), 0.0)
    assert told(due.due(0.0)) == ["n1 6"]
    due.set_hosts([host("n1"), host("n2"), host("n3", incarnation=2)], 10.0)
    assert told(due.due(10.0)) == ["n3 6"]
    assert [each for _, each in over_time(due, start=11.0, end=61.0)] == ["n2 6", "n3 6"]


def test_when_most_hosts_come_back_a_silent_gateway_is_not_asked_by_all_of_them() -> None:
    """As after Redis lost what was in it: they take turns."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6, route=MANUAL, status=SILENT), 0.0)
    due.due(0.0)
    due.set_hosts([host(name, incarnation=2) for name in HOSTS], 10.0)
    assert due.due(10.0) == []
    assert told(due.due(RETRY_S)) == ["n2 6"]


def test_only_what_fails_is_asked_sooner() -> None:
    """DHCP that is out makes nobody check the gateway more often; a host cut off makes nobody ask DHCP so."""
    for status, expected in (
        (says("Active", "GatewayAnswers", dhcpOut=True), {"n2 6 dhcp"}),
        (PARTIAL, {"n1 6", "n2 6", "n3 6"}),
        (says("Isolated", "GatewayNotRouted"), {"n1 6", "n2 6", "n3 6"}),
    ):
        due = schedule(*HOSTS)
        due.upsert(network(vlan=6, route=KNOWN, status=status), 0.0)
        assert told(due.due(0.0)) == ["n1 6 dhcp", "n2 6", "n3 6"]
        assert set(told(due.due(RETRY_S))) == expected
