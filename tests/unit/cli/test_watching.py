"""`status --watch`: what a long table shows, how it scrolls, and how old its picture is."""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from services.cli.networks.paging import BOTTOM, DOWN, PAGE_DOWN, PAGE_UP, TOP, UP, Pager
from services.cli.networks.status_command import Shown
from services.cli.networks.watching import SETTLING_S, Follower, Picture, _print_changes, live_lines
from services.cli.options.client import ClientSettings
from services.cluster.cache import NetworkCache
from services.cluster.metrics import WatchMetrics
from services.cluster.watching import NetworkWatch
from services.contract.outcomes import Reason, State
from services.view.host_checks import RedisView
from services.view.rows import NetworkRow, Source, network_row, with_checks
from tests.support.manual_clock import ManualClock
from tests.support.seen_networks import DOWN as SILENT
from tests.support.seen_networks import found, network_with_status, view

NOW = datetime.fromisoformat("2026-11-23T03:07:05+00:00")


def picture(networks: int, *, bad: int = 0) -> Picture:
    """Networks by name, the last ones of which are Partial."""
    made = [
        network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS, name=f"net-{number:03}")
        if number < networks - bad
        else network_with_status(State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS, name=f"net-{number:03}")
        for number in range(networks)
    ]
    seen = view(found("node1"), found("node2", SILENT))
    rows = [replace(network_row(each), source=Source.CONCLUSION) for each in made]
    return Picture(with_checks(rows, seen), seen, NOW, None)


def shown(lines: list[Any]) -> list[str]:
    return [line.plain for line in lines]


def test_a_table_that_fits_stays_in_order() -> None:
    """By name, and without a line on scrolling."""
    lines = shown(live_lines(picture(10, bad=1), Pager(), width=80, height=24))
    assert lines[2].startswith("default/net-000")
    assert not any("scroll" in line for line in lines)


def test_a_table_that_does_not_fit_shows_problems_first() -> None:
    """No more lines than the terminal has; the last one says what is shown."""
    lines = shown(live_lines(picture(100, bad=2), Pager(), width=80, height=24))
    assert len(lines) == 24
    assert lines[2].startswith("default/net-098")
    assert lines[4].startswith("default/net-000")
    assert lines[-1].startswith("rows 1-17 of 100, problems first")
    assert len(lines[-1]) <= 80


def test_keys_scroll_within_the_rows() -> None:
    """By line, by page, to either end, and never beyond."""
    pager = Pager()
    pager.fit(rows=25, page=10)
    for key, first in [
        (UP, 0), (DOWN, 1), (PAGE_DOWN, 11), (PAGE_DOWN, 15), (UP, 14), (PAGE_UP, 4), (TOP, 0), (BOTTOM, 15),
        ("", 15),
    ]:  # fmt: skip
        pager.press(key)
        assert pager.first == first
    pager.fit(rows=12, page=10)
    assert pager.first == 2, "rows went away"


def test_an_old_picture_says_how_old_it_is_and_its_ages_stand_still() -> None:
    """As long as the API server is silent; the line comes before the table."""
    fresh = picture(3)
    old = replace(fresh, stale_s=35.0)
    lines = shown(live_lines(old, Pager(), width=80, height=24))
    assert lines[0] == "the API server has been silent for 35s: networks are shown as they were then"
    assert lines[1:] == shown(live_lines(fresh, Pager(), width=80, height=24))


def test_a_network_that_is_created_again_is_a_new_line(capsys: pytest.CaptureFixture[str]) -> None:
    """K9: even where it looks the same, its predecessor is said to be deleted first."""
    row = network_row(network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS))
    printed: dict[str, NetworkRow] = {}
    for uid in ("old", "old", "new"):
        _print_changes({uid: replace(row, uid=uid)}, printed, Shown(), "table")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["default/office", "Active"], ["default/office", "deleted"], ["default/office", "Active"],
    ]  # fmt: skip
    assert list(printed) == ["new"]


class NoRedis:
    """Knows no host."""

    def read(self, *_: object) -> RedisView:
        return RedisView()


class CountingReader:
    """Counts how often Redis is read."""

    reads = 0

    def read(self, *_: object) -> RedisView:
        self.reads += 1
        return RedisView()


def test_redis_is_read_again_as_soon_as_a_network_changes() -> None:
    """Else the new annotation would be shown for up to 2 s beside the former state."""
    clock, cache, reader, settings = ManualClock(), NetworkCache(), CountingReader(), ClientSettings()
    silent = cast("Any", SimpleNamespace(silent_s=0.0))
    follower = Follower(silent, cache, cast("Any", reader), settings, Shown(), clock)
    follower.picture()
    clock.seconds += SETTLING_S
    follower.picture()
    assert reader.reads == 1
    cache.upserted(network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS))
    follower.picture()
    clock.seconds += SETTLING_S / 2
    follower.picture()
    assert reader.reads == 3, "the conclusion may be stored a moment after the annotation"
    clock.seconds += SETTLING_S / 2
    follower.picture()
    assert reader.reads == 3


def test_silence_of_the_api_server_makes_the_picture_old() -> None:
    """Once it is longer than a watch may be silent; the picture is then as of the last answer."""
    clock, cache, settings = ManualClock(), NetworkCache(), ClientSettings()
    watch = NetworkWatch(
        cast("Any", None),
        cache,
        random=random.Random(1).random,
        clock=clock,
        silence_s=settings.watch_silence_s,
        metrics=WatchMetrics(CollectorRegistry()),
    )
    follower = Follower(watch, cache, cast("Any", NoRedis()), settings, Shown(), clock)
    clock.seconds += settings.watch_silence_s
    assert follower.picture().stale_s is None
    clock.seconds += 1.0
    old = follower.picture()
    assert old.stale_s == settings.watch_silence_s + 1.0
    assert old.as_of == clock.now() - timedelta(seconds=old.stale_s)
