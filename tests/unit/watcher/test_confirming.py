"""A missing DHCP offer is confirmed by other hosts: which host asks, and when."""

import pytest

from services.watcher.plan.schedule import Schedule
from services.watcher.plan.triggers import Trigger
from tests.unit.watcher.builders import (
    ACTIVE,
    KNOWN,
    RETRY_S,
    SWEEP_S,
    WINDOW_S,
    described,
    host,
    network,
    schedule,
    status_of,
    unoffered,
)

DEADLINE_S = 12.0
"""When a prober gives up waiting for an offer."""
HOSTS = ("n1", "n2", "n3", "n4")


def play(due: Schedule, *, until: float, answers: bool = True) -> list[tuple[float, str]]:
    """Return each ask with its time; if answers, the updater reports hosts without an offer at the
    deadline."""
    asks = list[tuple[float, str]]()
    silent = list[str]()
    reports = list[tuple[float, str]]()
    now = 0.0
    while now <= until:
        for probe in due.due(now):
            assert probe.probe.ask_dhcp
            asks.append((now, probe.host))
            reports.append((now + DEADLINE_S, probe.host))
        for report in [report for report in reports if report[0] <= now]:
            reports.remove(report)
            silent = sorted({*silent, report[1]})
            failed = len(silent) > min(2, len(due._hosts) - 1)
            status = status_of("DHCPFailed", "NoDHCPOffer") if failed else unoffered(*silent)
            if answers:
                due.upsert(network(vlan=8, status=status), now)
        now = min([due.next_due(), *(at for at, _ in reports)])
    return asks


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, [0.0, RETRY_S, 2 * RETRY_S]),
        (2, [0.0, 12.0, 42.0, 72.0]),
        (3, [0.0, 12.0, 24.0, 54.0, 84.0]),
        (4, [0.0, 12.0, 24.0, 54.0, 84.0]),
    ],
)
def test_the_next_host_asks_as_soon_as_a_missing_offer_is_reported(count: int, expected: list[float]) -> None:
    """Two hosts are done after 24 s, three or more after 36 s; then the retry interval applies again."""
    due = schedule(*HOSTS[:count])
    due.upsert(network(vlan=8), 0.0)
    asks = play(due, until=expected[-1])
    assert [at for at, _ in asks] == expected
    confirming = [name for _, name in asks][: min(count, 3)]
    assert len(set(confirming)) == len(confirming)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, [0.0, 30.0, 60.0]), (2, [0.0, 15.0, 45.0, 75.0]), (3, [0.0, 15.0, 30.0, 60.0, 90.0])],
)
def test_without_a_written_status_the_next_host_asks_after_the_window(
    count: int, expected: list[float]
) -> None:
    """With observe_only or a webhook that denies everything, each other host asks once, and no host twice."""
    due = schedule(*HOSTS[:count])
    due.upsert(network(vlan=8), 0.0)
    asks = play(due, until=expected[-1], answers=False)
    assert [at for at, _ in asks] == expected


def test_a_late_status_about_an_earlier_asker_changes_nothing() -> None:
    """The next host is asking already, and two hosts never ask at once."""
    due = schedule("n1", "n2", "n3")
    due.upsert(network(vlan=6), 0.0)
    assert described(due.due(0.0)) == ["n1 6 dhcp"]
    assert described(due.due(WINDOW_S)) == ["n2 6 dhcp"]
    assert due.upsert(network(vlan=6, status=unoffered("n1")), 16.0) is Trigger.NO_OFFER
    assert due.due(16.0) == []


def test_the_same_status_of_two_networks_on_a_segment_causes_one_ask() -> None:
    """The updater writes one network after the other."""
    due = schedule("n1", "n2", "n3")
    for name in ("a", "b"):
        due.upsert(network(name, vlan=6), 0.0)
    due.due(0.0)
    due.upsert(network("a", vlan=6, status=unoffered("n1")), 12.0)
    assert described(due.due(12.0)) == ["n2 6 dhcp"]
    due.upsert(network("b", vlan=6, status=unoffered("n1")), 12.1)
    assert due.due(12.1) == []


