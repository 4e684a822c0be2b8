"""A scan for eyes: what answered, a line each; what kept silent, together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from services.cli.options.vlans import write_vlans
from services.cli.outputs import cell, make_table, stdout_console
from services.cli.probe.report import dhcp_cell, reach_cell
from services.cli.state_style import BAD, GOOD, symbol
from services.contract.messages import Lease, Offer
from services.contract.outcomes import DHCPOutcome, LeaseOutcome, ReachOutcome

if TYPE_CHECKING:
    from services.prober.scan.scanning import ScanResult


def print_table(results: "Sequence[ScanResult]") -> None:
    """On standard output."""
    answered = [result for result in results if not _is_silent(result)]
    if answered:
        stdout_console().print(make_scan_table(answered))
    silent = [result.vlan for result in results if _is_silent(result)]
    if silent:
        click.echo(f"no offer on {len(silent)} of {len(results)} VLANs: {write_vlans(silent)}")


def make_scan_table(results: "Sequence[ScanResult]") -> Table:
    """A line for each VLAN; columns for a lease, an echo and a fault only where there is one."""
    with_lease = any(result.dhcp.lease is not None for result in results)
    with_echo = any(result.echo.outcome is not ReachOutcome.NOT_TRIED for result in results)
    with_fault = any(result.fault is not None for result in results)
    wanted = {"lease": with_lease, "echo": with_echo, "fault": with_fault}
    columns = ["vlan", "DHCP", "cidr", "gateway", "answers"]
    table = make_table(*columns, *(name for name, is_wanted in wanted.items() if is_wanted))
    for result in results:
        offers = result.dhcp.servers
        cells = [
            cell(result.vlan, "bold"),
            _servers_cell(offers) if offers else dhcp_cell(result.dhcp),
            cell(", ".join(dict.fromkeys(str(offer.cidr or "none") for offer in offers))),
            cell(", ".join(dict.fromkeys(str(offer.gateway or "none") for offer in offers))),
            reach_cell(result.gateway),
        ]
        cells += [_lease_cell(result.dhcp.lease)] if with_lease else []
        cells += [reach_cell(result.echo)] if with_echo else []
        cells += [cell(result.fault or "", "red")] if with_fault else []
        table.add_row(*cells)
    return table


def _is_silent(result: "ScanResult") -> bool:
    return result.dhcp.outcome is DHCPOutcome.NO_OFFER and result.fault is None


def _servers_cell(offers: Sequence[Offer]) -> Text:
    style = "yellow" if any(offer.rogue or offer.unasked_ack for offer in offers) else "green"
    return cell(f"{symbol(GOOD)} {', '.join(map(_server, offers))}", style)


def _server(offer: Offer) -> str:
    words = [str(offer.server)]
    words += [f"via {offer.relay}"] if offer.relay is not None else []
    words += ["rogue"] if offer.rogue else []
    words += ["leased unasked"] if offer.unasked_ack else []
    return " ".join(words)


def _lease_cell(lease: Lease | None) -> Text:
    if lease is None:
        return cell("")
    if lease.outcome is LeaseOutcome.HELD:
        return cell(f"{symbol(GOOD)} {lease.address}", "green")
    told = f"{symbol(BAD)} {lease.address} {lease.outcome.replace('_', ' ')}"
    return cell(told, "yellow" if lease.outcome is LeaseOutcome.INCONCLUSIVE else "red")
