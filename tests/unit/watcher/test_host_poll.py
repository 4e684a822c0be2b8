"""The watcher's look at Redis, again and again, by a Redis that is scripted."""

from collections.abc import Callable

import pytest
import redis

from services.watcher import hosts
from services.watcher.hosts import HostPoll, HostReader, Look
from tests.support.log_lines import log_lines
from tests.support.manual_clock import ManualClock


class ScriptedReader(HostReader):
    """Each look does the next thing."""

    def __init__(self, *looks: Callable[[], Look]) -> None:
        self._looks = list(looks)

    def look(self) -> Look:
        return self._looks.pop(0)()


def away() -> Look:
    raise redis.ConnectionError("refused")


def seen() -> Look:
    return Look(())


def poll(*looks: Callable[[], Look], told: list[Look]) -> HostPoll:
    """One that is stopped after the last of these."""

    def stop() -> Look:
        made.stop()
        return Look((), paused=True)

    made = HostPoll(ScriptedReader(*looks, stop), told.append, clock=ManualClock(), interval_s=1.0)
    return made


def test_a_redis_that_is_away_is_told_once_and_passes_on_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time that it goes and each time that it is back, however many looks fail in between."""
    lines, told = log_lines(monkeypatch, hosts), list[Look]()
    poll(away, away, seen, seen, away, told=told)._run()
    assert [line["event"] for line in lines] == [
        "hosts cannot be read",
        "hosts can be read again",
        "hosts cannot be read",
        "hosts can be read again",
    ]
    assert told == [Look(()), Look(())]


def test_a_look_that_ends_after_the_stop_is_not_passed_on() -> None:
    """Whoever stopped it is told nothing any more."""
    told: list[Look] = []
    poll(told=told)._run()
    assert told == []
