"""`nadroute pause` and `nadroute resume`: all of nadroute, networks by name, or a host in maintenance."""

import getpass
import platform
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click
from pydantic import TypeAdapter, ValidationError

from services.cli.failures import usage_error
from services.cli.options.arguments import NETWORK, complete_host, complete_network, select_networks
from services.cli.options.client import (
    ClientSettings,
    client_options,
    cluster_client,
    load_client_settings,
    redis_client,
)
from services.cli.options.grouping import GroupedCommand
from services.cli.options.value_types import DURATION, ParsedType
from services.cli.terminal import plain
from services.contract.names import host_key
from services.contract.wire import ClusterNetworkName, HostName
from services.network.parse import nad
from services.network.parse.nad import NetworkRef
from services.runtime.connection.redis_client import time_ms
from services.view.durations import describe_age
from services.view.maintenance import Window, close_windows, open_window
from services.view.pause_state import MAX_CHARACTERS, Pause, lift_pause, set_pause

if TYPE_CHECKING:
    import redis

    from services.cluster.client import Cluster

DISABLED = "disabled"
SHORTEST_S, LONGEST_S = 1.0, 30 * 86_400.0
ATTEMPTS = 5
"""Attempts to annotate a network that others write too, each on a fresh object."""
_HOST, _CLUSTER_NETWORK = TypeAdapter(HostName), TypeAdapter(ClusterNetworkName)


def _host(text: str) -> str:
    return _name_of(_HOST, text, "a host name as `nadroute hosts` shows it")


def _cluster_network(text: str) -> str:
    return _name_of(_CLUSTER_NETWORK, text, "the name of a cluster network, such as mgmt")


def _name_of(kind: TypeAdapter[str], text: str, expected: str) -> str:
    try:
        return kind.validate_python(text)
    except ValidationError:
        raise ValueError(f"{text!r}: expected {expected}") from None


_HOSTS = click.option(
    "--host",
    "hosts",
    multiple=True,
    type=ParsedType("host", _host),
    shell_complete=complete_host,
    help="A host in maintenance: it is not asked, and what it found does not count. May be repeated.",
)
_CLUSTER_NETWORKS = click.option(
    "--cluster-network",
    "cluster_networks",
    multiple=True,
    type=ParsedType("name", _cluster_network),
    help="The same for a cluster network: on all hosts, or on those of --host. May be repeated.",
)


@click.command(cls=GroupedCommand)
@click.argument(
    "networks", nargs=-1, metavar="[NAMESPACE/NAME]...", type=NETWORK, shell_complete=complete_network
)
@_HOSTS
@_CLUSTER_NETWORKS
@click.option(
    "--for",
    "for_s",
    type=DURATION,
    help="How long, such as 2h: then it ends by itself. Needed with --host and --cluster-network.",
)
@click.option("--reason", default="", help="The reason, shown by `status` and `hosts`; not with names.")
@client_options(kubernetes=True)
def pause(
    networks: tuple[NetworkRef, ...],
    hosts: tuple[str, ...],
    cluster_networks: tuple[str, ...],
    for_s: float | None,
    reason: str,
    **flags: object,
) -> None:
    """Probe nothing and write nothing until `nadroute resume`; with names, leave these networks alone; with
    --host or --cluster-network, leave these out for a while.

    The global pause is a key in Redis that watcher and updater obey within seconds: what is known stays as it
    is. A network is left alone by its annotation nadroute.io/probe. A host in maintenance announces no
    uplink, so that the others alone tell what works.
    """
    if networks and (reason or for_s is not None or hosts or cluster_networks):
        raise usage_error(
            "NAMESPACE/NAME: expected without --reason, --for, --host and --cluster-network: a network's "
            "annotation holds none of them"
        )
    if for_s is not None and not SHORTEST_S <= for_s <= LONGEST_S:
        raise usage_error(f"--for: {for_s:g} s, expected {SHORTEST_S:g} s to {LONGEST_S / 86_400:g} days")
    settings = load_client_settings(flags)
    if networks:
        _annotate(settings, networks, DISABLED, done="paused", already="is paused already")
        return
    for_ms = None if for_s is None else round(for_s * 1_000)
    with redis_client(settings) as client:
        if hosts or cluster_networks:
            if for_ms is None:
                raise usage_error(
                    "--for: not given; expected a duration such as 2h, after which it ends by itself"
                )
            said = Pause(time_ms(client), _who(), reason[:MAX_CHARACTERS])
            for window in _windows(hosts, cluster_networks):
                open_window(client, replace(window, pause=said, left_ms=for_ms))
                click.echo(plain(f"{window.subject}: left out for {describe_age(for_ms / 1_000)}"))
            _say_who_is_unknown(client, hosts)
            return
        before = set_pause(client, by=_who(), reason=reason, for_ms=for_ms)
        if before is not None:
            click.echo(plain(f"already {before.describe(time_ms(client))}"), err=True)
            return
    until = "" if for_ms is None else f", or for {describe_age(for_ms / 1_000)}"
    click.echo(f"paused: nothing is probed or written until `nadroute resume`{until}")


@click.command(cls=GroupedCommand)
@click.argument(
    "networks", nargs=-1, metavar="[NAMESPACE/NAME]...", type=NETWORK, shell_complete=complete_network
)
@_HOSTS
@_CLUSTER_NETWORKS
@client_options(kubernetes=True)
def resume(
    networks: tuple[NetworkRef, ...],
    hosts: tuple[str, ...],
    cluster_networks: tuple[str, ...],
    **flags: object,
) -> None:
    """End the global pause; with names, probe these networks again; with --host or --cluster-network, end the
    maintenance of exactly these."""
    if networks and (hosts or cluster_networks):
        raise usage_error("NAMESPACE/NAME: expected without --host and --cluster-network")
    settings = load_client_settings(flags)
    if networks:
        _annotate(settings, networks, None, done="resumed", already="is not paused")
        return
    with redis_client(settings) as client:
        if hosts or cluster_networks:
            for window in _windows(hosts, cluster_networks):
                ended = close_windows(client, [window])
                text = "counts again" if ended else "is not in maintenance by itself"
                click.echo(plain(f"{window.subject} {text}"), err=not ended)
            return
        lifted = lift_pause(client)
    click.echo("resumed: every network is due" if lifted else "not paused", err=not lifted)


def _windows(hosts: Sequence[str], cluster_networks: Sequence[str]) -> list[Window]:
    """Return a window for each: of a host, of a cluster network, or of each on each."""
    return [Window(host, name) for host in hosts or ("",) for name in cluster_networks or ("",)]


def _say_who_is_unknown(client: "redis.Redis", hosts: Sequence[str]) -> None:
    """Tell hosts without a prober, which may be misspelt; a host that is down has none either."""
    for host in hosts:
        if not client.exists(host_key(host)):
            click.echo(
                plain(f"{host}: no prober of this name is announced now; see `nadroute hosts` for the names"),
                err=True,
            )


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
