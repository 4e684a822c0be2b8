"""The same trouble keeps its identity."""

from hypothesis import given
from hypothesis import strategies as st

from services.contract.causes import MAX_CAUSES, CausesRecord
from services.network.causes.finding import Cause
from services.network.causes.identities import record_causes
from services.network.causes.kinds import CauseKind

EARLIER, LATER = "2026-11-28T10:00:00Z", "2026-11-28T10:05:00Z"
NOTHING = CausesRecord()


def cause(kind: CauseKind, *vlans: int, subject: str = "") -> Cause:
    networks = tuple(f"default/vlan{vlan}" for vlan in vlans)
    return Cause(kind, subject or kind.value, networks, (), tuple(vlans))


def recorded(*causes: Cause, before: CausesRecord = NOTHING, now: str = LATER) -> CausesRecord:
    return record_causes(causes, before, now=now)


def test_a_sharper_explanation_continues_the_cause() -> None:
    """An uplink that turns out to be a router keeps id and since, though kind and subject differ."""
    (first,) = recorded(cause(CauseKind.UPLINK, *range(40)), now=EARLIER).causes
    before = CausesRecord(causes=(first,))
    (second,) = recorded(cause(CauseKind.ROUTER, *range(5, 45)), before=before).causes
    assert (second.id, second.since, second.kind) == (first.id, EARLIER, "RouterDown")


def test_another_trouble_is_another_cause() -> None:
    """Less than half of the networks of either are the same."""
    before = recorded(cause(CauseKind.UPLINK, *range(10)), now=EARLIER)
    (other,) = recorded(cause(CauseKind.UPLINK, *range(8, 18)), before=before).causes
    assert (other.id != before.causes[0].id, other.since) == (True, LATER)


def test_a_cause_that_divides_is_continued_once() -> None:
    """By the one that shares the most; the other one is new."""
    before = recorded(cause(CauseKind.VLANS_GONE, *range(10)), now=EARLIER)
    parts = [cause(CauseKind.GATEWAY, 1, 2), cause(CauseKind.VLANS_GONE, *range(3, 10))]
    small, large = recorded(*parts, before=before).causes
    assert (large.id, large.since) == (before.causes[0].id, EARLIER)
    assert (small.id != large.id, small.since) == (True, LATER)


def test_two_causes_of_the_same_networks_are_not_exchanged() -> None:
    """Kind and subject decide where the networks do not."""
    stranger = cause(CauseKind.STRANGER, 1, 2, subject="10.0.0.1")
    server = cause(CauseKind.DHCP_SERVER, 1, 2, subject="10.0.0.1")
    before = recorded(stranger, server, now=EARLIER)
    ids = {each.kind: each.id for each in before.causes}
    again = recorded(server, stranger, before=before)
    assert {each.kind: each.id for each in again.causes} == ids


def test_more_causes_than_are_kept_are_counted() -> None:
    """What is left out is told."""
    found = recorded(*(cause(CauseKind.GATEWAY, vlan, subject=str(vlan)) for vlan in range(MAX_CAUSES + 3)))
    assert (len(found.causes), found.omitted) == (MAX_CAUSES, 3)


SOME = st.lists(
    st.builds(
        lambda kind, vlans: cause(kind, *sorted(vlans)),
        st.sampled_from(CauseKind),
        st.sets(st.integers(1, 12), min_size=1, max_size=8),
    ),
    max_size=6,
)


@given(SOME, SOME)
def test_no_two_causes_share_an_identity(first: list[Cause], second: list[Cause]) -> None:
    """The same causes keep theirs, each id is there once, and the record survives the wire."""
    before = recorded(*first, now=EARLIER)
    after = recorded(*second, before=before)
    for record in (before, after):
        assert len({each.id for each in record.causes}) == len(record.causes)
        assert CausesRecord.from_wire(record.to_wire()) == record
    assert recorded(*second, before=after, now="2026-11-28T11:00:00Z") == after
