"""What a conclusion's record remembers of the judgement, taken up after a restart."""

import pytest

from services.contract.doubts import DoubtKind
from services.contract.open_doubts import NO_DOUBTS, Doubts, OpenDoubt
from services.updater.memory.open_doubts import loaded

NOW_MS = 1_000_000
MOMENTS = [name for name in Doubts.model_fields if name.endswith("_ms")]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_moment_of_the_past_is_remembered_and_one_of_the_future_is_forged(moment: str) -> None:
    """Observed time never goes back, so a later moment was not stored by an updater."""
    assert len(MOMENTS) >= 5
    for at_ms, is_taken in ((NOW_MS, True), (NOW_MS + 1, False)):
        stored = Doubts(digest="0" * 16, **{moment: at_ms})
        assert loaded(stored, now_ms=NOW_MS) == (stored if is_taken else NO_DOUBTS)


def test_a_doubt_of_the_future_is_forged() -> None:
    """It would never end."""
    for since_ms, is_taken in ((NOW_MS, True), (NOW_MS + 1, False)):
        doubt = OpenDoubt(kind=DoubtKind.SILENT, since_ms=since_ms)
        stored = Doubts(digest="0" * 16, reach=doubt)
        assert loaded(stored, now_ms=NOW_MS) == (stored if is_taken else NO_DOUBTS)
