"""Verdicts in memory: each JSON once, equal parts once, and nothing that nobody keeps."""

import gc
import sys
import weakref
from ipaddress import IPv4Address, IPv4Network

import pytest

from services.contract.messages import ReachVerdict, Segment, TargetVerdict, Verdict
from services.contract.outcomes import ReachOutcome
from services.contract.wire import Message
from services.runtime.stored import parsed_verdicts
from services.runtime.stored.given_fields import compact
from services.runtime.stored.parsed_verdicts import RECENT_S, ParsedVerdicts
from tests.support.manual_clock import ManualClock


def said(host: str, vlan: int = 7, *, rtt_ms: float = 0.5) -> str:
    reach = ReachVerdict(outcome=ReachOutcome.REACHABLE, rtt_ms=rtt_ms, attempts=1, mac="02:fe:00:00:00:07")
    target = TargetVerdict(
        digest="0" * 16,
        cidr=IPv4Network("10.0.112.0/20"),
        gateway=IPv4Address("10.0.112.1"),
        vlan=reach,
        routed=reach,
    )
    segment = Segment(cluster_network="extra", vlan=vlan)
    return Verdict(
        segment=segment, host=host, request_id="r", incarnation=1, counter=1, targets=(target,)
    ).to_json()


def test_what_is_kept_is_parsed_once_however_much_came_since(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site has more verdicts than are recent, and reads those of a segment again at each change."""
    monkeypatch.setattr(parsed_verdicts, "RECENT", 2)
    parsed = ParsedVerdicts()
    kept = parsed.parse(said("node1"))
    for vlan in range(10, 20):
        parsed.parse(said("node1", vlan))
    assert parsed.parse(said("node1")) is kept


def test_what_nobody_keeps_is_forgotten_once_it_is_not_recent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaced verdicts take no memory."""
    monkeypatch.setattr(parsed_verdicts, "RECENT", 2)
    parsed = ParsedVerdicts()
    former = weakref.ref(parsed.parse(said("node1")))
    for vlan in range(10, 20):
        parsed.parse(said("node1", vlan))
    gc.collect()
    assert former() is None


def test_a_replaced_verdict_is_recent_for_seconds() -> None:
    """Where little is said, thousands would otherwise be kept for hours."""
    clock = ManualClock()
    parsed = ParsedVerdicts(clock)
    former = weakref.ref(parsed.parse(said("node1")))
    parsed.parse(said("node1", 8))
    gc.collect()
    assert former() is not None
    clock.seconds += RECENT_S + 1
    parsed.parse(said("node1", 9))
    gc.collect()
    assert former() is None
    assert parsed._recent._bytes == len(said("node1", 9))


def test_recent_verdicts_are_limited_by_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """R20: some hundred large ones that somebody reports would take as much as thousands."""
    monkeypatch.setattr(parsed_verdicts, "RECENT_BYTES", 3 * len(said("node1")))
    parsed = ParsedVerdicts()
    for vlan in [*range(100, 120), 119, 119]:
        parsed.parse(said("node1", vlan))
        parsed.keep(said("node1", vlan), parsed.parse(said("node1", vlan)))
    assert len(parsed._recent._kept) == 2
    assert parsed._recent._bytes == sum(size for size, *_ in parsed._recent._kept.values())


def test_hosts_share_what_they_say_alike_and_say_the_same_as_before() -> None:
    """Sharing changes no verdict: each equals what was parsed, and its JSON is the same."""
    parsed = ParsedVerdicts()
    texts = [said("node1"), said("node2", rtt_ms=0.7)]
    one, other = map(parsed.parse, texts)
    assert [one, other] == [Verdict.from_wire(text) for text in texts]
    assert [one.to_json(), other.to_json()] == texts
    assert one.segment is other.segment
    assert one.targets[0].gateway is other.targets[0].gateway
    assert one.model_fields_set is other.model_fields_set
    assert one.targets[0].vlan.rtt_ms != other.targets[0].vlan.rtt_ms


def test_the_names_of_fields_are_kept_once_for_all_messages_of_a_class() -> None:
    """They take half of what a message takes; others of the class may have come before."""

    class Sample(Message):
        first: str
        second: int = 0
        third: int = 0
        fourth: int = 0
        fifth: int = 0
        sixth: int = 0

    alone = [Sample.from_wire({"first": str(number)}) for number in range(50)]
    shared = Sample.from_wire({"first": "1"})
    compact(shared)
    assert sys.getsizeof(vars(shared)) < sys.getsizeof(vars(alone[1])) * 0.6
    assert shared == alone[1]


def test_a_verdict_that_is_kept_already_is_not_touched() -> None:
    """Another thread may read it."""
    parsed = ParsedVerdicts()
    kept = parsed.parse(said("node1"))
    fields = vars(kept)
    parsed.keep(said("node1"), kept)
    assert vars(kept) is fields


def test_a_word_is_not_exchanged_for_the_member_of_an_enumeration_that_equals_it() -> None:
    """They are equal, and no message may have the one in the place of the other."""
    parsed = ParsedVerdicts()
    parsed.parse(said("reachable"))
    found = parsed.parse(said("node1"))
    assert type(found.targets[0].vlan.outcome) is ReachOutcome


def test_the_parts_that_are_remembered_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids of requests never come again; they must not fill the memory."""
    monkeypatch.setattr(parsed_verdicts, "MAX_PARTS", 10)
    parsed = ParsedVerdicts()
    for vlan in range(1, 50):
        parsed.parse(said("node1", vlan))
    assert len(parsed._parts) <= 20
