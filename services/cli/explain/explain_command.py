"""`nadroute explain`: why a network is as it is, in plain words, and what to do about it."""

import re
from contextlib import closing
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from services.cli.explain.answers import told_by
from services.cli.options.client_settings import KUBERNETES, cluster_client, load_client_settings
from services.cli.options.services_table import CLIENT
from services.cli.options.settings_options import settings_options
from services.cli.outputs import Output, cell, output_option, plain, print_data, stdout_console
from services.cli.state_style import state_text
from services.runtime.clock import SystemClock
from services.view.durations import describe_age
from services.view.explained_network import Explained, explain_network
from services.view.host_checks import RedisReader
from services.view.network_lines import segments_of
from services.view.rows import network_row, parse_refs, select

READABLE = 110
"""Columns beyond which lines of words are hard to read."""
STEP_INDENT = 7
TYPED = re.compile(r"`([^`]*)`")


@click.command()
@click.argument("network", metavar="NAMESPACE/NAME")
@output_option
@settings_options(CLIENT, only=("redis_url", "active_when", *KUBERNETES))
def explain(network: str, output: Output, **flags: object) -> None:
    """Why a network is as it is: what is asked, what was tried from which host and what came back, what that
    means, and what to do next.

    Exit code 0 whatever its state is. Without Redis all is told but what each host found.
    """
    refs = parse_refs([network])
    settings = load_client_settings(flags)
    with cluster_client(settings) as cluster:
        networks = cluster.list_networks()[0]
        (chosen,) = select(networks, refs)
    row = network_row(chosen, settings.policy)
    with closing(RedisReader(settings)) as reader:
        view = reader.read(segments_of([row]))
    explained = explain_network(chosen, row, networks, settings.policy, view)
    if view.trouble is not None:
        click.echo(plain(view.trouble), err=True)
    if output != "table":
        print_data(explained.to_json(), output)
        return
    _print(stdout_console(), explained, now=SystemClock().now())


def _print(console: Console, explained: Explained, *, now: datetime) -> None:
    width = min(console.width, READABLE)
    row = explained.row
    headline = Text.assemble(
        cell(row.ref, "bold"),
        " is ",
        state_text(row.state),
        cell(_for(row.since, now)),
        cell(f" ({row.reason})"),
    )
    console.print(headline, width=width)
    _heading(console, "What is asked")
    asked = _grid(3)
    for each in explained.asked:
        asked.add_row(cell(each.what), cell(each.value, "bold"), cell(each.source, "dim"))
    console.print(Padding(asked, (0, 0, 0, 2), expand=False), width=width)
    if row.intent is not None:
        _heading(console, "What was tried, and what came back")
        _print_checks(console, explained, width=width)
        _heading(console, "What stands in the route annotation")
        console.print(Padding(_written(explained), (0, 0, 0, 2), expand=False), width=width)
    _heading(console, "What it means")
    for text in explained.meaning:
        console.print(Padding(_words(text), (0, 0, 0, 2), expand=False), width=width)
    _heading(console, "What to do")
    for number, step in enumerate(explained.steps, start=1):
        _print_step(console, number, step, width=width)
    if not explained.steps:
        console.print("  Nothing.")


def _print_step(console: Console, number: int, step: str, *, width: int) -> None:
    """A step; a command that is long stands on a line of its own, whole, so that it can be copied."""
    last = TYPED.search(step)
    own = last is not None and last.end() == len(step) and len(step) > width - STEP_INDENT
    text = step[: last.start()].rstrip() if own and last else step
    table = _grid(2)
    table.add_row(cell(f"{number:>2}."), _words(text))
    console.print(Padding(table, (0, 0, 0, 2), expand=False), width=width)
    if own and last:
        command = Text(" " * STEP_INDENT) + cell(last[1], "cyan")
        console.print(command, soft_wrap=True)


def _print_checks(console: Console, explained: Explained, *, width: int) -> None:
    if explained.checks is None:
        console.print("  Redis does not say; `nadroute probe --wait` would ask anew.", width=width)
        return
    if not explained.checks:
        console.print("  Nothing: no host that is announced carries this cluster network.", width=width)
    for check in explained.checks:
        seen = "has not reported yet" if check.age_s is None else f"{describe_age(check.age_s)} ago"
        gone = "" if check.interface else ", not announced any more"
        where = f" by {check.interface}" if check.interface else ""
        console.print(
            Text.assemble("  ", cell(check.host, "bold"), cell(f"{where}, {seen}{gone}")), width=width
        )
        table = _grid(3)
        for answer in told_by(check, explained.facts):
            table.add_row(cell(answer.path), answer.mark, _words(answer.text))
        console.print(Padding(table, (0, 0, 0, 4), expand=False), width=width)


def _grid(columns: int) -> Table:
    """Columns without lines; the last one takes the width."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(columns - 1):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold underline"))


def _for(since: str, now: datetime) -> str:
    try:
        then = datetime.fromisoformat(since)
    except ValueError:
        return ""
    return f" for {describe_age((now - then.replace(tzinfo=then.tzinfo or UTC)).total_seconds())}"


def _words(text: str) -> Text:
    """What is there to be typed stands out; without colour it keeps its backticks."""
    found = cell(text)
    found.highlight_regex(TYPED, "cyan")
    return found


def _written(explained: Explained) -> Text:
    row = explained.row
    values = [("cidr", row.cidr), ("gateway", row.gateway), ("connectivity", row.connectivity)]
    return cell("  ".join(f"{name} {value or 'none'}" for name, value in values))
