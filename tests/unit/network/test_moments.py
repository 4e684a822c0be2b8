"""When time alone changes what is judged."""

import pytest

from services.contract.doubts import DoubtKind
from services.contract.open_doubts import NO_DOUBTS, Doubts, OpenDoubt
from services.network.judge.moments import expires_ms, judged_again_ms

NOW_MS = 1_000_000
BOUND_MS = 25_000
FRESH_S = 600.0


def again_ms(doubts: Doubts, *, after_ms: int = 0) -> int | None:
    """Return when a network is judged again about which nothing has just changed."""
    return judged_again_ms(doubts, doubts, bound_ms=BOUND_MS, fresh_s=FRESH_S, now_ms=NOW_MS + after_ms)


@pytest.mark.parametrize(
    ("doubts", "seconds"),
    [
        ({"differs_since_ms": NOW_MS}, [25]),
        ({"undecided_since_ms": NOW_MS}, [15, 25, 600]),
        ({"unconfirmed_since_ms": NOW_MS}, [3_600]),
        ({"watermark_ms": NOW_MS}, []),
        ({"reach": OpenDoubt(kind=DoubtKind.SILENT, since_ms=NOW_MS, published_ms=NOW_MS)}, [10, 25]),
        ({"reach": OpenDoubt(kind=DoubtKind.ANSWERED, since_ms=NOW_MS, published_ms=NOW_MS)}, [5, 10, 25]),
        ({"no_offer": OpenDoubt(kind=DoubtKind.NO_OFFER, since_ms=NOW_MS, is_complete=True)}, [25]),
    ],
)
def test_each_limit_is_a_moment(doubts: dict[str, object], seconds: list[int]) -> None:
    """They come one after the other, and then no more."""
    remembered, found, after_ms = Doubts(digest="0" * 16, **doubts), list[float](), 0
    while (at_ms := again_ms(remembered, after_ms=after_ms)) is not None:
        after_ms = at_ms - NOW_MS
        found.append(after_ms / 1000)
    assert found == seconds


def test_what_has_just_changed_is_judged_once_more() -> None:
    """Until nothing changes: the next judgement may go on from there."""
    changed = Doubts(digest="0" * 16, watermark_ms=NOW_MS)
    given = {"bound_ms": BOUND_MS, "fresh_s": FRESH_S, "now_ms": NOW_MS}
    assert judged_again_ms(changed, NO_DOUBTS, **given) == NOW_MS + 1  # type: ignore[arg-type]
    assert judged_again_ms(changed, changed, **given) is None  # type: ignore[arg-type]


def test_an_answer_to_dhcp_counts_twice_as_long() -> None:
    """One host asks per interval."""
    assert expires_ms([NOW_MS], [NOW_MS], fresh_s=FRESH_S, after_ms=NOW_MS) == NOW_MS + 600_000
    assert expires_ms([NOW_MS], [NOW_MS], fresh_s=FRESH_S, after_ms=NOW_MS + 600_000) == NOW_MS + 1_200_000
    assert expires_ms([], [NOW_MS], fresh_s=FRESH_S, after_ms=NOW_MS + 1_200_000) is None
