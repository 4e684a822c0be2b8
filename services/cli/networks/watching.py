"""`nadroute status --watch`: a live table on a terminal, a line for each change anywhere else."""

import random
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click
from prometheus_client import CollectorRegistry
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from services.cli.networks.matrix import status_screen
from services.cli.networks.paging import QUIT, Pager, reading_keys
from services.cli.networks.status_command import Shown, remarks
from services.cli.options.client import ClientSettings
from services.cli.outputs import Output, to_json
from services.cli.terminal import cell, plain, stdout_console
from services.cluster.cache import NetworkCache
from services.cluster.metrics import WatchMetrics
from services.cluster.watching import NetworkWatch
from services.network.parse.nad import Network
from services.runtime.process.clock import Clock
from services.view.documents import deleted_document, network_document
from services.view.durations import describe_age
from services.view.host_checks import RedisReader, RedisView
from services.view.rows import NetworkLine, NetworkRow, Source
from services.view.unwritten import source_remark

if TYPE_CHECKING:
    from services.cluster.client import Cluster

REFRESH_S = 0.5
REDIS_REFRESH_S = 2.0
"""Seconds between two readings of Redis: probes take longer anyway."""
SETTLING_S = 1.0
"""Seconds after a change of a network in which Redis is read each time: its conclusion follows at once."""
FIRST_LIST_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Picture:
    """The data at one moment."""

    lines: list[NetworkLine]
    view: RedisView
    as_of: datetime
    """Time of the API server's last event; now, while it answers."""
    stale_s: float | None
    """Seconds since then, if longer than a watch may be silent; else None."""

    @property
    def remarks(self) -> list[str]:
        """Return the remarks above the table."""
        said = remarks(self.view, self.lines)
        return said if self.stale_s is None else [describe_stale(self.stale_s), *said]


def describe_stale(stale_s: float) -> str:
    """Describe how long the API server has been silent."""
    return f"the API server has been silent for {describe_age(stale_s)}: networks are shown as they were then"


class Follower:
    """Keeps the picture up to date from a watch and, every 2 s or after a change, from Redis."""

    def __init__(
        self,
        watch: NetworkWatch,
        cache: NetworkCache,
        reader: RedisReader,
        settings: ClientSettings,
        shown: Shown,
        clock: Clock,
    ) -> None:
        self._watch = watch
        self._cache = cache
        self._reader = reader
        self._settings = settings
        self._shown = shown
        self._clock = clock
        self._view = RedisView()
        self._read_at = -REDIS_REFRESH_S
        self._networks: list[Network] = []
        self._changed_at = 0.0

    def picture(self) -> Picture:
        """Return the present picture."""
        networks, now = self._cache.snapshot(), self._clock.monotonic()
        if networks != self._networks:
            self._networks, self._changed_at = networks, now
        # Else a new annotation would be shown for seconds beside the former state.
        is_settling = now < self._changed_at + SETTLING_S
        if is_settling or now >= self._read_at + REDIS_REFRESH_S:
            self._view, self._read_at = self._reader.read(networks, self._settings.policy), now
        silent_s = self._watch.silent_s
        stale_s = silent_s if silent_s > self._settings.watch_silence_s else None
        return Picture(
            self._shown.lines(networks, self._view, self._settings),
            self._view,
            self._clock.now() - timedelta(seconds=stale_s or 0.0),
            stale_s,
        )


def follow(
    cluster: "Cluster", settings: ClientSettings, shown: Shown, *, output: Output, clock: Clock
) -> int:
    """Follow changes until Ctrl-C; return 0."""
    console = stdout_console()
    live = output == "table" and console.is_terminal
    # Line by line, a network that is fine again is reported too.
    followed = shown if live else replace(shown, problems=False)
    with _following(cluster, settings, followed, clock) as follower:
        try:
            if live:
                _follow_live(follower, console, clock)
            else:
                _follow_lines(follower, shown, output=output, clock=clock)
        except KeyboardInterrupt:
            pass
    return 0


