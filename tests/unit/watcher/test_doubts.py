"""A doubt has every host that was not heard check the gateway at once; a flood of doubts costs little."""

import itertools

import pytest

from services.contract.doubts import DoubtKind
from services.watcher.plan.host_probe import HostProbe
from tests.unit.watcher.builders import (
    ACTIVE,
    GATEWAY,
    KNOWN,
    MANUAL,
    SWEEP_S,
    described,
    doubt,
    host,
    network,
    schedule,
    status_of,
)

HOSTS = ("n1", "n2", "n3", "n4")
SILENT = status_of("Unreachable", gateway=GATEWAY["gateway"])


def gateways(probe: HostProbe) -> set[str]:
    return {str(target.gateway) for target in probe.probe.targets}


@pytest.mark.parametrize("kind", [DoubtKind.SILENT, DoubtKind.ANSWERED])
@pytest.mark.parametrize("status", [ACTIVE, SILENT])
def test_every_host_that_was_not_heard_checks_at_once(kind: DoubtKind, status: str) -> None:
    """Whether the gateway answers by the status or is silent to all, and long before the next sweep."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=7, route=MANUAL, status=status), 0.0)
    due.due(0.0)
    due.doubt([doubt(kind, "n2", vlan=7)], 7.0)
    assert due.next_due() == 7.0
    taken = due.due(7.0)
    assert described(taken) == ["n1 7", "n3 7", "n4 7"]
    assert all(gateways(probe) == {GATEWAY["gateway"]} for probe in taken)


def test_a_check_covers_every_known_gateway_of_the_segment() -> None:
    """The doubt does not say which one, and one of them may be silent to all."""
    due = schedule("n1", "n2")
    other = MANUAL.replace("10.0.7.1", "10.0.7.2")
    due.upsert(network("good", route=MANUAL, status=ACTIVE), 0.0)
    due.upsert(network("bad", route=other, status=status_of("Unreachable", gateway="10.0.7.2")), 0.0)
    due.due(0.0)
    due.doubt([doubt(DoubtKind.ANSWERED, "n1")], 7.0)
    (probe,) = due.due(7.0)
    assert (probe.host, gateways(probe)) == ("n2", {"10.0.7.1", "10.0.7.2"})


def test_a_check_of_many_gateways_comes_in_parts() -> None:
    """One that a single probe cannot hold is done in several, one after the other, each once."""
    due = schedule("n1")
    for number in range(150):
        route = MANUAL.replace("10.0.7.1", f"10.0.7.{number + 1}")
        due.upsert(network(f"a{number}", route=route, status=ACTIVE), 0.0)
    due.due(0.0)
    due.doubt([doubt(DoubtKind.SILENT)], 7.0)
    seen, times = set[str](), list[float]()
    while due.next_due() < SWEEP_S / 4:
        times.append(due.next_due())
        for probe in due.due(times[-1]):
            seen |= gateways(probe)
    assert seen == {f"10.0.7.{number + 1}" for number in range(150)}
    assert times == [7.0, 12.0, 17.0]


@pytest.mark.parametrize(("ask", "expected"), [(0, 0), (2, 2), (3, 3), (2**53 - 1, 3)])
def test_at_most_as_many_hosts_check_as_the_doubt_asks_for(ask: int, expected: int) -> None:
    """All that were not heard, where there are fewer."""
    due = schedule(*HOSTS)
    due.upsert(network(route=MANUAL, status=ACTIVE), 0.0)
    due.due(0.0)
    due.doubt([doubt(DoubtKind.SILENT, "n4", ask=ask)], 7.0)
    assert len({probe.host for probe in due.due(7.0)} - {"n4"}) == expected


def test_on_each_segment_another_host_checks_first() -> None:
    """Where not all are asked, the load is spread over the hosts."""
    due = schedule(*HOSTS)
    for vlan in range(1, 5):
        due.upsert(network(f"a{vlan}", vlan=vlan, route=MANUAL, status=ACTIVE), 0.0)
    due.due(0.0)
    due.doubt([doubt(DoubtKind.SILENT, vlan=vlan, ask=1) for vlan in range(1, 5)], 7.0)
    assert {probe.host for probe in due.due(7.0)} == {*HOSTS}


def test_a_doubt_about_a_segment_that_is_not_probed_does_nothing() -> None:
    """It is unknown, without a host, or its cluster network is."""
    due = schedule("n1")
    due.upsert(network(route=MANUAL, status=ACTIVE), 0.0)
    due.due(0.0)
    doubts = [doubt(DoubtKind.SILENT, vlan=9), doubt(DoubtKind.SILENT, cluster_network="other")]
    assert due.doubt(doubts, 7.0) == []
    due.set_hosts([], 8.0)
    due.doubt([doubt(kind) for kind in DoubtKind], 9.0)
    assert due.due(10.0) == []
    due.set_hosts([host("n1")], 11.0)
    assert described(due.due(11.0)) == ["n1 7"]


def test_a_flood_of_doubts_costs_one_round_a_second() -> None:
    """10,000 doubts in 10 s about one segment: each host checks once a second, and DHCP is asked as little as
    without them."""
    due = schedule(*HOSTS)
    due.upsert(network(route=KNOWN, status=ACTIVE), 0.0)
    due.due(0.0)
    checks, asks = list[tuple[float, str]](), 0
    for number in range(10_000):
        now = 20.0 + number / 1_000
        kinds = [DoubtKind.SILENT, DoubtKind.ANSWERED]
        due.doubt([doubt(kinds[number % 2], HOSTS[number % 4])], now)
        for probe in due.due(now):
            asks += probe.probe.ask_dhcp
            checks.append((now, probe.host))
    for name in HOSTS:
        times = [at for at, each in checks if each == name]
        assert 9 <= len(times) <= 11
        assert min(later - at for at, later in itertools.pairwise(times)) >= 0.999
    assert asks == 0


def test_a_doubt_is_urgent() -> None:
    """After an outage it is not spread with the rest."""
    due = schedule(*HOSTS)
    for vlan in range(1, 3_001):
        due.upsert(network(f"a{vlan}", vlan=vlan, route=MANUAL, status=ACTIVE), 0.0)
    while due.next_due() < 100.0:
        due.due(due.next_due())
    due.doubt([doubt(DoubtKind.SILENT, vlan=2_999)], 600.0)
    due.spread_overdue(600.0)
    assert 2_999 in {probe.probe.vlan for probe in due.due(600.0, limit=10**6)}


def test_unsent_checks_are_sent_later_in_full() -> None:
    """Redis refused them: they cover the silent gateway when it answers."""
    due = schedule("n1", "n2", "n3")
    due.upsert(network(vlan=7, route=MANUAL, status=SILENT), 0.0)
    due.due(0.0)
    due.doubt([doubt(DoubtKind.ANSWERED, "n1", vlan=7)], 7.0)
    lost = due.due(7.0)
    due.put_back(lost, 9.0)
    assert described(due.due(9.0)) == described(lost) == ["n2 7", "n3 7"]
