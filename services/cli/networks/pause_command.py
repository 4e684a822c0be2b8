"""`nadroute pause` and `nadroute resume`: all of nadroute, or networks by name."""

import getpass
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from services.cli.failures import wrong
from services.cli.options.client_settings import (
    KUBERNETES,
    ClientSettings,
    cluster_client,
    load_client_settings,
    redis_client,
)
from services.cli.options.services_table import CLIENT
from services.cli.options.settings_options import settings_options
from services.cli.outputs import plain
from services.network.parse import annotations as names
from services.network.parse.nad import NetworkRef
from services.runtime.redis_client import time_ms
from services.view.pause_state import lift_pause, set_pause
from services.view.rows import parse_refs, select

if TYPE_CHECKING:
    from services.cluster.client import Cluster

DISABLED = "disabled"
ATTEMPTS = 5
"""Against other writers: each time on a fresh object."""


@click.command()
@click.argument("networks", nargs=-1, metavar="[NAMESPACE/NAME]...")
@click.option("--reason", default="", help="Why, for those who see it in `status` and `hosts`; global only.")
@settings_options(CLIENT, only=("redis_url", *KUBERNETES))
def pause(networks: tuple[str, ...], reason: str, **flags: object) -> None:
    """Probe nothing and write nothing until `nadroute resume`; with names, leave these networks alone.

    The global pause is a key in Redis that watcher and updater obey within seconds: what is known stays as it
    is, and grows no older. A network is paused by its annotation nadroute.io/probe: "disabled".
    """
    refs = parse_refs(networks)
    if refs and reason:
        raise wrong("--reason: expected without NAMESPACE/NAME: a network's annotation holds no reason")
    settings = load_client_settings(flags)
    if refs:
        _annotate(settings, refs, DISABLED, done="paused", already="paused already")
        return
    with redis_client(settings) as client:
        before = set_pause(client, by=_who(), reason=reason)
        if before is not None:
            click.echo(plain(f"already {before.describe(time_ms(client))}"), err=True)
            return
    click.echo("paused: nothing is probed or written until `nadroute resume`")


@click.command()
@click.argument("networks", nargs=-1, metavar="[NAMESPACE/NAME]...")
@settings_options(CLIENT, only=("redis_url", *KUBERNETES))
def resume(networks: tuple[str, ...], **flags: object) -> None:
    """End the global pause; with names, probe these networks again."""
    refs = parse_refs(networks)
    settings = load_client_settings(flags)
    if refs:
        _annotate(settings, refs, None, done="resumed", already="not paused")
        return
    with redis_client(settings) as client:
        lifted = lift_pause(client)
    click.echo("resumed: all is due again" if lifted else "not paused", err=not lifted)


def _annotate(
    settings: ClientSettings, refs: Sequence[NetworkRef], value: str | None, *, done: str, already: str
) -> None:
    with cluster_client(settings) as cluster:
        chosen = select(cluster.list_networks()[0], refs)
        for network in chosen:
            changed = _annotate_one(cluster, network.ref, value)
            click.echo(f"{network.ref} {done if changed else already}", err=not changed)


def _annotate_one(cluster: "Cluster", ref: NetworkRef, value: str | None) -> bool:
    """Whether that changed anything; on a fresh object as often as another writer comes first."""
    from services.cluster.errors import Conflict, Denied, NotFound

    for _ in range(ATTEMPTS):
        try:
            network = cluster.get_network(ref)
            if (network.annotations.get(names.PROBE) == DISABLED) == (value == DISABLED):
                return False
            cluster.annotate(network, {names.PROBE: value})
        except Conflict:
            continue
        except NotFound:
            raise wrong(f"network {ref}: gone by now") from None
        except Denied as error:
            raise wrong(
                f"network {ref}: the cluster refuses the annotation {names.PROBE}: {error}; expected it to "
                f"take it: see `nadroute explain {ref}` for what is wrong with the network itself"
            ) from None
        return True
    raise wrong(f"network {ref}: changed by others {ATTEMPTS} times meanwhile; expected to write it: again")


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A user id without a name, as in many a container.
        user = "somebody"
    return f"{user}@{platform.node()}"
