"""`nadroute pause` and `nadroute resume`: all of nadroute, or networks by name."""

import getpass
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from services.cli.failures import usage_error
from services.cli.options.arguments import NETWORK, complete_network, select_networks
from services.cli.options.client import (
    ClientSettings,
    client_options,
    cluster_client,
    load_client_settings,
    redis_client,
)
from services.cli.options.grouping import GroupedCommand
from services.cli.terminal import plain
from services.network.parse import nad
from services.network.parse.nad import NetworkRef
from services.runtime.redis_client import time_ms
from services.view.pause_state import lift_pause, set_pause

if TYPE_CHECKING:
    from services.cluster.client import Cluster

DISABLED = "disabled"
ATTEMPTS = 5
"""Attempts to annotate a network that others write too, each on a fresh object."""


@click.command(cls=GroupedCommand)
@click.argument(
    "networks", nargs=-1, metavar="[NAMESPACE/NAME]...", type=NETWORK, shell_complete=complete_network
)
@click.option("--reason", default="", help="The reason, shown by `status` and `hosts`; without names only.")
@client_options(kubernetes=True)
def pause(networks: tuple[NetworkRef, ...], reason: str, **flags: object) -> None:
    """Probe nothing and write nothing until `nadroute resume`; with names, leave these networks alone.

    The global pause is a key in Redis that watcher and updater obey within seconds: what is known stays as it
    is. A network is left alone by its annotation nadroute.io/probe.
    """
    if networks and reason:
        raise usage_error("--reason: expected without NAMESPACE/NAME: a network's annotation holds no reason")
    settings = load_client_settings(flags)
    if networks:
        _annotate(settings, networks, DISABLED, done="paused", already="is paused already")
        return
    with redis_client(settings) as client:
        before = set_pause(client, by=_who(), reason=reason)
        if before is not None:
            click.echo(plain(f"already {before.describe(time_ms(client))}"), err=True)
            return
    click.echo("paused: nothing is probed or written until `nadroute resume`")


@click.command(cls=GroupedCommand)
@click.argument(
    "networks", nargs=-1, metavar="[NAMESPACE/NAME]...", type=NETWORK, shell_complete=complete_network
)
@client_options(kubernetes=True)
def resume(networks: tuple[NetworkRef, ...], **flags: object) -> None:
    """End the global pause; with names, probe these networks again."""
    settings = load_client_settings(flags)
    if networks:
        _annotate(settings, networks, None, done="resumed", already="is not paused")
        return
    with redis_client(settings) as client:
        lifted = lift_pause(client)
    click.echo("resumed: every network is due" if lifted else "not paused", err=not lifted)


def _annotate(
    settings: ClientSettings, refs: Sequence[NetworkRef], value: str | None, *, done: str, already: str
) -> None:
    with cluster_client(settings) as cluster:
        for network in select_networks(cluster.list_networks()[0], refs):
            changed = _annotate_one(cluster, network.ref, value)
            click.echo(plain(f"{network.ref} {done if changed else already}"), err=not changed)


def _annotate_one(cluster: "Cluster", ref: NetworkRef, value: str | None) -> bool:
    """Set or remove the annotation, retrying after a conflict; return whether it changed."""
    from services.cluster.errors import Conflict, Denied, NotFound

    for _ in range(ATTEMPTS):
        try:
            network = cluster.get_network(ref)
            if (network.annotations.get(nad.PROBE) == DISABLED) == (value == DISABLED):
                return False
            cluster.annotate(network, {nad.PROBE: value})
        except Conflict:
            continue
        except NotFound:
            raise usage_error(f"network {ref}: deleted meanwhile") from None
        except Denied as error:
            raise usage_error(
                f"network {ref}: the cluster refuses the annotation {nad.PROBE}: {error}; see `nadroute "
                f"explain {ref}` for what is wrong with the network itself"
            ) from None
        return True
    raise usage_error(f"network {ref}: changed by others {ATTEMPTS} times meanwhile; try again")


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A user id without a name, as in many containers.
        user = "unknown"
    return f"{user}@{platform.node()}"
