"""The global pause."""

import pytest

from services.view.pause_state import Pause


def test_a_pause_has_time_author_and_reason() -> None:
    """It is written, read back and described in one sentence."""
    pause = Pause(1_000, "ada@desk", "switch upgrade")
    assert Pause.parse(pause.dump()) == pause
    assert pause.describe(61_000).startswith("paused for 1m by ada@desk: switch upgrade; ")
    assert pause.describe(61_000, 120_000).endswith("until `nadroute resume`, or for another 2m")


@pytest.mark.parametrize(
    "text",
    ["", "1", "[]", "{", '{"since_ms":"x","by":[],"reason":{}}', '{"since_ms":-1}', "[" * 100_000, '"' * 9],
)
def test_a_key_of_any_content_is_a_pause(text: str) -> None:
    """A key set by hand pauses too, with unknown fields."""
    assert Pause.parse(text) == Pause()
    assert Pause.parse(text).describe(5).startswith("paused; ")