@contextmanager
def _following(
    cluster: "Cluster", settings: ClientSettings, shown: Shown, clock: Clock
) -> Iterator[Follower]:
    cache = NetworkCache()
    watch = NetworkWatch(
        cluster,
        cache,
        random=random.SystemRandom().random,
        clock=clock,
        silence_s=settings.watch_silence_s,
        metrics=WatchMetrics(CollectorRegistry()),
    )
    watch.start()
    try:
        clock.wait(watch.synced, FIRST_LIST_TIMEOUT_S)
        with closing(RedisReader(settings.redis_address)) as reader:
            yield Follower(watch, cache, reader, settings, shown, clock)
    finally:
        watch.stop()


def _follow_live(follower: Follower, console: Console, clock: Clock) -> None:
    """Redraw in place; the last screen stays."""
    pager = Pager()
    with (
        Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live,
        reading_keys(clock) as read_key,
    ):
        while True:
            # The last line of the terminal is the cursor's.
            lines = live_lines(follower.picture(), pager, width=console.width, height=console.height - 1)
            live.update(Group(*lines), refresh=True)
            key = read_key(REFRESH_S)
            if key == QUIT:
                return
            pager.press(key)


def live_lines(picture: Picture, pager: Pager, *, width: int, height: int) -> list[Text]:
    """Return the lines of one refresh, at most as many as the terminal has."""
    lines = picture.lines
    screen = status_screen(lines, width=width, now=picture.as_of, remarks=picture.remarks)
    room = height - screen.lines_around
    if len(lines) <= room:
        return screen.lines()
    pager.fit(rows=len(lines), page=max(1, room - 1))
    worst_first = sorted(range(len(lines)), key=lambda index: not lines[index].row.needs_attention)
    shown = worst_first[pager.first : pager.first + pager.page]
    return [*screen.lines(shown), cell(pager.describe(), "reverse")]


def _follow_lines(follower: Follower, shown: Shown, *, output: Output, clock: Clock) -> None:
    """Print each network once, and again whenever it changes."""
    never = threading.Event()
    printed: dict[str, NetworkRow] = {}
    was_stale, trouble = False, None
    while True:
        picture = follower.picture()
        if (picture.stale_s is not None) != was_stale:
            was_stale = picture.stale_s is not None
            click.echo(
                plain(describe_stale(picture.stale_s))
                if picture.stale_s is not None
                else "the API server answers again",
                err=True,
            )
        if (picture.view.trouble is None) != (trouble is None):
            trouble = picture.view.trouble
            click.echo(plain(source_remark(picture.view) or "Redis answers again"), err=True)
        if trouble is None or shown.host is None:
            present = {line.row.uid: line.row for line in picture.lines}
            _print_changes(present, printed, shown, output)
        clock.wait(never, REFRESH_S)


def _print_changes(
    present: dict[str, NetworkRow], printed: dict[str, NetworkRow], shown: Shown, output: Output
) -> None:
    for uid in [uid for uid in printed if uid not in present]:
        ref = printed.pop(uid).ref
        click.echo(plain(f"{ref} deleted") if output == "table" else to_json(deleted_document(ref)))
    for uid, row in present.items():
        if shown.problems and not row.needs_attention and uid not in printed:
            continue
        # Where it comes from is no change: Redis may come and go.
        told = replace(row, source=Source.NETWORK, unwritten=None)
        if printed.get(uid) != told:
            printed[uid] = told
            click.echo(_line(row) if output == "table" else to_json(network_document(row)))


def _line(row: NetworkRow) -> str:
    fields = {
        key: value
        for key, value in network_document(row).items()
        if key not in ("namespace", "name", "state", "dhcp", "source", "not_written")
    }
    if row.unwritten is not None:
        fields["not_written"] = row.unwritten.why.value
    text = " ".join(f"{key}={value}" for key, value in fields.items() if value not in (None, {}, False, 0))
    return plain(f"{row.ref} {row.state} {text}")
