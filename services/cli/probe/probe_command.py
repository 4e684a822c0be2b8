"""`nadroute probe`: networks probed now, through the queues, by the hosts that carry them."""

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from services.cli.failures import NOT_ALL_ACTIVE, redis_away, told_plainly, unreachable, wrong
from services.cli.options.client_settings import (
    KUBERNETES,
    ClientSettings,
    cluster_client,
    load_client_settings,
    redis_client,
)
from services.cli.options.services_table import CLIENT
from services.cli.options.settings_options import settings_options
from services.cli.outputs import Output, output_option, plain, print_data, progress_bar, stdout_console
from services.contract.messages import HostAnnouncement, ProbeRequest
from services.contract.outcomes import State
from services.network.parse.intent import Intent, NotProbed, read_intent
from services.network.parse.nad import Network, NetworkRef
from services.runtime import announcements
from services.runtime.clock import SystemClock
from services.runtime.redis_client import time_ms
from services.view.durations import Duration
from services.view.rows import parse_refs, select
from services.watcher.plan.on_demand import OnDemandPlan, plan_on_demand

if TYPE_CHECKING:
    from celery import Celery

    from services.watcher.requests import Sent

MAX_AGE_MS = 60_000
"""Without --wait: a prober that comes to it later than this drops the request; the sweep asks anyway."""


@click.command()
@click.argument("networks", nargs=-1, metavar="[NAMESPACE/NAME]...")
@click.option("--all", "every", is_flag=True, help="All networks that can be probed.")
@click.option("--host", help="Ask this host alone.")
@click.option("--wait", is_flag=True, help="Wait for what is found, and show it by host.")
@click.option(
    "--timeout",
    type=Duration(),
    default="60s",
    show_default=True,
    help="With --wait: how long at most, such as 30s or 2m.",
)
@output_option
@settings_options(CLIENT, only=("active_when", "redis_url", *KUBERNETES))
def probe(
    networks: tuple[str, ...],
    every: bool,
    host: str | None,
    wait: bool,
    timeout: float,
    output: Output,
    **flags: object,
) -> int:
    """Probe networks now, from every announced host that carries them.

    One host asks DHCP and the others check the gateway that is known; where none is, they ask DHCP too. With
    --wait the verdicts of each host are shown, and the exit code is 1 when one network is not Active. Exit
    code 3: no announced host could be asked.
    """
    if every == bool(networks):
        raise wrong("expected NAMESPACE/NAME, one or more, or else --all")
    refs = parse_refs(networks)
    settings = load_client_settings(flags)
    with cluster_client(settings) as cluster:
        chosen = select(cluster.list_networks()[0], refs)
    intents = _intents(chosen, settings, told=not every)
    if not intents:
        click.echo("nothing to probe: no network here is a VLAN network that may be probed", err=True)
        if output != "table":
            print_data([], output)
        return 0
    from services.watcher.requests import build_requests

    with redis_client(settings) as client:
        hosts = _hosts(announcements.read(client).hosts, host)
        plan = plan_on_demand(intents, hosts)
        _check_served(plan, intents, hosts)
        age_ms = max(1_000, min(3_600_000, int(timeout * 1_000) if wait else MAX_AGE_MS))
        requests = build_requests(
            plan.probes,
            sent_at_ms=time_ms(client),
            max_age_ms=age_ms,
            new_id=lambda: f"cli-{uuid.uuid4().hex}",
        )
    if wait:
        return _probe_and_wait(settings, intents, plan, requests, timeout_s=timeout, output=output)
    _send_only(settings, requests, output)
    return 0


def _intents(chosen: Sequence[Network], settings: ClientSettings, *, told: bool) -> dict[NetworkRef, Intent]:
    """What can be probed; told: say of each other one why it is not."""
    intents: dict[NetworkRef, Intent] = {}
    for network in chosen:
        intent = read_intent(network, settings.policy)
        if not isinstance(intent, NotProbed):
            intents[network.ref] = intent
        elif told:
            why = f"{intent.state} ({intent.reason}{': ' + intent.detail if intent.detail else ''})"
            click.echo(plain(f"{network.ref} is not probed: {why}"), err=True)
    return intents


