"""Durations as text."""

import pytest

from services.view.durations import describe_age, read_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12s", 12), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("7", 7), ("1.5s", 1.5), (" 3 s ", 3)],
)
def test_a_duration_has_a_unit_or_is_seconds(text: str, seconds: float) -> None:
    """Any unit, or none, is converted to seconds."""
    assert read_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "-1s", "12 parsecs", "1e3", "nan", "٣s", "1s1s"])
def test_an_invalid_duration_is_refused_with_an_example(text: str) -> None:
    """The error has what was given and what was expected."""
    with pytest.raises(ValueError, match="expected a duration such as 12s") as caught:
        read_duration(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (61, "1m 1s"), (3600, "1h"), (90_061, "1d 1h"), (-5, "0s")],
)
def test_an_age_has_its_two_largest_units(seconds: float, text: str) -> None:
    """A negative age is 0s."""
    assert describe_age(seconds) == text
