"""What a prober reports in full, and what it only repeats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.messages import MAX_SEGMENTS, Segment
from services.contract.outcomes import DHCPOutcome, Fault, LeaseOutcome, ReachOutcome
from services.contract.reports import MAX_CLUSTER_NETWORKS, MAX_REPEATS, Report
from services.prober.engine.results import (
    DHCPOffer,
    DiscoveryResult,
    LeaseResult,
    ReachResult,
    SegmentResult,
    TargetResult,
)
from services.prober.fingerprints import fingerprint
from services.prober.known_verdicts import FULL_EVERY_S
from services.prober.outbox import ANSWERED_WITHIN_S, MAX_WAITING, REPEATS_HELD_S, Batch, Found, Outbox
from tests.unit.prober.test_results import FOUND, OFFERED

CHECK = FOUND._replace(dhcp=None, dropped_frames=0)
ASK = FOUND._replace(dropped_frames=0)
assert ASK.dhcp is not None
SILENT = CHECK._replace(targets=(CHECK.targets[0]._replace(vlan=ReachResult(ReachOutcome.SILENT, None, 3)),))
VLAN = Segment(cluster_network="extra", vlan=7)


class Prober:
    """An outbox with its host's counter."""

    def __init__(self) -> None:
        self.outbox, self.counter, self.now = Outbox(), 0, 100.0

    def add(self, *results: SegmentResult) -> None:
        for result in results:
            self.counter += 1
            self.outbox.add(Found(result, f"r{self.counter}", 5, self.counter), self.now)

    def sent(self) -> list[str]:
        """Send what waits; return its counters, those of repeats in brackets."""
        told = []
        while len(self.outbox):
            batch = self.outbox.next()
            Report.from_wire(batch.report("node1").to_json())
            self.outbox.sent(batch, self.now)
            told += [str(found.counter) for found in batch.full]
            told += [f"({found.counter})" for found in batch.repeats]
        return told

    def tell(self, *results: SegmentResult) -> list[str]:
        """Add these results and send them, one after the other."""
        told = []
        for result in results:
            self.add(result)
            told += self.sent()
        return told


def test_what_says_the_same_is_repeated_and_what_differs_is_not() -> None:
    """Each time in comparison with the last one."""
    assert Prober().tell(CHECK, CHECK, SILENT, SILENT, CHECK, CHECK) == ["1", "(2)", "3", "(4)", "5", "(6)"]


def test_a_segment_is_compared_with_itself() -> None:
    """The same VLAN of another cluster network is another segment."""
    prober = Prober()
    others = (CHECK._replace(vlan=8), CHECK._replace(cluster_network="mgmt"))
    assert prober.tell(CHECK, *others, CHECK, *others) == ["1", "2", "3", "(4)", "(5)", "(6)"]


def test_an_answer_to_dhcp_repeats_the_last_one_whatever_was_checked_since() -> None:
    """The updater keeps the newest that asked DHCP beside the newest, and only these two."""
    prober = Prober()
    assert prober.tell(ASK, CHECK, CHECK, ASK, CHECK) == ["1", "2", "(3)", "(4)", "5"]


def test_a_verdict_is_in_full_every_hour_although_nothing_changes() -> None:
    """Its round-trip times are shown."""
    prober = Prober()
    told = prober.tell(CHECK)
    for _ in range(3):
        prober.now += FULL_EVERY_S / 2
        told += prober.tell(CHECK)
    assert told == ["1", "(2)", "3", "(4)"]


def test_faults_and_lost_frames_are_always_reported_in_full() -> None:
    """And so is what follows them."""
    faulty, lossy = CHECK._replace(fault=Fault.UPLINK_DOWN), CHECK._replace(dropped_frames=1)
    told = Prober().tell(CHECK, faulty, faulty, CHECK, lossy, lossy, CHECK)
    assert told == ["1", "2", "3", "4", "5", "6", "7"]


def test_a_stopped_probe_changes_nothing() -> None:
    """The updater does not store it, so what came before can still be repeated."""
    assert Prober().tell(CHECK, CHECK._replace(fault=Fault.STOPPED), CHECK) == ["1", "2", "(3)"]


