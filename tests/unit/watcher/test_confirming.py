"""A missing DHCP offer is confirmed by other hosts, which ask at once beside the rotation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.doubts import DoubtKind
from services.network.judge.reduction import CONFIRMATIONS
from services.watcher.plan.schedule import Schedule
from services.watcher.plan.triggers import Trigger
from tests.unit.watcher.builders import (
    ACTIVE,
    KNOWN,
    RETRY_S,
    SWEEP_S,
    WINDOW_S,
    described,
    doubt,
    host,
    network,
    schedule,
    status_of,
    unoffered,
)

DEADLINE_S = 12.0
"""When a prober gives up waiting for an offer."""
HOSTS = ("n1", "n2", "n3", "n4")


def no_offer(due: Schedule, *heard: str, now: float, ask: int = CONFIRMATIONS) -> None:
    """Publish the doubt that these hosts got no offer on VLAN 8."""
    due.doubt([doubt(DoubtKind.NO_OFFER, *heard, vlan=8, ask=ask)], now)


def asked(due: Schedule, now: float) -> list[str]:
    """Return the hosts that ask DHCP now."""
    return [probe.host for probe in due.due(now) if probe.probe.ask_dhcp]


@pytest.mark.parametrize(("count", "expected"), [(1, 0), (2, 1), (3, CONFIRMATIONS), (4, CONFIRMATIONS)])
@pytest.mark.parametrize("told", ["by a doubt", "by the status"])
def test_other_hosts_ask_at_once_and_together(count: int, expected: int, told: str) -> None:
    """As many as are needed to report that DHCP is out; then the retry interval applies."""
    due = schedule(*HOSTS[:count])
    due.upsert(network(vlan=8), 0.0)
    first = asked(due, 0.0)
    assert len(first) == 1
    if told == "by a doubt":
        no_offer(due, *first, now=DEADLINE_S)
    else:
        assert due.upsert(network(vlan=8, status=unoffered(*first)), DEADLINE_S) is Trigger.NO_OFFER
    others = asked(due, DEADLINE_S)
    assert len(others) == expected
    assert not {*others} & {*first}
    assert due.next_due() == RETRY_S
    assert len(asked(due, RETRY_S)) == 1


def test_a_repeated_doubt_asks_only_hosts_that_do_not_ask_already() -> None:
    """While they may be waiting for an offer they count; afterwards one that was not asked replaces them."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=8), 0.0)
    (first,) = asked(due, 0.0)
    no_offer(due, first, now=12.0)
    confirming = asked(due, 12.0)
    no_offer(due, first, now=22.0)
    assert asked(due, 22.0) == []
    # One of them answered, the other never does.
    no_offer(due, first, confirming[0], now=12.0 + WINDOW_S, ask=1)
    assert {*asked(due, 12.0 + WINDOW_S)} == {*HOSTS} - {first, *confirming}


def test_the_host_that_asks_in_its_turn_counts() -> None:
    """A doubt that comes from another host's probe does not make one more ask."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=8), 0.0)
    asked(due, 0.0)
    no_offer(due, "n4", now=2.0)
    assert len(asked(due, 2.0)) == CONFIRMATIONS - 1


def test_a_doubt_does_not_disturb_the_rotation() -> None:
    """The next regular ask is the next host's, when it is due, whoever has asked beside it."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=8), 0.0)
    turns = []
    for number in range(8):
        turns += asked(due, number * RETRY_S)
        no_offer(due, *turns[-1:], now=number * RETRY_S + DEADLINE_S)
        asked(due, number * RETRY_S + DEADLINE_S)
    assert turns == [*HOSTS, *HOSTS]


def test_a_doubt_where_no_network_needs_dhcp_asks_nobody() -> None:
    """A manual network's gateway is the owner's; nor is the doubt remembered until one needs it."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=8, route=KNOWN.replace("auto", "manual"), status=ACTIVE), 0.0)
    due.due(0.0)
    no_offer(due, "n1", now=1.0)
    assert due.due(1.0) == []
    due.upsert(network("new", vlan=8), 2.0)
    assert len(asked(due, 2.0)) == 1


@given(
    repeats=st.lists(
        st.tuples(st.floats(0, 2), st.sets(st.sampled_from(HOSTS)), st.integers(0, 2**53 - 1)), max_size=60
    )
)
def test_however_many_doubts_come_the_asks_are_bounded(
    repeats: list[tuple[float, set[str], int]],
) -> None:
    """One round a second, and no host again while it may be waiting, whatever they claim was heard."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=8, route=KNOWN, status=ACTIVE), 0.0)
    (first,) = asked(due, 0.0)
    busy, rounds, now = {first: WINDOW_S}, list[float](), 0.0
    for gap_s, heard, ask in repeats:
        now += gap_s
        no_offer(due, *sorted(heard), now=now, ask=ask)
        hosts = asked(due, now)
        for name in hosts:
            assert busy.get(name, 0.0) <= now
        assert len(hosts) <= CONFIRMATIONS
        if hosts:
            assert not rounds or now - rounds[-1] >= 0.999
            rounds.append(now)
        busy |= dict.fromkeys(hosts, now + WINDOW_S)


