"""`nadroute status`: the state of each network, once or as it changes."""

from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from services.cli.failures import NOT_ALL_ACTIVE, unreachable, usage_error
from services.cli.networks.matrix import status_screen
from services.cli.options.arguments import (
    NETWORK,
    complete_host,
    complete_namespace,
    complete_network,
    select_networks,
)
from services.cli.options.client import ClientSettings, client_options, cluster_client, load_client_settings
from services.cli.options.grouping import GroupedCommand
from services.cli.outputs import Output, output_option, print_data
from services.cli.tables import print_lines
from services.cli.terminal import plain, stdout_console
from services.network.parse.nad import Network, NetworkRef
from services.runtime.process.clock import SystemClock
from services.view.documents import checked_document
from services.view.doubts import doubts_of
from services.view.host_checks import RedisReader, RedisView
from services.view.rows import NetworkLine, rows_of, with_checks
from services.view.site_causes import causes_remarks
from services.view.unwritten import named, source_remark, unwritten_remarks

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Shown:
    """The filter of networks and hosts; empty fields select all."""

    refs: Collection[NetworkRef] = ()
    namespaces: Collection[str] = ()
    host: str | None = None
    problems: bool = False

    def networks(self, networks: Sequence[Network]) -> list[Network]:
        """Return the named networks, or those of the namespaces."""
        return [
            network
            for network in sorted(networks, key=lambda network: network.ref)
            if (not self.refs or network.ref in self.refs)
            and (not self.namespaces or network.ref.namespace in self.namespaces)
        ]

    def lines(
        self, networks: Sequence[Network], view: RedisView, settings: ClientSettings
    ) -> list[NetworkLine]:
        """Return the selected rows with the checks of the selected hosts."""
        rows = rows_of(self.networks(networks), settings.policy, view)
        lines = with_checks([row for row in rows if row.needs_attention or not self.problems], view)
        if self.host is None:
            return lines
        mine = [(line, tuple(c for c in line.checks or () if c.host == self.host)) for line in lines]
        return [NetworkLine(line.row, checks) for line, checks in mine if checks]

    def check_host(self, view: RedisView) -> None:
        """Exit 3 if hosts cannot be shown at all, 2 if the host is unknown."""
        if self.host is None:
            return
        if view.trouble is not None:
            raise unreachable(f"--host={self.host!r}: {view.trouble}")
        reported = {aged.verdict.host for known in view.verdicts.values() for aged in known.latest}
        known = sorted({*view.hosts, *reported})
        if self.host not in known:
            expected = ", ".join(known) or "a host, and none is announced"
            raise usage_error(f"--host={self.host!r}: not announced; expected one of {expected}")

    def check_namespaces(self, networks: Sequence[Network]) -> None:
        """Exit 2 if a namespace has no networks: mistyped, it would look as if all was well."""
        present = sorted({network.ref.namespace for network in networks})
        empty = [name for name in self.namespaces if name not in present]
        if empty:
            there = f"there are some in {', '.join(present)}" if present else "none exists in any namespace"
            raise usage_error(f"no networks in {', '.join(empty)}: {there}")

    def describe_none(self, networks: Sequence[Network]) -> str:
        """Explain why nothing is shown."""
        if not networks:
            return "no networks: no NetworkAttachmentDefinition exists in any namespace"
        where = f" on {self.host}" if self.host else ""
        return f"no problems{where}" if self.problems else f"no networks{where}"


@click.command(cls=GroupedCommand)
@click.argument(
    "networks", nargs=-1, metavar="[NAMESPACE/NAME]...", type=NETWORK, shell_complete=complete_network
)
@click.option("-w", "--watch", is_flag=True, help="Follow changes until Ctrl-C.")
@click.option(
    "-n",
    "--namespace",
    "in_namespaces",
    multiple=True,
    metavar="NAMESPACE",
    shell_complete=complete_namespace,
    help="Show the networks of this namespace. May be repeated.",
)
@click.option(
    "--host",
    metavar="HOST",
    shell_complete=complete_host,
    help="Show what this host found, on the networks it carries.",
)
@click.option("--problems", is_flag=True, help="Show the networks that need attention.")
@output_option
@client_options(kubernetes=True, also=("watch_silence_s",))
def status(
    networks: tuple[NetworkRef, ...],
    watch: bool,
    in_namespaces: tuple[str, ...],
    host: str | None,
    problems: bool,
    output: Output,
    **flags: object,
) -> int:
    """Show the state of each network, its reason, since when, and what each host found.

    Exit code 1 if a network that is shown and probed is not Active. --watch shows a live table on a terminal,
    and one line for each change anywhere else. Without Redis, the annotations are shown, without the hosts.
    """
    settings = load_client_settings(flags)
    shown = Shown(frozenset(networks), in_namespaces, host, problems)
    with cluster_client(settings) as cluster:
        present = cluster.list_networks()[0]
        select_networks(present, networks)
        if not watch:
            shown.check_namespaces(present)
        with closing(RedisReader(settings.redis_address)) as reader:
            view = reader.read(present, settings.policy)
        shown.check_host(view)
        if watch:
            from services.cli.networks.watching import follow

            return follow(cluster, settings, shown, output=output, clock=SystemClock())
    lines = shown.lines(present, view, settings)
    for remark in remarks(view, lines):
        click.echo(plain(remark), err=True)
    if output != "table":
        documents = [checked_document(line.row, line.checks, doubts_of(line.row, view)) for line in lines]
        print_data(documents, output)
    elif lines:
        _print(stdout_console(), lines)
    else:
        click.echo(plain(shown.describe_none(present)), err=True)
    return NOT_ALL_ACTIVE if any(line.row.is_problem for line in lines) else 0


def remarks(view: RedisView, lines: Sequence[NetworkLine]) -> list[str]:
    """Return the remarks above the table, the causes first."""
    rows = [line.row for line in lines]
    windows = [window.describe() for window in view.windows]
    written = [source_remark(view, rows), *unwritten_remarks(rows)]
    said = [*causes_remarks(view.causes), view.paused, *windows, *written]
    if doubted := [row.ref for row in rows if doubts_of(row, view)]:
        said.append(f"in doubt until all hosts have reported: {named(doubted)}; `nadroute explain` says more")
    shown = {check.host for line in lines for check in line.checks or ()}
    if gone := sorted(shown - view.hosts.keys()):
        said.append(f"not announced, shown with their last results: {named(gone)}")
    if on_link := [line.row.ref for line in lines if any(c.own_address for c in line.checks or ())]:
        said.append(f"routed is on-link, from a host's own address on the VLAN: {named(on_link)}")
    if any(row.unwritten and row.unwritten.route for row in rows):
        said.append("what would be written: nadroute diff")
    return [remark for remark in said if remark is not None]


def _print(console: "Console", lines: Sequence[NetworkLine]) -> None:
    """The table; if it is longer than the terminal, problems come last, next to the prompt."""
    screen = status_screen(lines, width=console.width, now=SystemClock().now())
    rows = list(range(len(lines)))
    if console.is_terminal and screen.lines_around + len(rows) >= console.height:
        rows.sort(key=lambda index: lines[index].row.needs_attention)
    print_lines(console, screen.lines(rows))
