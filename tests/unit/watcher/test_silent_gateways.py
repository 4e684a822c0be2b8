"""Every host checks a gateway that answers; one host at a time probes a gateway that is silent to all."""

import itertools

import pytest

from services.watcher.plan.triggers import Trigger
from tests.unit.watcher.builders import (
    ACTIVE,
    GATEWAY,
    KNOWN,
    MANUAL,
    RETRY_S,
    described,
    host,
    network,
    over_time,
    schedule,
    status_of,
)

HOSTS = ("n1", "n2", "n3")
SILENT = status_of("Unreachable", gateway=GATEWAY["gateway"])
PARTIAL = status_of("Partial", "GatewaySilentOnSomeHosts", gateway=GATEWAY["gateway"])


@pytest.mark.parametrize("state", ["Unreachable", "OffVlan"])
def test_a_silent_gateway_is_probed_by_one_host_at_a_time(state: str) -> None:
    """A manual network's gateway is probed in rotation at the retry interval, once all hosts have tried
    it."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6, route=MANUAL), 0.0)
    assert described(due.due(0.0)) == ["n1 6", "n2 6", "n3 6"]
    due.upsert(network(vlan=6, route=MANUAL, status=status_of(state, gateway=GATEWAY["gateway"])), 4.0)
    sent = over_time(due, start=4.0, end=190.0)
    assert [each for _, each in sent] == ["n2 6", "n3 6", "n1 6", "n2 6", "n3 6", "n1 6"]
    assert {b - a for (a, _), (b, _) in itertools.pairwise(sent)} == {RETRY_S}


def test_the_host_that_asks_dhcp_probes_an_auto_networks_silent_gateway() -> None:
    """So one host at a time does both."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6, route=KNOWN, status=SILENT), 0.0)
    sent = over_time(due, start=0.0, end=100.0)
    assert [each for _, each in sent] == ["n1 6 dhcp", "n2 6 dhcp", "n3 6 dhcp", "n1 6 dhcp"]
    assert [at for at, _ in sent] == [0.0, 30.0, 60.0, 90.0]


@pytest.mark.parametrize("status", [ACTIVE, PARTIAL, status_of("Isolated", "GatewayNotRouted")])
def test_every_host_checks_a_gateway_that_answers_again(status: str) -> None:
    """One host found it up, and up is reported at once for all hosts."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6, route=MANUAL), 0.0)
    due.due(0.0)
    due.upsert(network(vlan=6, route=MANUAL, status=SILENT), 4.0)
    assert described(due.due(34.0)) == ["n2 6"]
    assert due.upsert(network(vlan=6, route=MANUAL, status=status), 34.2) is Trigger.CONTRADICTION
    assert described(due.due(34.2)) == ["n1 6", "n2 6", "n3 6"]


def test_every_host_checks_a_gateway_that_one_host_finds_silent() -> None:
    """Whether it is down or that host is cut off is known in seconds, not at the next sweep."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6, route=MANUAL, status=ACTIVE), 0.0)
    due.due(0.0)
    assert due.upsert(network(vlan=6, route=MANUAL, status=PARTIAL), 50.0) is Trigger.CONTRADICTION
    assert described(due.due(50.0)) == ["n1 6", "n2 6", "n3 6"]
    # Which host it is makes no difference: the retry interval applies.
    named = status_of("Partial", gateway=GATEWAY["gateway"], hosts={"n2": "GatewaySilentOnVlan"})
    assert due.upsert(network(vlan=6, route=MANUAL, status=named), 52.0) is Trigger.NOTHING
    assert due.next_due() == 80.0


def test_every_host_checks_a_new_gateway_that_the_first_found_silent() -> None:
    """Silent to one host is not silent to all. Gateway and first result are one write."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6), 0.0)
    assert described(due.due(0.0)) == ["n1 6 dhcp"]
    assert due.upsert(network(vlan=6, route=KNOWN, status=SILENT), 4.0) is Trigger.GATEWAY
    assert described(due.due(4.0)) == ["n2 6", "n3 6"]
    assert [each for _, each in over_time(due, start=5.0, end=60.0)] == ["n2 6 dhcp"]


def test_a_silent_gateway_does_not_affect_another_that_answers() -> None:
    """On one segment every host keeps sweeping the one that answers; one host at a time probes both."""
    due = schedule(*HOSTS)
    other = MANUAL.replace("10.0.7.1", "10.0.7.2")
    due.upsert(network("good", vlan=6, route=MANUAL, status=ACTIVE), 0.0)
    due.upsert(network("bad", vlan=6, route=other, status=status_of("Unreachable", gateway="10.0.7.2")), 0.0)
    first = due.due(0.0)
    assert [(p.host, len(p.probe.targets)) for p in first] == [("n1", 1), ("n2", 2), ("n3", 1)]
    exclusive = [due.due(at) for at in (30.0, 60.0)]
    assert [[(p.host, len(p.probe.targets)) for p in probes] for probes in exclusive] == [
        [("n3", 2)],
        [("n1", 2)],
    ]


def test_the_status_of_another_network_with_the_same_gateway_counts() -> None:
    """A new network with a known silent gateway does not make every host probe it."""
    due = schedule(*HOSTS)
    due.upsert(network("a", vlan=6, route=MANUAL, status=SILENT), 0.0)
    due.due(0.0)
    due.upsert(network("b", vlan=6, route=MANUAL), 10.0)
    assert described(due.due(10.0)) == ["n3 6"]


def test_a_gateway_that_answers_by_one_networks_status_is_not_silent() -> None:
    """Two networks name it and one status is late: every host checks."""
    due = schedule(*HOSTS)
    due.upsert(network("a", vlan=6, route=MANUAL, status=SILENT), 0.0)
    due.upsert(network("b", vlan=6, route=MANUAL, status=ACTIVE), 0.0)
    assert described(due.due(0.0)) == ["n1 6", "n2 6", "n3 6"]


@pytest.mark.parametrize(
    "status", [status_of("Unreachable", gateway="10.0.7.9"), status_of("Unreachable", digest="0" * 16)]
)
def test_silence_of_another_gateway_or_intent_does_not_count(status: str) -> None:
    """Every host checks the present gateway."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6, route=MANUAL, status=status), 0.0)
    assert described(due.due(0.0)) == ["n1 6", "n2 6", "n3 6"]


