"""`nadroute status`: what is known of each network, once or as it changes."""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click

from services.cli.failures import NOT_ALL_ACTIVE
from services.cli.networks.matrix import FINE, status_matrix
from services.cli.options.client_settings import (
    KUBERNETES,
    ClientSettings,
    cluster_client,
    load_client_settings,
)
from services.cli.options.services_table import CLIENT
from services.cli.options.settings_options import settings_options
from services.cli.outputs import Output, cell, output_option, plain, print_data, stdout_console
from services.network.parse.nad import Network, NetworkRef
from services.runtime.clock import Clock, SystemClock
from services.view.host_checks import RedisReader, RedisView
from services.view.network_lines import segments_of, with_checks
from services.view.rows import NetworkRow, network_row, parse_refs, select

if TYPE_CHECKING:
    from services.cluster.client import Cluster

REFRESH_S = 0.5
REDIS_REFRESH_S = 2.0
"""Between two looks at Redis: probes take longer anyhow."""
FIRST_LIST_TIMEOUT_S = 20.0
LINES_AROUND = 6
"""Of the terminal's: heading, legend and summary."""


@click.command()
@click.argument("networks", nargs=-1, metavar="[NAMESPACE/NAME]...")
@click.option("-w", "--watch", is_flag=True, help="Follow changes until Ctrl-C.")
@output_option
@settings_options(CLIENT, only=("watch_silence_s", "redis_url", *KUBERNETES))
def status(networks: tuple[str, ...], watch: bool, output: Output, **flags: object) -> int:
    """What is known of each network: its state, why, since when, and what each host found.

    Exit code 1 when a network that is probed is not Active. With --watch a live table at a terminal, and one
    line for each change anywhere else. Without Redis all is shown but what each host found.
    """
    refs = parse_refs(networks)
    settings = load_client_settings(flags)
    clock = SystemClock()
    with cluster_client(settings) as cluster:
        chosen = select(cluster.list_networks()[0], refs)
        if watch:
            return _watch(cluster, settings, refs, output=output, clock=clock)
    rows = _rows(chosen, settings)
    with closing(RedisReader(settings)) as reader:
        view = reader.read(segments_of(rows))
    lines = with_checks(rows, view)
    for remark in _remarks(view):
        click.echo(plain(remark), err=True)
    if output != "table":
        print_data([line.to_json() for line in lines], output)
    elif lines:
        console = stdout_console()
        console.print(status_matrix(lines, width=console.width, now=clock.now()))
    else:
        click.echo("no networks: no NetworkAttachmentDefinition exists in any namespace", err=True)
    return 0 if all(row.state in FINE for row in rows) else NOT_ALL_ACTIVE


def _rows(networks: Sequence[Network], settings: ClientSettings) -> list[NetworkRow]:
    return [network_row(network, settings.policy) for network in networks]


def _remarks(view: RedisView) -> list[str]:
    """What concerns all networks at once."""
    return [remark for remark in (view.paused, view.trouble) if remark is not None]


def _watch(
    cluster: "Cluster",
    settings: ClientSettings,
    refs: Sequence[NetworkRef],
    *,
    output: Output,
    clock: Clock,
) -> int:
    """Follow until Ctrl-C; then 0."""
    import random

    from services.cluster.cache import NetworkCache
    from services.cluster.watching import NetworkWatch

    cache = NetworkCache()
    watch = NetworkWatch(cluster, cache, random=random.SystemRandom().random)
    wanted = set(refs)

    def rows() -> list[NetworkRow]:
        return _rows([n for n in cache.snapshot() if not wanted or n.ref in wanted], settings)

    watch.start()
    try:
        clock.wait(watch.synced, FIRST_LIST_TIMEOUT_S)
        console = stdout_console()
        if output == "table" and console.is_terminal:
            with closing(RedisReader(settings)) as reader:
                _follow_live(rows, reader, clock)
        else:
            _follow_lines(rows, output=output, clock=clock)
    except KeyboardInterrupt:
        return 0
    finally:
        watch.stop()
    return 0


def _follow_live(rows: Callable[[], list[NetworkRow]], reader: RedisReader, clock: Clock) -> None:
    from rich.live import Live

    never = threading.Event()
    console = stdout_console()
    view, looked_at = RedisView(), -REDIS_REFRESH_S
    with Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
        while True:
            present = rows()
            if clock.monotonic() - looked_at >= REDIS_REFRESH_S:
                view, looked_at = reader.read(segments_of(present)), clock.monotonic()
            if len(present) > console.height - LINES_AROUND:
                # What does not fit is cut off at the end, so what is wrong comes first.
                present.sort(key=lambda row: row.state in FINE)
            lines = with_checks(present, view)
            shown = status_matrix(lines, width=console.width, now=clock.now(), remarks=_remarks(view))
            live.update(shown, refresh=True)
            clock.wait(never, REFRESH_S)


def _follow_lines(rows: Callable[[], list[NetworkRow]], *, output: Output, clock: Clock) -> None:
    """Each network as it is, then again whenever it changed; one JSON document a line, or a line of words."""
    import json

    never = threading.Event()
    shown: dict[NetworkRef, NetworkRow] = {}
    while True:
        present = {row.ref: row for row in rows()}
        for ref in [ref for ref in shown if ref not in present]:
            del shown[ref]
            gone = {"namespace": ref.namespace, "name": ref.name, "deleted": True}
            click.echo(f"{ref} deleted" if output == "table" else json.dumps(gone))
        for ref, row in present.items():
            if shown.get(ref) != row:
                shown[ref] = row
                click.echo(_line(row) if output == "table" else json.dumps(row.to_json()))
        clock.wait(never, REFRESH_S)


def _line(row: NetworkRow) -> str:
    fields = row.to_json()
    told = {key: value for key, value in fields.items() if key not in ("namespace", "name", "state", "dhcp")}
    text = " ".join(f"{key}={value}" for key, value in told.items() if value not in (None, {}, False))
    return cell(f"{row.ref} {row.state} {text}").plain