def test_a_first_failure_is_confirmed_at_once_with_a_known_gateway_too() -> None:
    """It does not wait for a sweep. A host that gets no offer while others do waits for its next turn."""
    due = schedule("n1", "n2", "n3")
    due.upsert(network(vlan=6, route=KNOWN, status=ACTIVE), 0.0)
    assert described(due.due(0.0))[0] == "n1 6 dhcp"
    silent = status_of("Active", "GatewayAnswers", hosts={"n1": "NoDHCPOffer"})
    due.upsert(network(vlan=6, route=KNOWN, status=silent), 12.0)
    assert described(due.due(12.0)) == ["n2 6 dhcp"]
    # It got an offer, so nothing is written and the rotation continues after it.
    assert due.due(SWEEP_S - 1) == []
    asks = [each for at in (SWEEP_S, SWEEP_S + 12, 2 * SWEEP_S + 12) for each in described(due.due(at))]
    assert [each for each in asks if "dhcp" in each] == ["n3 6 dhcp", "n1 6 dhcp"]


def test_a_status_of_another_intent_confirms_nothing() -> None:
    """A status of the previous intent does not count for the present one."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8), 0.0)
    due.due(0.0)
    stale = status_of("Pending", "ConfirmingNoOffer", digest="0" * 16, hosts={"n1": "NoDHCPOffer"})
    assert due.upsert(network(vlan=8, status=stale), 12.0) is Trigger.NOTHING
    assert due.due(12.0) == []


def test_without_another_host_the_retry_interval_applies() -> None:
    """When all hosts got no offer, there is nobody left to confirm it."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8), 0.0)
    due.due(0.0)
    due.upsert(network(vlan=8, status=unoffered("n1", "n2")), 12.0)
    assert due.due(12.0) == []


def test_a_host_known_to_get_no_offer_is_not_asked_to_confirm() -> None:
    """It would only repeat itself, so the host after it is asked."""
    due = schedule("n1", "n2", "n3")
    known = status_of("Active", "GatewayAnswers", hosts={"n2": "NoDHCPOffer"})
    due.upsert(network(vlan=6, route=KNOWN, status=known), 0.0)
    assert described(due.due(0.0))[0] == "n1 6 dhcp"
    both = status_of("Active", "GatewayAnswers", hosts={"n1": "NoDHCPOffer", "n2": "NoDHCPOffer"})
    due.upsert(network(vlan=6, route=KNOWN, status=both), 12.0)
    assert described(due.due(12.0)) == ["n3 6 dhcp"]


def test_two_confirmations_are_enough() -> None:
    """Further hosts are not asked, however many there are."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=8), 0.0)
    due.due(0.0)
    due.upsert(network(vlan=8, status=unoffered("n1", "n2", "n3")), 12.0)
    assert due.due(12.0) == []


def test_a_host_that_goes_while_confirming_is_replaced_by_one_that_has_not_asked() -> None:
    """Its answer will never come, and asking the first host again would confirm nothing."""
    due = schedule("n1", "n2", "n3")
    due.upsert(network(vlan=6), 0.0)
    due.due(0.0)
    due.upsert(network(vlan=6, status=unoffered("n1")), 12.0)
    assert described(due.due(12.0)) == ["n2 6 dhcp"]
    due.set_hosts([host("n1"), host("n3")], 14.0)
    assert described(due.due(14.0)) == ["n3 6 dhcp"]


def test_an_edit_restarts_the_confirmation() -> None:
    """Another server is asked, so earlier results do not count and the same host may ask again."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8), 0.0)
    due.due(0.0)
    due.upsert(network(vlan=8, status=unoffered("n1")), 12.0)
    assert described(due.due(12.0)) == ["n2 8 dhcp"]
    server = '{"mode":"auto","serverIPAddr":"10.0.7.5"}'
    due.upsert(network(vlan=8, route=server), 14.0)
    assert described(due.due(14.0)) == ["n2 8 dhcp"]
    due.upsert(network(vlan=8, route=server, status=unoffered("n2")), 26.0)
    assert described(due.due(26.0)) == ["n1 8 dhcp"]
