"""`nadroute probe`: networks probed now, through the queues, by the hosts that carry them."""

import math
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from services.cli.failures import NOT_ALL_ACTIVE, plain_errors, redis_unreachable, unreachable, usage_error
from services.cli.options.arguments import NETWORK, complete_host, complete_network, select_networks
from services.cli.options.client import (
    ClientSettings,
    client_options,
    cluster_client,
    load_client_settings,
    redis_client,
)
from services.cli.options.grouping import GroupedCommand
from services.cli.options.value_types import DURATION
from services.cli.outputs import Output, output_option, print_data
from services.cli.tables import print_table
from services.cli.terminal import plain, progress_bar, stdout_console
from services.contract.messages import HostAnnouncement, ProbeRequest
from services.contract.outcomes import State
from services.network.claims import possible_networks
from services.network.parse.intent import Intent, NotProbed, read_intent
from services.network.parse.nad import Network, NetworkRef
from services.network.policy import Policy
from services.runtime.connection.redis_client import time_ms
from services.runtime.process.clock import SystemClock
from services.runtime.stored import announcements
from services.view.documents import probed_document, request_document
from services.watcher.limits.workload import FRAMES_OF_SILENCE
from services.watcher.plan.on_demand import OnDemandPlan, plan_on_demand

if TYPE_CHECKING:
    from celery import Celery

    from services.runtime.connection.redis_address import RedisAddress
    from services.watcher.requests import Sent

MAX_AGE_MS = 60_000
PACED_FROM_S = 10.0
"""From then on, how long a paced host takes is said."""
"""Without --wait, a prober drops the request when it is older than this: the sweep probes anyway."""


@click.command(cls=GroupedCommand)
@click.argument(
    "networks", nargs=-1, metavar="[NAMESPACE/NAME]...", type=NETWORK, shell_complete=complete_network
)
@click.option("--all", "every", is_flag=True, help="Probe every network that can be probed.")
@click.option("--host", metavar="HOST", shell_complete=complete_host, help="Probe from this host only.")
@click.option("--wait", is_flag=True, help="Wait for the results and show them by host.")
@click.option(
    "--timeout",
    type=DURATION,
    default="60s",
    show_default=True,
    help="With --wait: the longest time to wait, such as 30s or 2m.",
)
@output_option
@client_options(kubernetes=True, also=("active_when",))
def probe(
    networks: tuple[NetworkRef, ...],
    every: bool,
    host: str | None,
    wait: bool,
    timeout: float,
    output: Output,
    **flags: object,
) -> int:
    """Probe networks now, from every announced host that carries them.

    One host asks DHCP and the others check the known gateway; where no gateway is known, all ask DHCP. With
    --wait, exit code 1 if a network is not Active. Exit code 3 if there is no announced host to ask.
    """
    if every == bool(networks):
        raise usage_error("expected either NAMESPACE/NAME, once or more, or --all")
    settings = load_client_settings(flags)
    with cluster_client(settings) as cluster:
        chosen = select_networks(cluster.list_networks()[0], networks)
    intents = _intents(chosen, settings, named=not every)
    if not intents:
        click.echo("nothing to probe: none of these is a VLAN network that may be probed", err=True)
        if output != "table":
            print_data([], output)
        return 0
    from services.watcher.by_hand import announce
    from services.watcher.requests import build_requests

    with redis_client(settings) as client:
        present = announcements.read(client).hosts
        hosts = _hosts(present, host)
        plan = plan_on_demand(intents, hosts)
        _check_served(plan, intents, hosts)
        age_ms = max(1_000, min(3_600_000, int(timeout * 1_000) if wait else MAX_AGE_MS))
        requests = build_requests(
            plan.probes,
            sent_at_ms=time_ms(client),
            max_age_ms=age_ms,
            new_id=lambda: f"cli-{uuid.uuid4().hex}",
        )
        for line in paced_hosts(hosts, Counter(each.host for each in plan.probes), timeout_s=timeout):
            click.echo(line, err=True)
        # Before they are sent: the watcher is to hold back while they are served.
        announce(client, requests)
    if wait:
        policy = replace(settings.policy, host_networks=possible_networks(present))
        return _probe_and_wait(settings, policy, intents, plan, requests, timeout_s=timeout, output=output)
    _send_only(settings, requests, output)
    return 0


def _intents(chosen: Sequence[Network], settings: ClientSettings, *, named: bool) -> dict[NetworkRef, Intent]:
    """The intents of networks that can be probed; named: report why each other one is not."""
    intents: dict[NetworkRef, Intent] = {}
    for network in chosen:
        intent = read_intent(network, settings.policy)
        if not isinstance(intent, NotProbed):
            intents[network.ref] = intent
        elif named:
            why = f"{intent.state} ({intent.reason}{': ' + intent.detail if intent.detail else ''})"
            click.echo(plain(f"{network.ref} is not probed: {why}"), err=True)
    return intents


