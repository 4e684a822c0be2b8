"""The watcher's metrics."""

from services.watcher.metrics import OTHER, BoundedLabel


def test_a_label_has_a_bounded_number_of_values() -> None:
    """Values beyond the limit share one label; those known before keep theirs."""
    label = BoundedLabel(2)
    assert [label(value) for value in ("a", "b", "c", "a", "d")] == ["a", "b", OTHER, "a", OTHER]
