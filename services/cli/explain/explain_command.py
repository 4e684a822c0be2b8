"""`nadroute explain`: why a network is in its state, in words, and what to do about it."""

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from services.cli.explain.answers import answers_of
from services.cli.explain.prose import READABLE, grid, heading, print_step, words
from services.cli.explain.site import print_site
from services.cli.options.arguments import NETWORK, complete_network, select_networks
from services.cli.options.client import client_options, cluster_client, load_client_settings
from services.cli.options.grouping import GroupedCommand
from services.cli.outputs import Output, output_option, print_data
from services.cli.terminal import cell, plain, sign_text, state_text, stdout_console
from services.network.parse.nad import NetworkRef
from services.runtime.process.clock import SystemClock
from services.view.documents import explained_document
from services.view.durations import describe_age, seconds_since
from services.view.explained_network import ExplainedNetwork, explain_network
from services.view.host_checks import RedisReader
from services.view.ip_pools import asks_for_pools, with_pools
from services.view.rows import NetworkRow, rows_of
from services.view.site_causes import cause_of
from services.view.switch_ports import lists_vlans
from services.view.unwritten import source_remark


@click.command(cls=GroupedCommand)
@click.argument(
    "network", metavar="[NAMESPACE/NAME]", type=NETWORK, required=False, shell_complete=complete_network
)
@output_option
@client_options(kubernetes=True, also=("active_when",))
def explain(network: NetworkRef | None, output: Output, **flags: object) -> None:
    """Explain a network's state: what is asked, what each host tried and what came back, what that means, and
    what to do next. Without a name, explain the site: the fewest causes of all that is wrong.

    Exit code 0 whatever the state is. Without Redis, the state comes from the annotation, without hosts.
    """
    settings = load_client_settings(flags)
    with cluster_client(settings) as cluster:
        networks = cluster.list_networks()[0]
    chosen = networks if network is None else select_networks(networks, [network])
    with closing(RedisReader(settings.redis_address)) as reader:
        view = reader.read(chosen, settings.policy)
        if lists_vlans(view):
            # What switches list counts only beside all that the hosts hear.
            view = reader.read(networks, settings.policy)
    rows = rows_of(chosen, settings.policy, view)
    if (remark := source_remark(view)) is not None:
        click.echo(plain(remark), err=True)
    now = SystemClock().now()
    if network is None:
        print_site(view.causes, rows, view.hosts, output=output, now=now)
        return
    (row,) = rows
    explained = explain_network(chosen[0], row, networks, settings.policy, view, cause_of(row, view.causes))
    if asks_for_pools(row):
        with cluster_client(settings) as cluster:
            explained = with_pools(explained, cluster.ip_pools())
    if output != "table":
        print_data(explained_document(explained), output)
    else:
        print_explained(stdout_console(), explained, now=now)


def print_explained(console: Console, explained: ExplainedNetwork, *, now: datetime) -> None:
    """Print the whole explanation."""
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
    heading(console, "What is asked")
    console.print(Padding(_asked(explained, width), (0, 0, 0, 2), expand=False), width=width)
    if row.intent is not None:
        heading(console, "What each host tried, and what came back")
        _print_checks(console, explained, width=width)
        heading(console, "Route annotation")
        for line in _route_lines(explained.row):
            console.print(Padding(line, (0, 0, 0, 2), expand=False), width=width)
    heading(console, "What it means")
    for text in explained.meaning:
        console.print(Padding(words(text), (0, 0, 0, 2), expand=False), width=width)
    heading(console, "What to do")
    for number, step in enumerate(explained.steps, start=1):
        print_step(console, number, step, width=width)
    if not explained.steps:
        console.print("  Nothing.")


def _asked(explained: ExplainedNetwork, width: int) -> Table:
    """What is asked, each with its source beside it, or below it where a value is long."""
    is_long = any(len(asked.value) > width // 2 for asked in explained.asked)
    table = grid(2 if is_long else 3)
    for asked in explained.asked:
        what, value, source = cell(asked.what), cell(asked.value, "bold"), cell(asked.source, "dim")
        if is_long:
            table.add_row(what, value)
            table.add_row(Text(), source)
        else:
            table.add_row(what, value, source)
    return table


def _print_checks(console: Console, explained: ExplainedNetwork, *, width: int) -> None:
    if explained.checks is None:
        console.print("  Unknown: Redis could not be read. `nadroute probe --wait` asks again.", width=width)
        return
    if not explained.checks:
        console.print("  Nothing: no announced host carries this cluster network.", width=width)
    for check in explained.checks:
        seen = "has not reported yet" if check.age_s is None else f"{describe_age(check.age_s)} ago"
        gone = "" if check.interface else ", no longer announced"
        where = f" by {check.interface}" if check.interface else ""
        console.print(
            Text.assemble("  ", cell(check.host, "bold"), cell(f"{where}, {seen}{gone}")), width=width
        )
        table = grid(3)
        for answer in answers_of(check, explained.facts):
            table.add_row(cell(answer.path), sign_text(answer.sign), words(answer.text))
        console.print(Padding(table, (0, 0, 0, 4), expand=False), width=width)


def _for(since: str, now: datetime) -> str:
    age_s = seconds_since(since, now)
    return "" if age_s is None else f" for {describe_age(age_s)}"


def _route_lines(row: NetworkRow) -> list[Text]:
    """Return the fields as they are and, where they may not be written, as they would be."""
    present = {"cidr": row.cidr, "gateway": row.gateway, "connectivity": row.connectivity}
    lines = [_fields(present)]
    if row.unwritten is not None and row.unwritten.route:
        lines.append(cell("not written: ", "yellow") + _fields(row.unwritten.route))
    return lines


def _fields(values: Mapping[str, str | None]) -> Text:
    return cell("  ".join(f"{name} {value or 'none'}" for name, value in values.items()))
