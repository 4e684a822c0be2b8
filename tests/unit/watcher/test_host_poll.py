"""The watcher's look at Redis, again and again, by a Redis that is scripted."""

from collections.abc import Callable

import pytest
import redis

from services.watcher import hosts
from services.watcher.hosts import HostPoll, HostReader, PollResult
from tests.support.log_lines import log_lines
from tests.support.manual_clock import ManualClock


class ScriptedReader(HostReader):
    """Each look does the next thing."""

    def __init__(self, *looks: Callable[[], PollResult]) -> None:
        self._looks = list(looks)

    def poll(self) -> PollResult:
        return self._looks.pop(0)()


def away() -> PollResult:
    raise redis.ConnectionError("refused")


def seen() -> PollResult:
    return PollResult(())


def poll(*looks: Callable[[], PollResult], told: list[PollResult]) -> HostPoll:
    """One that is stopped after the last of these."""

    def stop() -> PollResult:
        made.stop()
        return PollResult((), paused=True)

    made = HostPoll(ScriptedReader(*looks, stop), told.append, clock=ManualClock(), interval_s=1.0)
    return made


def test_a_redis_that_is_away_is_told_once_and_passes_on_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time that it goes and each time that it is back, however many looks fail in between."""
    lines, told = log_lines(monkeypatch, hosts), list[PollResult]()
    poll(away, away, seen, seen, away, told=told)._run()
    assert [line["event"] for line in lines] == [
        "hosts cannot be read",
        "hosts are readable again",
        "hosts cannot be read",
        "hosts are readable again",
    ]
    assert told == [PollResult(()), PollResult(())]


def test_a_look_that_ends_after_the_stop_is_not_passed_on() -> None:
    """Whoever stopped it is told nothing any more."""
    told: list[PollResult] = []
    poll(told=told)._run()
    assert told == []
