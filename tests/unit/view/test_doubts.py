"""What is in doubt about a network, and which hosts have not been heard."""

from dataclasses import replace

from services.cli.networks.status_command import remarks
from services.contract.doubts import DoubtKind
from services.contract.open_doubts import Doubts, OpenDoubt
from services.contract.outcomes import DHCPOutcome, Reason, State
from services.network.policy import DEFAULT_POLICY
from services.view.documents import checked_document
from services.view.doubts import DoubtRow, doubts_of
from services.view.explained_network import explain_network
from services.view.host_checks import RedisView
from services.view.rows import NetworkLine, rows_of
from tests.support.seen_networks import DOWN, digest, found, network_with_status, record_of, view
from tests.unit.network.builders import SEGMENT, dhcp

OFFICE = network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS)
NOW_MS = 100_000


def doubted(doubts: Doubts, *more_hosts: str) -> RedisView:
    """Return a Redis in which node1 found the gateway silent, 4 s ago, and nobody else has reported."""
    assert OFFICE.status is not None
    record = record_of(OFFICE, OFFICE.status).model_copy(update={"doubts": doubts})
    silent = found("node1", DOWN).model_copy(update={"dhcp": dhcp(outcome=DHCPOutcome.NO_OFFER)})
    seen = view(silent, *map(found, more_hosts), asked=(silent,), conclusions=(record,))
    return replace(seen, verdicts={SEGMENT: replace(seen.verdicts[SEGMENT], now_ms=NOW_MS)})


def rows(doubts: Doubts, *more_hosts: str) -> tuple[DoubtRow, ...]:
    seen = doubted(doubts, *more_hosts)
    (row,) = rows_of([OFFICE], DEFAULT_POLICY, seen)
    return doubts_of(row, seen)


def silence(since_ms: int, *, is_complete: bool = False) -> OpenDoubt:
    return OpenDoubt(kind=DoubtKind.SILENT, since_ms=since_ms, is_complete=is_complete)


def test_a_doubt_names_the_hosts_that_have_not_reported_since() -> None:
    """A verdict from before it is none on it."""
    doubts = Doubts(digest=digest(), reach=silence(NOW_MS - 4_000))
    assert rows(doubts) == (DoubtRow(DoubtKind.SILENT, 4.0, ("node2",)),)
    assert rows(doubts, "node2") == (DoubtRow(DoubtKind.SILENT, 4.0, ()),)
    later = Doubts(digest=digest(), reach=silence(NOW_MS - 3_000))
    assert rows(later, "node2") == (DoubtRow(DoubtKind.SILENT, 3.0, ("node1", "node2")),)


def test_a_doubt_about_dhcp_counts_the_hosts_that_asked_it() -> None:
    """A check of the gateway says nothing about DHCP."""
    missing = OpenDoubt(kind=DoubtKind.NO_OFFER, since_ms=NOW_MS - 4_000)
    doubts = Doubts(digest=digest(), no_offer=missing)
    assert rows(doubts, "node2") == (DoubtRow(DoubtKind.NO_OFFER, 4.0, ("node2",)),)


def test_what_is_decided_or_about_a_former_intent_is_not_in_doubt() -> None:
    """Nor is anything without a record."""
    assert rows(Doubts()) == ()
    assert rows(Doubts(digest=digest(), reach=silence(NOW_MS, is_complete=True))) == ()
    assert rows(Doubts(digest="0" * 16, reach=silence(NOW_MS))) == ()
    (row,) = rows_of([OFFICE], DEFAULT_POLICY, RedisView())
    assert doubts_of(row, RedisView()) == ()


def test_a_doubt_is_shown_by_every_command() -> None:
    """The state stands meanwhile."""
    seen = doubted(Doubts(digest=digest(), reach=silence(NOW_MS - 4_000)))
    (row,) = rows_of([OFFICE], DEFAULT_POLICY, seen)
    assert row.state == "Active"
    said = "In doubt for 4s, as the gateway does not answer a host; not heard yet: node2."
    assert said in explain_network(OFFICE, row, [], DEFAULT_POLICY, seen).meaning
    assert remarks(seen, [NetworkLine(row)]) == [
        "in doubt until all hosts have reported: default/office; `nadroute explain` says more"
    ]
    document = checked_document(row, None, doubts_of(row, seen))
    assert document["doubts"] == [{"kind": "silent", "for_s": 4.0, "unheard": ["node2"]}]


def test_a_forged_doubt_from_the_future_has_no_negative_age() -> None:
    """Anyone may write Redis."""
    (doubt,) = rows(Doubts(digest=digest(), reach=silence(NOW_MS + 5_000)))
    assert doubt.for_s == 0.0