def _hosts(present: Sequence[HostAnnouncement], host: str | None) -> Sequence[HostAnnouncement]:
    if not present:
        raise unreachable(
            "no host to ask: no prober is announced in Redis; start one with `nadroute prober --host HOST "
            "--uplink NAME=INTERFACE`, then check with `nadroute hosts`"
        )
    if host is None:
        return present
    chosen = [announced for announced in present if announced.host == host]
    if not chosen:
        names = ", ".join(announced.host for announced in present)
        raise unreachable(f"--host={host!r}: not announced; expected one of {names}; see `nadroute hosts`")
    return chosen


def _check_served(
    plan: OnDemandPlan, intents: Mapping[NetworkRef, Intent], hosts: Sequence[HostAnnouncement]
) -> None:
    """Report networks that no host can probe; exit 3 if that is all of them."""
    if not plan.unserved:
        return
    names = ", ".join(str(ref) for ref, intent in intents.items() if intent.segment in plan.unserved)
    missing = ", ".join(sorted({segment.cluster_network for segment in plan.unserved}))
    carried = ", ".join(f"{each.host} ({', '.join(sorted(each.uplinks)) or 'none'})" for each in hosts)
    text = (
        f"{names}: no host carries the cluster network {missing}; announced are {carried}; start a prober "
        "with an --uplink for it"
    )
    if not plan.probes:
        raise unreachable(text)
    click.echo(plain(text), err=True)


def paced_hosts(
    hosts: Iterable[HostAnnouncement], probes: Mapping[str, int], *, timeout_s: float
) -> list[str]:
    """Say of each host whose switch port limits it how long its probes take, where that is not at once.

    probes: how many there are for each host.
    """
    told = []
    for host in hosts:
        most_s = 2 * FRAMES_OF_SILENCE * probes.get(host.host, 0) / (host.port_rate or math.inf)
        if most_s > PACED_FROM_S:
            more = f"; wait with --timeout {most_s:.0f}s" if most_s > timeout_s else ""
            told.append(
                f"{host.host} sends at most {host.port_rate:g} DHCP and ARP messages a second: this may take "
                f"{most_s:.0f} s there{more}"
            )
    return told


def _send_only(settings: ClientSettings, requests: Sequence[ProbeRequest], output: Output) -> None:
    from services.runtime.queues.celery_app import describe_probe, make_app

    address = settings.redis_address
    with plain_errors(redis=address), make_app(address, name="nadroute-cli") as app:
        _send(app, requests, wait=False, address=address)
    if output != "table":
        print_data([request_document(request) for request in requests], output)
        return
    for request in requests:
        click.echo(f"sent: {describe_probe(request.cluster_network, len(request.segments), request.host)}")


def _send(
    app: "Celery", requests: Sequence[ProbeRequest], *, wait: bool, address: "RedisAddress"
) -> "list[Sent]":
    from services.watcher.requests import NotSent, send_requests

    try:
        return send_requests(app, requests, wait=wait)
    except NotSent as error:
        raise redis_unreachable(address, str(error)) from None


def _probe_and_wait(
    settings: ClientSettings,
    policy: Policy,
    intents: Mapping[NetworkRef, Intent],
    plan: OnDemandPlan,
    requests: Sequence[ProbeRequest],
    *,
    timeout_s: float,
    output: Output,
) -> int:
    from services.cli.probe.report import report_columns
    from services.cli.probe.waiting import collect
    from services.runtime.queues.celery_app import make_app
    from services.view.probe_results import conclude_probe

    address = settings.redis_address
    with (
        plain_errors(redis=address),
        make_app(address, name="nadroute-cli") as app,
        progress_bar() as progress,
    ):
        bar = progress.add_task(f"probing from {', '.join(plan.hosts)}", total=len(plan.probes))
        results = collect(
            _send(app, requests, wait=True, address=address),
            timeout_s=timeout_s,
            clock=SystemClock(),
            on_progress=lambda done: progress.update(bar, completed=done),
        )
    probed = conclude_probe(
        intents, plan.hosts_by_segment(), results.verdicts, results.failures, policy=policy
    )
    if output == "table":
        print_table(stdout_console(), report_columns(probed))
    else:
        print_data([probed_document(network) for network in probed], output)
    for name, failure in sorted(results.failures.items()):
        click.echo(plain(f"{name}: {failure}; see `nadroute hosts`, and the prober's log there"), err=True)
    return 0 if all(network.conclusion.state is State.ACTIVE for network in probed) else NOT_ALL_ACTIVE
