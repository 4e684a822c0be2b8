"""The demo's own program: the time that a reader has for its instructions."""

import os
import sys
from collections.abc import Iterator

import pytest

from lab.demo import __main__ as demo


class Checks:
    """Counts the checks of the processes; raises in the second one where told to."""

    def __init__(self, *, fails: bool = False) -> None:
        self.count = 0
        self._fails = fails

    def __call__(self) -> None:
        self.count += 1
        if self._fails and self.count == 2:
            raise RuntimeError("redis ended")


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The writing end of standard input; polling takes no time."""
    monkeypatch.setattr(demo, "POLL_INTERVAL_S", 0.0)
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield writing
    os.close(writing)


def test_enter_ends_the_wait_and_is_consumed(keyboard: int, capsys: pytest.CaptureFixture[str]) -> None:
    """What follows the line is for the next reader."""
    os.write(keyboard, b"\n")
    checks = Checks()
    demo.wait_for_reader(checks, limit_s=1_000.0)
    assert checks.count == 1
    assert "press Enter, or in 1000 s" in capsys.readouterr().out


@pytest.mark.usefixtures("keyboard")
def test_the_wait_is_limited() -> None:
    """Without Enter, the table follows all the same."""
    checks = Checks()
    demo.wait_for_reader(checks, limit_s=0.0)
    assert checks.count == 0


@pytest.mark.usefixtures("keyboard")
def test_a_process_that_ends_meanwhile_is_noticed() -> None:
    """The processes are checked while the reader reads."""
    with pytest.raises(RuntimeError, match="redis ended"):
        demo.wait_for_reader(Checks(fails=True), limit_s=1_000.0)


@pytest.mark.usefixtures("keyboard")
def test_ctrl_c_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo stops at once."""
    monkeypatch.setattr(demo.interrupted, "is_set", lambda: True)
    demo.wait_for_reader(Checks(), limit_s=1_000.0)
