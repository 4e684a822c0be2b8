"""`nadroute uninstall --annotations`: take away what nadroute wrote to the networks, and nothing else."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from services.cli.failures import usage_error
from services.cli.options.client import ClientSettings, client_options, cluster_client, load_client_settings
from services.cli.options.grouping import GroupedCommand
from services.cli.terminal import plain, progress_bar
from services.network.parse.nad import NetworkRef
from services.runtime.process.clock import SystemClock
from services.view.doctor.redis_findings import UPDATER_S
from services.view.leftovers import WRITTEN, Leftover, leftovers
from services.view.unwritten import named

if TYPE_CHECKING:
    from services.cluster.client import Cluster

LEFT = 1
UPDATER_LEADS = (
    "an updater leads, and would write the annotations again; remove nadroute first (`helm uninstall`, "
    "`kubectl delete -k`), or scale the updater to 0, or use --force"
)
ATTEMPTS = 5
"""Attempts on a network that others write too, each on a fresh object."""


@click.command(cls=GroupedCommand)
@click.option("--annotations", is_flag=True, help="Take away the annotations that nadroute wrote.")
@click.option("--dry-run", is_flag=True, help="Only show what would be taken away.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also while an updater leads, which writes them again.")
@click.option(
    "--namespace", default="nadroute", show_default=True, metavar="NAMESPACE", help="Where nadroute runs."
)
@click.option(
    "--release",
    default="nadroute",
    show_default=True,
    metavar="NAME",
    help="What the name of the updater's Lease begins with.",
)
@client_options(kubernetes=True)
def uninstall(
    annotations: bool,
    dry_run: bool,
    yes: bool,
    force: bool,
    namespace: str,
    release: str,
    **flags: object,
) -> int:
    """Take away what nadroute wrote to the networks: nadroute.io/status.

    Harvester's route annotation stays as it is, and so does what owners wrote for nadroute:
    nadroute.io/probe, probe-now and isolated. Pods, roles and Redis are removed by `helm uninstall` or
    `kubectl delete`, before this: an updater that leads would write again.
    """
    if not annotations:
        raise usage_error(
            "expected --annotations; pods, roles and Redis are removed by `helm uninstall` or `kubectl "
            "delete`"
        )
    settings = load_client_settings(flags)
    with cluster_client(settings) as cluster:
        found = leftovers(cluster.list_networks()[0])
        ours = [each for each in found if each.ours]
        _say_what_stays([each.ref for each in found if each.owners])
        if not ours:
            click.echo("no network has an annotation that nadroute wrote")
            return 0
        if dry_run:
            for each in ours:
                click.echo(plain(f"{each.ref}: {', '.join(each.ours)}"))
            click.echo(f"{len(ours)} networks: nothing was changed", err=True)
            return 0
        if not force:
            _refuse_beside_updater(settings, cluster, f"{release}-updater", namespace)
        _confirm(len(ours), yes=yes)
        left = _remove_all(cluster, ours)
    for ref, why in left.items():
        click.echo(plain(f"{ref}: not changed: {why}"), err=True)
    click.echo(f"{len(ours) - len(left)} networks: {', '.join(WRITTEN)} taken away")
    return LEFT if left else 0


def _say_what_stays(refs: Sequence[NetworkRef]) -> None:
    if refs:
        click.echo(plain(f"annotations for nadroute that their owners wrote stay: {named(refs)}"), err=True)


def _confirm(number: int, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise usage_error(
            "expected --yes where nobody can be asked; --dry-run shows what would be taken away"
        )
    click.confirm(f"Take away {', '.join(WRITTEN)} from {number} networks?", abort=True, err=True)


def _refuse_beside_updater(settings: ClientSettings, cluster: "Cluster", lease: str, namespace: str) -> None:
    """Exit 2 if an updater leads, or if that cannot be told."""
    from services.cluster.errors import ClusterError
    from services.cluster.leadership.lease_reading import Holding, watch_lease

    works = _updater_works(settings)
    if works:
        raise usage_error(UPDATER_LEADS)
    try:
        click.echo(f"looking whether an updater holds the Lease {lease} in {namespace}: up to 15 s", err=True)
        holding = watch_lease(cluster.transport, namespace=namespace, name=lease, clock=SystemClock())
    except ClusterError as error:
        raise usage_error(
            f"the Lease {lease} in {namespace}: {error}; expected to see whether an updater leads: name it "
            "with --namespace and --release, or use --force when no updater runs"
        ) from None
    if holding is Holding.HELD:
        raise usage_error(UPDATER_LEADS)
    if works is None and holding is Holding.ABSENT:
        raise usage_error(
            f"there is no Lease {lease} in {namespace}, and Redis cannot be read; expected one of them to "
            "tell that no updater leads: name the Lease with --namespace and --release, or use --force when "
            "none runs"
        )


def _updater_works(settings: ClientSettings) -> bool | None:
    """Return whether an updater has counted time lately; None where Redis cannot be read."""
    from services.view.doctor.findings import Unknown
    from services.view.doctor.redis_gathering import read_counted_ago_s

    ago_s = read_counted_ago_s(settings.redis_address)
    return None if isinstance(ago_s, Unknown) else ago_s is not None and ago_s < UPDATER_S


def _remove_all(cluster: "Cluster", found: Sequence[Leftover]) -> dict[NetworkRef, str]:
    """Take the annotations away; return the networks where that failed, and why."""
    left: dict[NetworkRef, str] = {}
    with progress_bar() as bar:
        for each in bar.track(found, description="networks"):
            why = _remove(cluster, each)
            if why is not None:
                left[each.ref] = why
    return left


def _remove(cluster: "Cluster", found: Leftover) -> str | None:
    """Take them away from exactly the version that was read, retrying after a conflict; return why not."""
    from services.cluster.errors import Conflict, Denied, NotFound

    network = found.network
    for _ in range(ATTEMPTS):
        try:
            cluster.annotate(network, dict.fromkeys(WRITTEN))
        except NotFound:
            # Deleted meanwhile, with its annotations.
            return None
        except Denied as error:
            return f"the cluster refuses the write: {error}"
        except Conflict:
            try:
                network = cluster.get_network(found.ref)
            except NotFound:
                return None
        else:
            return None
    return f"changed by others {ATTEMPTS} times meanwhile; run it again"
