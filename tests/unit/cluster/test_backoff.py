"""How long to wait, as a function of what went wrong."""

from hypothesis import given
from hypothesis import strategies as st

from services.cluster.backoff import CAP_S, backoff_s
from services.cluster.errors import Expired, Throttled, Unavailable

JITTER = st.floats(0, 1)


@given(attempt=st.integers(1, 10_000), jitter=JITTER)
def test_a_delay_has_full_jitter_under_a_cap(attempt: int, jitter: float) -> None:
    """Anywhere from nothing to the cap, in proportion to the random number, and never beyond it."""
    delay = backoff_s(attempt, Unavailable("x"), jitter=jitter)
    assert 0 <= delay <= CAP_S
    assert delay == jitter * backoff_s(attempt, Unavailable("x"), jitter=1)
    assert backoff_s(attempt + 1, Unavailable("x"), jitter=1) >= backoff_s(
        attempt, Unavailable("x"), jitter=1
    )


@given(attempt=st.integers(1, 100), jitter=JITTER, pause=st.floats(0, 3_600))
def test_a_throttled_client_is_never_early(attempt: int, jitter: float, pause: float) -> None:
    """What the server asked for is the least, whatever the dice say."""
    assert backoff_s(attempt, Throttled("x", retry_after_s=pause), jitter=jitter) >= pause


def test_the_first_expiry_costs_nothing_and_a_storm_of_them_does() -> None:
    """A list is wanted at once; a server that says 410 to everything is not asked in a tight loop."""
    assert backoff_s(1, Expired("x"), jitter=1) == 0
    assert backoff_s(2, Expired("x"), jitter=1) > 0
