"""The watcher's poll of Redis, with a scripted Redis."""

from collections.abc import Callable

import pytest
import redis

from services.watcher import hosts
from services.watcher.hosts import HostPoll, HostReader, PollResult
from tests.support.log_lines import log_lines
from tests.support.manual_clock import ManualClock


class ScriptedReader(HostReader):
    """A reader whose polls are scripted."""

    def __init__(self, *polls: Callable[[], PollResult]) -> None:
        self._looks = list(polls)

    def poll(self) -> PollResult:
        return self._looks.pop(0)()


def away() -> PollResult:
    raise redis.ConnectionError("refused")


def seen() -> PollResult:
    return PollResult(())


def poll(*polls: Callable[[], PollResult], results: list[PollResult]) -> HostPoll:
    """Return a poll that is stopped after the last of these results."""

    def stop() -> PollResult:
        made.stop()
        return PollResult((), paused=True)

    made = HostPoll(ScriptedReader(*polls, stop), results.append, clock=ManualClock(), interval_s=1.0)
    return made


def test_an_outage_of_redis_is_logged_once_and_passes_nothing_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its begin and its end are logged once each, however many polls fail in between."""
    lines, results = log_lines(monkeypatch, hosts), list[PollResult]()
    poll(away, away, seen, seen, away, results=results)._run()
    assert [line["event"] for line in lines] == [
        "hosts cannot be read",
        "hosts are readable again",
        "hosts cannot be read",
        "hosts are readable again",
    ]
    assert results == [PollResult(()), PollResult(())]


def test_a_poll_that_ends_after_the_stop_is_not_passed_on() -> None:
    """The listener is not called after stop()."""
    results: list[PollResult] = []
    poll(results=results)._run()
    assert results == []