def test_the_same_status_of_two_networks_on_a_segment_causes_one_round() -> None:
    """The updater writes one network after the other."""
    due = schedule(*HOSTS)
    for name in ("a", "b"):
        due.upsert(network(name, vlan=6), 0.0)
    (first,) = asked(due, 0.0)
    due.upsert(network("a", vlan=6, status=unoffered(first)), 12.0)
    assert len(asked(due, 12.0)) == CONFIRMATIONS
    due.upsert(network("b", vlan=6, status=unoffered(first)), 12.1)
    assert due.due(14.0) == []


def test_a_first_failure_is_confirmed_at_once_with_a_known_gateway_too() -> None:
    """It does not wait for a sweep. A host that gets no offer while others do waits for its next turn."""
    due = schedule("n1", "n2", "n3")
    due.upsert(network(vlan=6, route=KNOWN, status=ACTIVE), 0.0)
    assert described(due.due(0.0))[0] == "n1 6 dhcp"
    silent = status_of("Active", "GatewayAnswers", hosts={"n1": "NoDHCPOffer"})
    due.upsert(network(vlan=6, route=KNOWN, status=silent), 12.0)
    assert described(due.due(12.0)) == ["n2 6 dhcp", "n3 6 dhcp"]
    # They got an offer, so nothing is written and the rotation continues.
    assert due.due(SWEEP_S - 1) == []
    asks = [each for at in (SWEEP_S, 2 * SWEEP_S) for each in described(due.due(at))]
    assert [each for each in asks if "dhcp" in each] == ["n2 6 dhcp", "n3 6 dhcp"]


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
    no_offer(due, "n1", "n2", now=12.0)
    assert due.due(12.0) == []


def test_a_host_known_to_get_no_offer_is_not_asked_to_confirm() -> None:
    """It would only repeat itself, so the host after it is asked, and no more than are needed."""
    due = schedule(*HOSTS)
    known = status_of("Active", "GatewayAnswers", hosts={"n4": "NoDHCPOffer"})
    due.upsert(network(vlan=6, route=KNOWN, status=known), 0.0)
    assert described(due.due(0.0))[2] == "n3 6 dhcp"
    both = status_of("Active", "GatewayAnswers", hosts={"n3": "NoDHCPOffer", "n4": "NoDHCPOffer"})
    due.upsert(network(vlan=6, route=KNOWN, status=both), 12.0)
    assert described(due.due(12.0)) == ["n1 6 dhcp"]


def test_enough_confirmations_are_enough() -> None:
    """Further hosts are not asked, however many there are."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=8), 0.0)
    due.due(0.0)
    due.upsert(network(vlan=8, status=unoffered("n1", "n2", "n3")), 12.0)
    assert due.due(12.0) == []


def test_a_host_that_goes_while_confirming_is_replaced_by_one_that_has_not_asked() -> None:
    """Its answer will never come, so it does not count when the doubt is repeated."""
    due = schedule(*HOSTS)
    due.upsert(network(vlan=8), 0.0)
    assert asked(due, 0.0) == ["n1"]
    no_offer(due, "n1", now=12.0)
    assert asked(due, 12.0) == ["n2", "n3"]
    due.set_hosts([host(name) for name in ("n1", "n3", "n4")], 14.0)
    no_offer(due, "n1", now=22.0)
    assert asked(due, 22.0) == ["n4"]


def test_an_unsent_confirmation_is_sent_later() -> None:
    """Redis refused it: the same hosts ask when it answers."""
    due = schedule("n1", "n2", "n3")
    due.upsert(network(vlan=8), 0.0)
    assert asked(due, 0.0) == ["n3"]
    no_offer(due, "n3", now=12.0)
    lost = due.due(12.0)
    due.put_back(lost, 14.5)
    assert due.next_due() == 14.5
    assert described(due.due(14.5)) == described(lost) == ["n1 8 dhcp", "n2 8 dhcp"]


def test_an_edit_asks_again_within_the_turn() -> None:
    """Another server is asked, so the same host asks again at once."""
    due = schedule("n1", "n2")
    due.upsert(network(vlan=8), 0.0)
    assert asked(due, 0.0) == ["n1"]
    server = '{"mode":"auto","serverIPAddr":"10.0.7.5"}'
    due.upsert(network(vlan=8, route=server), 14.0)
    assert asked(due, 14.0) == ["n1"]
    due.upsert(network(vlan=8, route=server, status=unoffered("n1")), 26.0)
    assert asked(due, 26.0) == ["n2"]
