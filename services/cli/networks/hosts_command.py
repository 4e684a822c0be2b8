"""`nadroute hosts`: who could probe now, and how much waits for each."""

from datetime import UTC, datetime

import click
from rich.table import Table

from services.cli.options.client_settings import REDIS, load_client_settings, redis_client
from services.cli.options.services_table import CLIENT
from services.cli.options.settings_options import settings_options
from services.cli.outputs import Output, cell, make_table, output_option, plain, print_data, stdout_console
from services.runtime.redis_client import time_ms
from services.view.durations import describe_age
from services.view.hosts import HostRow, host_rows
from services.view.pause_state import describe_pause

STYLES = {"live": "green", "stale": "yellow", "gone": "red"}


@click.command()
@output_option
@settings_options(CLIENT, only=REDIS)
def hosts(output: Output, **flags: object) -> None:
    """Hosts that are announced: uplinks, version, since when, and how many requests wait for each.

    live: renewed in time. stale: not renewed twice in a row. gone: not announced, yet requests wait for it.
    """
    settings = load_client_settings(flags)
    with redis_client(settings) as client:
        rows, now_ms, paused = host_rows(client), time_ms(client), describe_pause(client)
    if paused is not None:
        click.echo(plain(paused), err=True)
    if output != "table":
        print_data([row.to_json() for row in rows], output)
    elif rows:
        stdout_console().print(_table(rows, now_ms))
    else:
        click.echo("no hosts: no prober is announced; start one with `nadroute prober --host HOST`", err=True)


def _table(rows: list[HostRow], now_ms: int) -> Table:
    table = make_table("host", "condition", "uplinks", "version", "since", "queued")
    for row in rows:
        told = row.announcement
        uplinks = ", ".join(f"{name}={port}" for name, port in sorted(told.uplinks.items())) if told else ""
        table.add_row(
            cell(row.host, "bold"),
            cell(row.condition, STYLES[row.condition]),
            cell(uplinks),
            cell(told.version if told else ""),
            cell(_since(told.incarnation, now_ms) if told else ""),
            cell(row.queued, "yellow" if row.queued else ""),
        )
    return table


def _since(incarnation_ms: int, now_ms: int) -> str:
    """By Redis' clock alone: the hosts' own may be wrong."""
    try:
        started = f"{datetime.fromtimestamp(incarnation_ms / 1_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, OSError, ValueError):
        return str(incarnation_ms)
    return f"{started} ({describe_age((now_ms - incarnation_ms) / 1_000)})"