def test_repeats_wait_for_others_and_go_with_the_next_report() -> None:
    """What is news waits for nothing."""
    prober = Prober()
    prober.tell(CHECK, CHECK._replace(vlan=8))
    assert prober.outbox.due_at() is None
    prober.add(CHECK)
    prober.now += 0.5
    prober.add(CHECK._replace(vlan=8))
    assert prober.outbox.due_at() == 100.0 + REPEATS_HELD_S
    prober.add(SILENT)
    assert prober.outbox.due_at() == float("-inf")
    assert prober.sent() == ["5", "(3)", "(4)"]


def test_what_is_unknown_is_sent_in_full_under_its_own_number() -> None:
    """So it is as late as a report that waited, and replaces nothing that is newer."""
    prober = Prober()
    prober.tell(ASK, CHECK, CHECK, ASK)
    prober.outbox.answer(VLAN, prober.now + ANSWERED_WITHIN_S)
    assert prober.sent() == ["4", "3"]
    assert prober.tell(ASK) == ["(5)"]


def test_what_was_repeated_too_long_ago_is_not_sent_as_if_it_were_new() -> None:
    """The next verdict is in full instead."""
    prober = Prober()
    prober.tell(CHECK, CHECK)
    prober.now += ANSWERED_WITHIN_S + 1
    prober.outbox.answer(VLAN, prober.now)
    assert prober.sent() == []
    assert prober.tell(CHECK, CHECK) == ["3", "(4)"]


def test_a_request_about_a_segment_that_was_never_probed_changes_nothing() -> None:
    """Anybody with access to Redis may send one."""
    prober = Prober()
    prober.tell(CHECK)
    prober.outbox.answer(Segment(cluster_network="other", vlan=7), prober.now)
    assert prober.tell(CHECK) == ["(2)"]


def test_reports_are_bounded_and_what_is_repeated_comes_first() -> None:
    """A repeat does not overtake the verdict that it names."""
    prober = Prober()
    names = [f"net{number}" for number in range(MAX_CLUSTER_NETWORKS + 3)]
    prober.add(*(CHECK._replace(vlan=vlan) for vlan in range(1, MAX_SEGMENTS + 2)))
    prober.add(*(CHECK._replace(vlan=vlan) for vlan in range(1, MAX_SEGMENTS + 2)))
    first = prober.outbox.next()
    assert (len(first.full), len(first.repeats)) == (MAX_SEGMENTS, 0)
    assert prober.sent()[:2] == ["1", "2"]
    prober.add(*(CHECK._replace(vlan=vlan) for vlan in range(1, 4095)))
    prober.sent()
    prober.add(*(CHECK._replace(vlan=vlan) for vlan in range(1, 4095)))
    assert len(prober.outbox.next().repeats) == MAX_REPEATS
    prober.sent()
    prober.tell(*(CHECK._replace(cluster_network=name) for name in names))
    prober.add(*(CHECK._replace(cluster_network=name) for name in names))
    assert [len(batch) for batch in drained(prober)] == [MAX_CLUSTER_NETWORKS, 3]


def drained(prober: Prober) -> list[Batch]:
    """Send what waits; return the batches."""
    batches = []
    while len(prober.outbox):
        batches.append(prober.outbox.next())
        prober.outbox.sent(batches[-1], prober.now)
    return batches


def test_the_oldest_are_discarded_while_redis_is_away() -> None:
    """A repeat of one that was discarded is unknown to the updater, which asks for it."""
    prober = Prober()
    faulty = CHECK._replace(fault=Fault.UPLINK_DOWN)
    prober.add(*([faulty] * (MAX_WAITING + 2)))
    assert prober.outbox.discard() == 2
    assert prober.outbox.next().full[0].counter == 3