def _hosts(present: Sequence[HostAnnouncement], host: str | None) -> Sequence[HostAnnouncement]:
    if not present:
        raise unreachable(
            "no host to ask: no prober is announced in Redis; expected one at least: start `nadroute prober "
            "--host HOST --uplink NAME=INTERFACE` there, and look with `nadroute hosts`"
        )
    if host is None:
        return present
    chosen = [told for told in present if told.host == host]
    if not chosen:
        names = ", ".join(told.host for told in present)
        raise unreachable(f"--host={host!r}: not announced; expected one of {names}; see `nadroute hosts`")
    return chosen


def _check_served(
    plan: OnDemandPlan, intents: Mapping[NetworkRef, Intent], hosts: Sequence[HostAnnouncement]
) -> None:
    """Tell what nobody can probe; exit 3 where that is everything."""
    if not plan.unserved:
        return
    names = ", ".join(str(ref) for ref, intent in intents.items() if intent.segment in plan.unserved)
    missing = ", ".join(sorted({segment.cluster_network for segment in plan.unserved}))
    carried = ", ".join(f"{told.host} ({', '.join(sorted(told.uplinks)) or 'none'})" for told in hosts)
    text = (
        f"{names}: no host carries the cluster network {missing}; announced are {carried}; "
        "start a prober with --uplink for it"
    )
    if not plan.probes:
        raise unreachable(text)
    click.echo(text, err=True)


def _send_only(settings: ClientSettings, requests: Sequence[ProbeRequest], output: Output) -> None:
    from services.runtime.celery_app import describe_probe, make_app

    url = settings.redis_url.get_secret_value()
    with told_plainly(redis_url=url), make_app(url, name="nadroute-cli") as app:
        _send(app, requests, wait=False, url=url)
    if output != "table":
        print_data([_request_json(request) for request in requests], output)
        return
    for request in requests:
        click.echo(f"sent: {describe_probe(request.cluster_network, len(request.segments), request.host)}")


def _send(app: "Celery", requests: Sequence[ProbeRequest], *, wait: bool, url: str) -> "list[Sent]":
    from services.watcher.requests import NotSent, send_requests

    try:
        return send_requests(app, requests, wait=wait)
    except NotSent as error:
        raise redis_away(url, str(error)) from None


def _request_json(request: ProbeRequest) -> dict[str, object]:
    return {
        "id": request.id,
        "host": request.host,
        "clusterNetwork": request.cluster_network,
        "vlans": [probe.vlan for probe in request.segments],
    }


def _probe_and_wait(
    settings: ClientSettings,
    intents: Mapping[NetworkRef, Intent],
    plan: OnDemandPlan,
    requests: Sequence[ProbeRequest],
    *,
    timeout_s: float,
    output: Output,
) -> int:
    from services.cli.probe.report import find_states, report_table
    from services.cli.probe.waiting import collect
    from services.runtime.celery_app import make_app

    url = settings.redis_url.get_secret_value()
    with told_plainly(redis_url=url), make_app(url, name="nadroute-cli") as app, progress_bar() as progress:
        bar = progress.add_task(f"probing from {', '.join(plan.hosts)}", total=len(plan.probes))
        answers = collect(
            _send(app, requests, wait=True, url=url),
            timeout_s=timeout_s,
            clock=SystemClock(),
            on_progress=lambda done: progress.update(bar, completed=done),
        )
    findings = find_states(
        intents, plan.hosts_by_segment(), answers.verdicts, answers.failures, policy=settings.policy
    )
    if output == "table":
        stdout_console().print(report_table(findings))
    else:
        print_data([found.to_json() for found in findings], output)
    for name, told in sorted(answers.failures.items()):
        click.echo(plain(f"{name}: {told}; see `nadroute hosts`, and the prober's log there"), err=True)
    return 0 if all(f.finding.state is State.ACTIVE for f in findings) else NOT_ALL_ACTIVE
