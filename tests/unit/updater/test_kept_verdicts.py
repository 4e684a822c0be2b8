"""The verdicts in memory say what Redis says, whatever happens while they are read or stored."""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

import pytest

from services.contract.messages import Segment, Verdict
from services.contract.outcomes import Fault
from services.contract.reports import Repeats
from services.contract.verdicts import Confirmed, ObservedTime, SegmentVerdicts
from services.updater.memory.kept_segments import KeptSegment
from services.updater.memory.kept_verdicts import KeptVerdicts
from services.updater.memory.moments import Moments
from tests.support.manual_clock import ManualClock
from tests.unit.network.builders import SEGMENT, dhcp, offer, verdict
from tests.unit.updater.fakes import FakeStore

DIGEST, PRINT = "0" * 16, "a" * 16
FRESH_S = 600.0
TIMEOUT_S = 10.0


class Bench:
    """Verdicts that are kept, and the store below."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = FakeStore(self.clock)
        self.kept = KeptVerdicts(self.store, fresh_s=lambda _: FRESH_S)

    def hosts(self) -> list[str]:
        """Return the hosts that are known on the segment."""
        return [seen.verdict.host for seen in self.kept.read([SEGMENT])[SEGMENT].latest]


def repeated(segment: Segment, *, is_asked: bool = False) -> Repeats:
    """Return one repeat, of a verdict with the fingerprint PRINT."""
    given = (segment.vlan, 3, PRINT, is_asked)
    return Repeats(cluster_network=segment.cluster_network, incarnation=1, verdicts=(given,))


def test_what_is_known_is_not_read_again() -> None:
    """Its ages go on, though."""
    bench = Bench()
    bench.kept.put([verdict(DIGEST)])
    bench.kept.read([SEGMENT])
    bench.store.looked_at.clear()
    bench.clock.seconds += 7
    (seen,) = bench.kept.read([SEGMENT])[SEGMENT].latest
    assert (seen.age_s, bench.store.looked_at) == (7.0, [])


def test_a_verdict_that_comes_while_its_segment_is_read_is_read_too() -> None:
    """What was read is from before; the next judgement must not take it for the present."""
    bench = Bench()
    read = bench.store.read

    def and_then_one_comes(segments: Collection[Segment]) -> Mapping[Segment, SegmentVerdicts]:
        before = read(segments)
        bench.store.read = read  # type: ignore[method-assign]
        bench.kept.put([verdict(DIGEST, host="node2")])
        return before

    bench.kept.put([verdict(DIGEST)])
    bench.store.read = and_then_one_comes  # type: ignore[method-assign]
    assert bench.hosts() == ["node1"]
    assert bench.hosts() == ["node1", "node2"]


def test_a_verdict_that_is_read_before_it_is_told_is_news() -> None:
    """Another network of the segment may have been judged with it, and not all of them."""
    bench = Bench()
    put = bench.store.put

    def and_then_it_is_read(verdicts: Iterable[Verdict]) -> frozenset[Segment]:
        changed = put(verdicts)
        assert bench.hosts() == ["node1"]
        return changed

    bench.store.put = and_then_it_is_read  # type: ignore[method-assign]
    assert bench.kept.put([verdict(DIGEST)]) == (frozenset({SEGMENT}), frozenset({SEGMENT}))


@pytest.mark.parametrize("is_repeat", [False, True])
def test_a_verdict_is_news_if_an_older_one_was_judged_meanwhile(is_repeat: bool) -> None:
    """Reports are taken side by side: a fault and its end may come almost at once."""
    bench = Bench()
    before = verdict(DIGEST, counter=1).model_copy(update={"fingerprint": PRINT})
    bench.kept.put([before])
    bench.hosts()
    put, confirm = bench.store.put, bench.store.confirm

    def a_fault_is_judged() -> None:
        bench.store.put, bench.store.confirm = put, confirm  # type: ignore[method-assign]
        bench.kept.put([verdict(DIGEST, fault=Fault.UPLINK_DOWN, counter=2)])
        bench.hosts()

    def put_later(verdicts: Iterable[Verdict]) -> frozenset[Segment]:
        a_fault_is_judged()
        return put(verdicts)

    def confirm_later(host: str, repeats: Repeats) -> Confirmed:
        a_fault_is_judged()
        put([before.model_copy(update={"counter": 3})])
        return confirm(host, repeats)

    bench.store.put, bench.store.confirm = put_later, confirm_later  # type: ignore[method-assign]
    if is_repeat:
        _, news = bench.kept.confirm("node1", repeated(SEGMENT))
    else:
        _, news = bench.kept.put([before.model_copy(update={"counter": 3})])
    assert news == {SEGMENT}


def _is_forgotten(bench: Bench) -> None:
    bench.kept.forget_others([])


def _is_lost(bench: Bench) -> None:
    bench.kept.reload()


def _stands_still(bench: Bench) -> None:
    bench.clock.seconds += 1
    time = ObservedTime(bench.store.now_ms, resumed_ms=bench.store.now_ms)
    bench.store.time = lambda: time  # type: ignore[method-assign]
    bench.kept.time()


def _expires(bench: Bench) -> None:
    bench.clock.seconds += FRESH_S
    bench.kept.expired(bench.store.now_ms)


def _is_contradicted(bench: Bench) -> None:
    bench.kept.put([verdict(DIGEST, fault=Fault.UPLINK_DOWN, counter=2)])


def _is_answered_elsewhere(bench: Bench) -> None:
    bench.clock.seconds += 1
    bench.kept.confirm("node2", repeated(SEGMENT, is_asked=True))


@pytest.mark.parametrize(
    "happens",
    [_is_forgotten, _is_lost, _stands_still, _expires, _is_contradicted, _is_answered_elsewhere],
)
def test_a_repeat_is_news_if_what_it_repeats_ceased_to_count_meanwhile(
    happens: Callable[[Bench], None],
) -> None:
    """A repeat is compared once more only if something has happened since; each of these is something."""
    bench = Bench()
    answer = dhcp(offer())
    for host, each in (("node2", answer), ("node1", dhcp(offer(server="10.0.0.9")))):
        said = verdict(DIGEST, host=host, dhcp=each).model_copy(update={"fingerprint": PRINT})
        bench.kept.put([said])
        bench.clock.seconds += 1
    bench.kept.read([SEGMENT])
    assert bench.kept.confirm("node1", repeated(SEGMENT, is_asked=True))[1] == frozenset()
    confirm = bench.store.confirm

    def later(host: str, repeats: Repeats) -> Confirmed:
        bench.store.confirm = confirm  # type: ignore[method-assign]
        happens(bench)
        return confirm(host, repeats)

    bench.store.confirm = later  # type: ignore[method-assign]
    assert bench.kept.confirm("node1", repeated(SEGMENT, is_asked=True))[1] == {SEGMENT}


def test_a_repeat_makes_younger_what_was_read_meanwhile() -> None:
    """And not what was kept before."""
    bench = Bench()
    said = verdict(DIGEST, dhcp=dhcp(offer())).model_copy(update={"fingerprint": PRINT})
    bench.kept.put([said])
    bench.hosts()
    bench.kept.put([said])
    bench.clock.seconds += 7
    confirm = bench.store.confirm

    def later(host: str, repeats: Repeats) -> Confirmed:
        bench.hosts()
        return confirm(host, repeats)

    bench.store.confirm = later  # type: ignore[method-assign]
    assert bench.kept.confirm("node1", repeated(SEGMENT))[1] == frozenset()
    (seen,) = bench.kept.read([SEGMENT])[SEGMENT].latest
    assert seen.age_s == 0.0


@pytest.mark.parametrize("late", [frozenset(), frozenset({SEGMENT})])
def test_a_repeated_answer_to_dhcp_is_read_again_only_if_it_came_late(late: frozenset[Segment]) -> None:
    """Only Redis knows then which of the two verdicts gave way to it. Ages begin anew in both cases."""
    bench = Bench()
    bench.kept.put([verdict(DIGEST, dhcp=dhcp(offer())).model_copy(update={"fingerprint": PRINT})])
    bench.hosts()
    bench.store.looked_at.clear()
    bench.clock.seconds += 7
    confirm = bench.store.confirm

    def partly(host: str, repeats: Repeats) -> Confirmed:
        return replace(confirm(host, repeats), partly=late)

    bench.store.confirm = partly  # type: ignore[method-assign]
    _, news = bench.kept.confirm("node1", repeated(SEGMENT, is_asked=True))
    found = bench.kept.read([SEGMENT])[SEGMENT]
    assert (news, bench.store.looked_at) == (frozenset(), list(late))
    assert {seen.age_s for seen in (*found.latest, *found.asked_dhcp)} == {0.0}


def test_a_verdict_is_told_once_when_it_counts_no_more() -> None:
    """Also if it was read again for another reason just before."""
    bench = Bench()
    bench.kept.put([verdict(DIGEST)])
    bench.kept.read([SEGMENT])
    bench.clock.seconds += FRESH_S - 1
    assert bench.kept.expired(bench.store.now_ms) == set()
    bench.clock.seconds += 1
    bench.kept.reload()
    bench.kept.read([SEGMENT])
    assert bench.kept.expired(bench.store.now_ms) == {SEGMENT}
    bench.clock.seconds += 1
    assert bench.kept.expired(bench.store.now_ms) == set()


def test_a_scrape_holds_up_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows thousands of segments, and reports do not wait for the last of them."""
    bench = Bench()
    bench.kept.put([verdict(DIGEST)])
    bench.hosts()
    at, taken = KeptSegment.at, []

    def take_a_report(kept: KeptSegment, time: ObservedTime) -> SegmentVerdicts:
        reports = threading.Thread(
            target=lambda: taken.append(bench.kept.put([verdict(DIGEST)])), daemon=True
        )
        reports.start()
        reports.join(TIMEOUT_S)
        return at(kept, time)

    monkeypatch.setattr(KeptSegment, "at", take_a_report)
    assert len(dict(bench.kept.known([SEGMENT]))[SEGMENT].latest) == len(taken) == 1


