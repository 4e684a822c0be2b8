"""`nadroute hosts`: the announced hosts, and the length of each one's queue."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from services.cli.options.client import client_options, load_client_settings, redis_client
from services.cli.options.grouping import GroupedCommand
from services.cli.outputs import Output, output_option, print_data
from services.cli.tables import Column, print_table
from services.cli.terminal import cell, plain, stdout_console
from services.contract.host_claims import HostClaim
from services.contract.member_nics import LLDPState, MemberNIC
from services.contract.messages import HostAnnouncement
from services.contract.vlans import write_runs
from services.network.reasons.switch_ports import name_port
from services.runtime.connection.redis_client import format_time, time_ms
from services.view.documents import host_document
from services.view.durations import describe_age
from services.view.hosts import HostRow, describe_conflict, host_rows
from services.view.maintenance import describe_windows
from services.view.pause_state import describe_pause
from services.view.sweeps import describe_sweeps
from services.view.switch_ports import REMEDY, SILENCES, describe_silence

if TYPE_CHECKING:
    from rich.text import Text

STYLES = {"live": "green", "stale": "yellow", "gone": "red"}


@click.command(cls=GroupedCommand)
@output_option
@client_options()
def hosts(output: Output, **flags: object) -> None:
    """Show the announced hosts: uplinks, version, how many requests wait for each, and since when which
    process has the host's name. Below, the switch port of each NIC, as the switch announces it by LLDP.

    \b
    live   announced
    stale  two renewals of the announcement were missed
    gone   not announced, yet requests wait for it
    """
    settings = load_client_settings(flags)
    with redis_client(settings) as client:
        rows, now_ms, paused = host_rows(client), time_ms(client), describe_pause(client)
        windows = describe_windows(client)
        sweeps = describe_sweeps(client, [row.announcement for row in rows if row.announcement])
    for said in [*([] if paused is None else [paused]), *windows]:
        click.echo(plain(said), err=True)
    for row in rows:
        if row.waiting is not None:
            click.echo(plain(describe_conflict(row.waiting, row.holder, now_ms)), err=True)
    if output != "table":
        print_data([host_document(row) for row in rows], output)
    elif rows:
        console = stdout_console()
        print_table(console, _columns(rows, now_ms))
        if members := [(row.host, member) for row in rows for member in row.members]:
            console.print()
            print_table(console, _port_columns(members))
        for line in sweeps:
            console.print(cell(line, "dim"))
        if any(member.lldp is LLDPState.SILENT for _, member in members):
            console.print(cell(f"{SILENCES[LLDPState.SILENT]}: {REMEDY}.", "dim"))
    else:
        click.echo("no hosts: no prober is announced; start one with `nadroute prober --host HOST`", err=True)


def _columns(rows: list[HostRow], now_ms: int) -> list[Column]:
    announced = [row.announcement for row in rows]
    columns = [
        Column("host", [cell(row.host, "bold") for row in rows], least=20, keep_end=True),
        Column("condition", [cell(row.condition, STYLES[row.condition]) for row in rows]),
        Column("uplinks", [cell(_uplinks(host) if host else "") for host in announced], 2, least=24),
        Column("version", [cell(host.version if host else "") for host in announced], 3),
        Column("for", [cell(_age(host.incarnation, now_ms) if host else "") for host in announced], 1),
        Column("pace", [cell(_pace(host) if host else "") for host in announced], 3),
        Column("queued", [cell(row.queued, "yellow" if row.queued else "") for row in rows]),
        Column("since", [cell(format_time(host.incarnation) if host else "") for host in announced], 4),
        Column("process", [cell(_process(row.holder) if row.holder else "") for row in rows], 5, least=18),
    ]
    return [column for column in columns if column.heading != "pace" or any(column.cells)]


def _port_columns(members: Sequence[tuple[str, MemberNIC]]) -> list[Column]:
    """The switch port of each NIC, as the switch announces it by LLDP."""
    ports = [member.port for _, member in members]
    columns = [
        Column("host", [cell(host, "bold") for host, _ in members], least=12, keep_end=True),
        Column("NIC", [cell(member.interface) for _, member in members]),
        Column("switch port", [_port_cell(member) for _, member in members], least=24),
        Column("native", [cell(port.native_vlan if port and port.native_vlan else "") for port in ports], 2),
        Column("VLANs", [cell(write_runs(port.vlans) if port else "") for port in ports], 3, least=8),
        Column("networks", [cell(", ".join(member.cluster_networks)) for _, member in members], 1, least=8),
        Column("description", [cell(port.description if port else "") for port in ports], 4, least=12),
        Column("address", [cell(port.address if port and port.address else "") for port in ports], 5),
    ]
    # What no switch says takes no room.
    return [column for column in columns if any(column.cells)]


def _port_cell(member: MemberNIC) -> "Text":
    silence = describe_silence(member)
    if member.port is None:
        return cell(silence, "dim")
    return cell(f"{name_port(member.port)} ({silence})" if silence else name_port(member.port))


def _uplinks(host: HostAnnouncement) -> str:
    return ", ".join(f"{name}={interface}" for name, interface in sorted(host.uplinks.items()))


def _pace(host: HostAnnouncement) -> str:
    """What it sends at most, in DHCP and ARP messages, where its switch port counts them."""
    return "" if host.port_rate is None else f"{host.port_rate:g}/s"


def _process(holder: HostClaim) -> str:
    return f"{holder.pid} on {holder.machine}"


def _age(incarnation_ms: int, now_ms: int) -> str:
    """Since its prober started, by Redis' clock: the hosts' own may be wrong."""
    return describe_age((now_ms - incarnation_ms) / 1_000)