def test_the_next_host_takes_over_from_one_that_goes() -> None:
    """It does so at once, since the answer will never come."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6, route=MANUAL, status=SILENT), 0.0)
    assert described(due.due(0.0)) == ["n2 6"]
    due.set_hosts([host("n1"), host("n3")], 2.0)
    assert described(due.due(2.0)) == ["n3 6"]


def test_probe_now_does_not_make_two_hosts_probe_a_silent_gateway() -> None:
    """Within the time of a check it is still the same host's turn."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6, route=MANUAL, status=SILENT), 0.0)
    assert described(due.due(0.0)) == ["n2 6"]
    due.upsert(network(vlan=6, route=MANUAL, status=SILENT, probe_now="1"), 2.0)
    assert described(due.due(2.0)) == ["n2 6"]


def test_a_host_that_asks_dhcp_leaves_silent_gateways_to_another() -> None:
    """The check waits for the end of the DHCP ask where it is that host's turn, as with a single host."""
    for names, expected in ((("n1", "n2"), ["n1 6 dhcp", "n2 6"]), (("n1",), ["n1 6 dhcp"])):
        due = schedule(*names)
        due.upsert(network("auto", vlan=6), 0.0)
        due.upsert(network("bad", vlan=6, route=MANUAL, status=SILENT), 0.0)
        assert described(due.due(0.0)) == expected
    assert described(due.due(15.0)) == ["n1 6"]


def test_a_host_that_comes_back_probes_a_silent_gateway_once() -> None:
    """It may reach a gateway that is silent to the others."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6, route=MANUAL, status=SILENT), 0.0)
    assert described(due.due(0.0)) == ["n2 6"]
    due.set_hosts([host("n1"), host("n2"), host("n3", incarnation=2)], 10.0)
    assert described(due.due(10.0)) == ["n3 6"]
    assert [each for _, each in over_time(due, start=11.0, end=61.0)] == ["n3 6", "n1 6"]


def test_hosts_that_come_back_together_probe_a_silent_gateway_in_rotation() -> None:
    """This happens when Redis lost its data."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=6, route=MANUAL, status=SILENT), 0.0)
    due.due(0.0)
    due.set_hosts([host(name, incarnation=2) for name in HOSTS], 10.0)
    assert due.due(10.0) == []
    assert described(due.due(RETRY_S)) == ["n3 6"]


def test_only_the_failing_part_is_probed_sooner() -> None:
    """A failing DHCP does not speed up gateway checks, nor a host that is cut off DHCP asks."""
    for status, expected in (
        (status_of("Active", "GatewayAnswers", dhcpOut=True), {"n2 6 dhcp"}),
        (PARTIAL, {"n1 6", "n2 6", "n3 6"}),
        (status_of("Isolated", "GatewayNotRouted"), {"n1 6", "n2 6", "n3 6"}),
    ):
        due = schedule(*HOSTS)
        due.upsert(network(vlan=6, route=KNOWN, status=status), 0.0)
        assert described(due.due(0.0)) == ["n1 6 dhcp", "n2 6", "n3 6"]
        assert set(described(due.due(RETRY_S))) == expected


def test_an_edit_does_not_wait_for_a_host_that_asks() -> None:
    """Another host probes the new gateway at once; the one that asks has its turn when its ask is over."""
    due = schedule("n1", "n2")
    due.upsert(network("auto", vlan=7), 0.0)
    due.upsert(network("bad", vlan=7, route=MANUAL, status=SILENT), 0.0)
    assert described(due.due(0.0)) == ["n1 7", "n2 7 dhcp"]
    other = MANUAL.replace("10.0.7.1", "10.0.7.2")
    due.upsert(network("bad", vlan=7, route=other, status=status_of("Unreachable", gateway="10.0.7.2")), 10.0)
    assert described(due.due(10.0)) == ["n1 7", "n2 7 dhcp"]
    assert over_time(due, start=11.0, end=26.0) == [(15.0, "n2 7")]