def test_what_is_kept_is_told_segment_by_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever goes through all of it holds one at a time."""
    bench, other, told = Bench(), Segment(cluster_network="extra", vlan=4_000), []
    bench.kept.put([verdict(DIGEST), verdict(DIGEST, segment=other)])
    bench.kept.read([SEGMENT, other])
    at = KeptSegment.at

    def count(kept: KeptSegment, time: ObservedTime) -> SegmentVerdicts:
        told.append(kept)
        return at(kept, time)

    monkeypatch.setattr(KeptSegment, "at", count)
    known = bench.kept.known([SEGMENT, other])
    assert next(known)[0] == SEGMENT
    assert len(told) == 1
    assert [segment for segment, _ in known] == [other]


def test_only_a_keys_last_moment_comes() -> None:
    """It replaces the one before, earlier or later; without one, nothing comes."""
    moments = Moments[str]()
    moments.put("a", 5)
    moments.put("b", 5)
    moments.put("c", 5)
    moments.put("a", 9)
    moments.put("b", None)
    assert (moments.take(5), moments.take(8), moments.take(9), moments.take(99)) == (["c"], [], ["a"], [])


def test_reports_on_segments_that_no_network_is_on_take_no_memory() -> None:
    """R20: anybody may report on any, for as long as they like."""
    bench = Bench()
    for vlan in range(1, 4_000):
        segment = Segment(cluster_network="forged", vlan=vlan)
        bench.kept.put([verdict(DIGEST, segment=segment)])
        bench.kept.confirm("node1", repeated(segment))
    assert not bench.kept._changes.at
    assert not bench.kept._changes.contents
    assert not bench.kept._kept
