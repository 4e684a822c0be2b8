"""A scan as a table: a row for each VLAN that answered, and one line for the silent ones."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click
from rich.text import Text

from services.cli.cells import UNTAGGED, dhcp_cell, reach_cell
from services.cli.scan.summary import count
from services.cli.tables import Column, print_table
from services.cli.terminal import BAD, GOOD, cell, stdout_console
from services.contract.macs import macs_in, router_of
from services.contract.outcomes import DHCPOutcome, LeaseOutcome, ReachOutcome
from services.contract.vlans import write_vlans
from services.view.probe_documents import LeaseFound, OfferFound

if TYPE_CHECKING:
    from services.prober.scan.results import ScanResult


_MOST = 52
"""Width to which a cell with a MAC address may be cut."""


def print_scan(results: "Sequence[ScanResult]") -> None:
    """Print the table on standard output."""
    answered = [result for result in results if not _is_silent(result)]
    if answered:
        print_table(stdout_console(), scan_columns(answered))
    silent = [result.vlan for result in results if _is_silent(result)]
    if silent:
        click.echo(f"no offer on {len(silent)} of {count(len(results), 'VLAN')}: {write_vlans(silent)}")
    for kind, text in UNTAGGED.items():
        if untagged := [result.vlan for result in results if result.untagged is kind]:
            click.echo(f"VLAN {write_vlans(untagged)}: {text}")


def scan_columns(results: "Sequence[ScanResult]") -> list[Column]:
    """A row for each VLAN; columns for a lease, an echo and a fault only where there is one."""
    with_lease = any(result.dhcp.lease is not None for result in results)
    with_echo = any(result.echo.outcome is not ReachOutcome.NOT_TRIED for result in results)
    with_fault = any(result.fault is not None for result in results)
    dhcp = [_dhcp(result) for result in results]
    # Whom someone has to look for is not cut.
    named = max((text.cell_len for text in dhcp if macs_in(text.plain)), default=0)
    columns = [
        Column("vlan", [cell(result.vlan, "bold") for result in results]),
        Column("DHCP", dhcp, least=max(16, min(named, _MOST)) if named else 16),
        Column("cidr", [_distinct(offer.cidr for offer in result.dhcp.servers) for result in results], 5),
        Column(
            "gateway", [_distinct(offer.gateway for offer in result.dhcp.servers) for result in results], 2
        ),
        Column("answers", [reach_cell(result.gateway) for result in results]),
    ]
    for heading, cells, rank in (
        ("server's MAC", [_server_macs(result) for result in results], 6),
        ("gateway's MAC", [_gateway_macs(result) for result in results], 7),
    ):
        columns += [Column(heading, cells, rank)] if any(map(len, cells)) else []
    if with_lease:
        columns.append(Column("lease", [_lease_cell(result.dhcp.lease) for result in results], 3))
    if with_echo:
        columns.append(Column("echo", [reach_cell(result.echo) for result in results], 4))
    if with_fault:
        columns.append(Column("fault", [cell(result.fault or "", "red") for result in results], 1))
    return columns


def _dhcp(result: "ScanResult") -> Text:
    return _servers_cell(result.dhcp.servers) if result.dhcp.servers else dhcp_cell(result.dhcp)


def _distinct(values: Iterable[object]) -> Text:
    """Return a cell with every distinct value once."""
    return cell(", ".join(dict.fromkeys(str(value or "none") for value in values)))


def _server_macs(result: "ScanResult") -> Text:
    """Return from where each offer came that does not say so itself."""
    macs = [offer.mac for offer in result.dhcp.servers if not _has_mac(offer, result.dhcp.servers)]
    return cell(", ".join(dict.fromkeys(filter(None, macs))))


def _gateway_macs(result: "ScanResult") -> Text:
    """Return who answered for the gateway; all of them where they are several."""
    found = result.gateway
    several = len({router_of(mac) for mac in found.macs}) > 1
    return cell(", ".join(found.macs if several else [found.mac or ""]), "yellow" if several else "")


def _is_silent(result: "ScanResult") -> bool:
    return result.dhcp.outcome is DHCPOutcome.NO_OFFER and result.fault is None


def _servers_cell(offers: Sequence[OfferFound]) -> Text:
    style = "yellow" if any(offer.rogue or offer.unasked_ack for offer in offers) else "green"
    servers = [_server(offer, with_mac=_has_mac(offer, offers)) for offer in offers]
    return cell(f"{GOOD} {', '.join(servers)}", style)


def _has_mac(offer: OfferFound, offers: Sequence[OfferFound]) -> bool:
    """Whether the MAC address stands beside the server: a rogue's, and where several have one address."""
    return offer.rogue or sum(other.server == offer.server for other in offers) > 1


def _server(offer: OfferFound, *, with_mac: bool) -> str:
    """Return the server; with the MAC address of its offer where someone may have to look for the machine."""
    words = [str(offer.server)]
    words += [f"via {offer.relay}"] if offer.relay is not None else []
    words += ["rogue"] if offer.rogue else []
    words += ["leased unasked"] if offer.unasked_ack else []
    words += [f"({offer.mac})"] if offer.mac is not None and with_mac else []
    return " ".join(words)


def _lease_cell(lease: LeaseFound | None) -> Text:
    if lease is None:
        return cell("")
    if lease.outcome is LeaseOutcome.HELD:
        return cell(f"{GOOD} {lease.address}", "green")
    text = f"{BAD} {lease.address} {lease.outcome.replace('_', ' ')}"
    return cell(text, "yellow" if lease.outcome is LeaseOutcome.INCONCLUSIVE else "red")
