"""`nadroute diff`: what would be written to the networks, were the updater let loose."""

from collections.abc import Sequence
from contextlib import closing

import click
from rich.text import Text

from services.cli.failures import NOT_ALL_ACTIVE, unreachable
from services.cli.networks.status_command import Shown
from services.cli.options.arguments import NETWORK, complete_namespace, complete_network, select_networks
from services.cli.options.client import client_options, cluster_client, load_client_settings
from services.cli.options.grouping import GroupedCommand
from services.cli.outputs import Output, output_option, print_data
from services.cli.tables import Column, print_table
from services.cli.terminal import cell, plain, stdout_console
from services.network.parse.nad import NetworkRef
from services.view.differences import NetworkDifference, network_difference
from services.view.documents import difference_document
from services.view.host_checks import RedisReader
from services.view.unwritten import named, unwritten_remarks

DIFFERENCES = NOT_ALL_ACTIVE
"""The exit code of diff(1) for differences."""


@click.command(cls=GroupedCommand)
@click.argument(
    "networks", nargs=-1, metavar="[NAMESPACE/NAME]...", type=NETWORK, shell_complete=complete_network
)
@click.option(
    "-n",
    "--namespace",
    "in_namespaces",
    multiple=True,
    metavar="NAMESPACE",
    shell_complete=complete_namespace,
    help="Compare the networks of this namespace. May be repeated.",
)
@output_option
@client_options(kubernetes=True)
def diff(
    networks: tuple[NetworkRef, ...], in_namespaces: tuple[str, ...], output: Output, **flags: object
) -> int:
    """Show what would be written to each network, were the updater let loose: with observe_only, or where the
    API server refuses the write or another writer takes it back. What an updater writes by itself is not
    shown.

    Exit code 0 if nothing would be written, 1 if something would be or is not known yet, above that an error.
    """
    settings = load_client_settings(flags)
    shown = Shown(frozenset(networks), in_namespaces)
    with cluster_client(settings) as cluster:
        present = cluster.list_networks()[0]
    select_networks(present, networks)
    shown.check_namespaces(present)
    compared = shown.networks(present)
    with closing(RedisReader(settings.redis_address)) as reader:
        view = reader.read(compared, settings.policy)
    if view.trouble is not None:
        raise unreachable(view.trouble)
    found = [network_difference(network, settings.policy, view) for network in compared]
    changing = [each for each in found if each.changes]
    unknown = [each.ref for each in found if not each.is_concluded]
    for remark in unwritten_remarks([each.row for each in found]):
        click.echo(plain(remark), err=True)
    if unknown:
        click.echo(f"no conclusion yet: {plain(named(unknown))}; is an updater running?", err=True)
    if output != "table":
        print_data([difference_document(each) for each in found], output)
    elif not found:
        click.echo(plain(shown.describe_none(present)), err=True)
    else:
        if changing:
            print_table(stdout_console(), _columns(changing))
            click.echo()
        click.echo(_summary(found))
    return DIFFERENCES if changing or unknown else 0


def _columns(differences: Sequence[NetworkDifference]) -> list[Column]:
    """Return a row for each field; the network is named in its first one."""
    rows = [
        (each.ref if n == 0 else "", change) for each in differences for n, change in enumerate(each.changes)
    ]
    return [
        Column("network", [cell(ref, "bold") for ref, _ in rows], least=20, keep_end=True),
        Column("field", [cell(change.field) for _, change in rows]),
        Column("present", [_value(change.present, "") for _, change in rows], least=18),
        Column("would be", [_value(change.would_be, "bold") for _, change in rows], least=26),
    ]


def _value(text: str, style: str) -> Text:
    return cell(text, style) if text else cell("none", "dim")


def _summary(differences: Sequence[NetworkDifference]) -> str:
    """Return the numbers of networks that would change, would not, and of which that is not known."""
    changing = sum(bool(each.changes) for each in differences)
    unknown = sum(not each.is_concluded for each in differences)
    total, same = len(differences), len(differences) - changing - unknown
    text = f"{total} network{'' if total == 1 else 's'}: {changing} would change, {same} would not"
    return f"{text}, {unknown} not concluded yet" if unknown else text
