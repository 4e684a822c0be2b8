"""That DHCP does not answer is confirmed by other hosts: who asks, and when."""

import pytest

from services.watcher.plan.schedule import Schedule
from services.watcher.plan.triggers import Trigger
from tests.unit.watcher.builders import (
    ACTIVE,
    KNOWN,
    RETRY_S,
    SWEEP_S,
    WINDOW_S,
    host,
    network,
    says,
    schedule,
    told,
    unoffered,
)

DEADLINE_S = 12.0
"""After which a prober says that nobody offered anything."""
HOSTS = ("n1", "n2", "n3", "n4")


def play(due: Schedule, *, until: float, answers: bool = True) -> list[tuple[float, str]]:
    """Each ask, and when; after the deadline the updater tells who was offered nothing, if answers."""
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
            status = says("DHCPFailed", "NoDHCPOffer") if failed else unoffered(*silent)
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
def test_the_next_host_asks_as_soon_as_one_is_told_to_have_been_offered_nothing(
    count: int, expected: list[float]
) -> None:
    """Two hosts are done after 24 s, three or more after 36 s; then the retry interval holds again."""
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
def test_where_no_status_is_written_the_next_host_asks_when_the_window_is_over(
    count: int, expected: list[float]
) -> None:
    """observe_only, or a webhook that lets nothing through: each other host once, and no host twice."""
    due = schedule(*HOSTS[:count])
    due.upsert(network(vlan=8), 0.0)
    asks = play(due, until=expected[-1], answers=False)
    assert [at for at, _ in asks] == expected


def test_news_of_a_host_that_is_not_the_last_that_asked_changes_nothing() -> None:
    """A status that was long on its way: the next one asks already, and two never do at once."""
    due = schedule("n1", "n2", "n3")
    due.upsert(network(vlan=6), 0.0)
    assert told(due.due(0.0)) == ["n1 6 dhcp"]
    assert told(due.due(WINDOW_S)) == ["n2 6 dhcp"]
    assert due.upsert(network(vlan=6, status=unoffered("n1")), 16.0) is Trigger.NO_OFFER
    assert due.due(16.0) == []


def test_the_same_news_of_two_networks_on_one_segment_is_one_ask() -> None:
    """The updater writes one after the other."""
    due = schedule("n1", "n2", "n3")
    for name in ("a", "b"):
        due.upsert(network(name, vlan=6), 0.0)
    due.due(0.0)
    due.upsert(network("a", vlan=6, status=unoffered("n1")), 12.0)
    assert told(due.due(12.0)) == ["n2 6 dhcp"]
    due.upsert(network("b", vlan=6, status=unoffered("n1")), 12.1)
    assert due.due(12.1) == []


def test_of_a_known_gateway_too_the_first_failure_is_confirmed_at_once() -> None:
    """Not a sweep later; a host that hears nothing while others do is left to its next turn then."""
    due = schedule("n1", "n2", "n3")
    due.upsert(network(vlan=6, route=KNOWN, status=ACTIVE), 0.0)
    assert told(due.due(0.0))[0] == "n1 6 dhcp"
    silent = says("Active", "GatewayAnswers", hosts={"n1": "NoDHCPOffer"})
    due.upsert(network(vlan=6, route=KNOWN, status=silent), 12.0)
    assert told(due.due(12.0)) == ["n2 6 dhcp"]
    # It was offered an address, so nothing is written; the rotation goes on from it.
    assert due.due(SWEEP_S - 1) == []
    asks = [each for at in (SWEEP_S, SWEEP_S + 12, 2 * SWEEP_S + 12) for each in told(due.due(at))]
    assert [each for each in asks if "dhcp" in each] == ["n3 6 dhcp", "n1 6 dhcp"]


def test_a_status_of_another_intent_confirms_nothing() -> None:
    """What was told of the intent before says nothing of this one."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8), 0.0)
    due.due(0.0)
    stale = says("Pending", "ConfirmingNoOffer", digest="0" * 16, hosts={"n1": "NoDHCPOffer"})
    assert due.upsert(network(vlan=8, status=stale), 12.0) is Trigger.NOTHING
    assert due.due(12.0) == []


def test_nobody_is_left_to_confirm() -> None:
    """All hosts there are were offered nothing: the retry interval holds."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8), 0.0)
    due.due(0.0)
    due.upsert(network(vlan=8, status=unoffered("n1", "n2")), 12.0)
    assert due.due(12.0) == []


def test_whoever_is_told_to_hear_nothing_already_confirms_nothing() -> None:
    """A host that has no DHCP, while others do, would only say so again: the next but one is asked."""
    due = schedule("n1", "n2", "n3")
    known = says("Active", "GatewayAnswers", hosts={"n2": "NoDHCPOffer"})
    due.upsert(network(vlan=6, route=KNOWN, status=known), 0.0)
    assert told(due.due(0.0))[0] == "n1 6 dhcp"
    both = says("Active", "GatewayAnswers", hosts={"n1": "NoDHCPOffer", "n2": "NoDHCPOffer"})
    due.upsert(network(vlan=6, route=KNOWN, status=both), 12.0)
    assert told(due.due(12.0)) == ["n3 6 dhcp"]


def test_three_hosts_are_enough() -> None:
    """Nobody else has to confirm what two others have, however many there are."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=8), 0.0)
    due.due(0.0)
    due.upsert(network(vlan=8, status=unoffered("n1", "n2", "n3")), 12.0)
    assert due.due(12.0) == []


def test_a_host_that_goes_while_it_confirms_is_replaced_by_one_that_has_not_asked() -> None:
    """Its answer will never come; asking the first one again would confirm nothing."""
    due = schedule("n1", "n2", "n3")
    due.upsert(network(vlan=6), 0.0)
    due.due(0.0)
    due.upsert(network(vlan=6, status=unoffered("n1")), 12.0)
    assert told(due.due(12.0)) == ["n2 6 dhcp"]
    due.set_hosts([host("n1"), host("n3")], 14.0)
    assert told(due.due(14.0)) == ["n3 6 dhcp"]


def test_an_edit_begins_the_confirming_anew() -> None:
    """Another server is asked for: what was heard before does not count, and the same host may ask again."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8), 0.0)
    due.due(0.0)
    due.upsert(network(vlan=8, status=unoffered("n1")), 12.0)
    assert told(due.due(12.0)) == ["n2 8 dhcp"]
    server = '{"mode":"auto","serverIPAddr":"10.0.7.5"}'
    due.upsert(network(vlan=8, route=server), 14.0)
    assert told(due.due(14.0)) == ["n2 8 dhcp"]
    due.upsert(network(vlan=8, route=server, status=unoffered("n2")), 26.0)
    assert told(due.due(26.0)) == ["n1 8 dhcp"]