OFFERS = st.builds(
    DHCPOffer, server=st.integers(1, 3), address=st.integers(1, 3), prefix=st.none() | st.integers(0, 32),
    gateway=st.none() | st.integers(1, 3), routers=st.lists(st.integers(1, 2), max_size=2).map(tuple),
    relay=st.integers(0, 1), lease_s=st.none() | st.integers(0, 1), after_s=st.floats(0, 1),
    unasked_ack=st.booleans(), server_mac=st.sampled_from([b"", b"\2\0\0\0\0\1"]), secs=st.integers(0, 9),
)  # fmt: skip
REACHES = st.builds(
    ReachResult, outcome=st.sampled_from(ReachOutcome), rtt_s=st.none() | st.floats(0, 1),
    attempts=st.integers(0, 3), mac=st.sampled_from([None, b"\2\0\0\0\0\1"]),
)  # fmt: skip
RESULTS = st.builds(
    SegmentResult, cluster_network=st.just("extra"), vlan=st.just(7),
    dhcp=st.none() | st.builds(
        DiscoveryResult, outcome=st.sampled_from(DHCPOutcome), offers=st.lists(OFFERS, max_size=2).map(tuple),
        attempts=st.integers(0, 3), elapsed_s=st.floats(0, 9), omitted=st.integers(0, 1),
    ),
    targets=st.lists(st.builds(
        TargetResult, digest=st.sampled_from(["0" * 16, "1" * 16]), offer=st.none() | OFFERS,
        gateway=st.none() | st.integers(1, 2), vlan=REACHES, routed=REACHES, echo=REACHES,
    ), max_size=2).map(tuple),
    fault=st.none(), dropped_frames=st.just(0),
    lease=st.none() | st.builds(
        LeaseResult, outcome=st.sampled_from(LeaseOutcome), server=st.integers(1, 2),
        address=st.integers(1, 2), attempts=st.integers(0, 2), elapsed_s=st.floats(0, 1),
        owner=st.sampled_from([None, b"\2\0\0\0\0\1"]),
    ),
    rogues=st.frozensets(st.integers(1, 3)),
)  # fmt: skip


TARGET, OFFER = FOUND.targets[0], OFFERED


@pytest.mark.parametrize(
    "other",
    [
        *(
            ASK._replace(targets=(TARGET._replace(**change),))
            for change in (
                {"digest": "1" * 16},
                {"offer": None},
                {"offer": OFFER._replace(prefix=24)},
                {"gateway": 5},
                {"vlan": ReachResult(ReachOutcome.SILENT, None, 3)},
                {"routed": ReachResult(ReachOutcome.SILENT, None, 2)},
                {"vlan": TARGET.vlan._replace(mac=b"123456")},
                {"echo": ReachResult(ReachOutcome.REACHABLE)},
            )
        ),
        *(
            ASK._replace(dhcp=ASK.dhcp._replace(offers=(OFFER._replace(**change),)))
            for change in (
                {"server": 5},
                {"address": 5},
                {"prefix": None},
                {"gateway": None},
                {"routers": ()},
                {"relay": 0},
                {"lease_s": None},
                {"unasked_ack": True},
                {"server_mac": b"123456"},
            )
        ),
        ASK._replace(dhcp=ASK.dhcp._replace(omitted=1)),
        ASK._replace(dhcp=ASK.dhcp._replace(outcome=DHCPOutcome.INCONCLUSIVE)),
        ASK._replace(rogues=frozenset({OFFER.server})),
        ASK._replace(lease=LeaseResult(next(iter(LeaseOutcome)), 1, 2, 1, 0.1)),
        ASK._replace(targets=()),
        CHECK,
    ],
)
def test_every_other_difference_changes_the_fingerprint(other: SegmentResult) -> None:
    """Whatever a verdict says but the numbers of the moment."""
    assert fingerprint(other) != fingerprint(ASK)


@given(result=RESULTS, data=st.data())
def test_numbers_of_the_moment_are_not_in_a_fingerprint(result: SegmentResult, data: st.DataObject) -> None:
    """Durations, and the attempts of DHCP and of what answered."""
    seconds = data.draw(st.floats(0, 9))
    later = result
    if result.dhcp is not None:
        offers = tuple(offer._replace(after_s=seconds, secs=9, xid=b"1234") for offer in result.dhcp.offers)
        later = later._replace(dhcp=result.dhcp._replace(attempts=9, elapsed_s=seconds, offers=offers))
    answered = [
        target._replace(
            vlan=target.vlan._replace(rtt_s=seconds),
            routed=target.routed._replace(outcome=ReachOutcome.REACHABLE, attempts=9),
        )
        for target in result.targets
    ]
    before = [
        target._replace(routed=target.routed._replace(outcome=ReachOutcome.REACHABLE))
        for target in result.targets
    ]
    assert fingerprint(later._replace(targets=tuple(answered))) == fingerprint(
        result._replace(targets=tuple(before))
    )
