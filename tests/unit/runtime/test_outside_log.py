"""R20: whoever may write in Redis or Kubernetes fills no disk with log lines."""

from types import ModuleType

import pytest

from services.runtime.process import outside_log
from services.runtime.process.outside_log import LINES, REMEMBERED, WINDOW_S, OutsideLog, tell
from services.runtime.stored import dead_letters
from tests.support.log_lines import log_lines
from tests.support.manual_clock import ManualClock

module: ModuleType = dead_letters
"""Any module with a logger."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    clock = ManualClock()
    monkeypatch.setattr(outside_log, "_lines", OutsideLog(clock))
    return clock


def test_the_same_warning_is_logged_each_time_it_has_come_ten_times_as_often(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With how often it has come; the others are for debugging."""
    assert clock
    lines = log_lines(monkeypatch, module)
    for _ in range(1234):
        tell(module.log, "junk", key="x")
    times = [line.get("times", 1) for line in lines if line["log_level"] == "warning"]
    assert times == [1, 10, 100, 1000]
    tell(module.log, "junk", key="y")
    tell(module.log, "junk", key="x", content="other")
    assert [line["log_level"] for line in lines[-2:]] == ["warning", "warning"]


def test_only_so_many_lines_a_minute_are_logged(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an event, be it news or junk; no other is hidden, and later it is said how many were left out."""
    lines = log_lines(monkeypatch, module)
    for number in range(LINES + 5):
        tell(module.log, "junk", key=str(number))
        tell(module.log, "news", level="info")
    assert sum(line["log_level"] != "debug" for line in lines) == 2 * LINES
    tell(module.log, "other junk")
    assert lines[-1]["log_level"] == "warning"
    clock.seconds += WINDOW_S
    tell(module.log, "news", level="info")
    assert (lines[-1]["log_level"], lines[-1]["lines_left_out"]) == ("info", 5)


def test_news_is_logged_each_time(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that restarts twice did so twice."""
    assert clock
    lines = log_lines(monkeypatch, module)
    for _ in range(3):
        tell(module.log, "host restarted", level="info", host="node1")
    assert [line["log_level"] for line in lines] == ["info"] * 3


def test_a_line_is_bounded_and_so_is_what_is_remembered(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value of megabytes is cut, and of a flood of different lines only digests of the last are kept."""
    assert clock
    lines = log_lines(monkeypatch, module)
    tell(module.log, "junk", key="\ud800" * 1_000_000)
    assert len(lines[0]["key"]) == outside_log.MAX_VALUE_CHARACTERS
    for number in range(REMEMBERED + 10):
        tell(module.log, "junk", key=str(number))
    assert len(outside_log._lines._times) == REMEMBERED
