"""The cells of tables for what DHCP and a gateway answered."""

from collections.abc import Mapping

from rich.text import Text

from services.cli.terminal import BAD, GOOD, UNTRIED, cell, sign_text
from services.contract.gateways import subnet_of
from services.contract.macs import with_mac
from services.contract.outcomes import DHCPOutcome, ReachOutcome, Untagged
from services.view.probe_documents import DHCPFound, ReachFound

UNTAGGED: Mapping[Untagged, str] = {
    Untagged.ONE: "answers come without a tag, other VLANs' with theirs: it is the port's native VLAN",
    Untagged.ALL: "answers come without a tag, and nothing with one: perhaps an access port",
}
"""What a host heard untagged."""


def dhcp_cell(finding: DHCPFound | None) -> Text:
    """Return the servers and their offers."""
    if finding is None or finding.outcome is DHCPOutcome.NOT_TRIED:
        return sign_text(UNTRIED)
    if finding.outcome is DHCPOutcome.OFFERED:
        servers = ", ".join(
            f"{with_mac(str(offer.server), offer.mac)} offers {offer.cidr or 'no subnet'}"
            for offer in finding.servers
        )
        return cell(f"{GOOD} {servers}", "green" if servers_agree(finding) else "yellow")
    style = "red" if finding.outcome is DHCPOutcome.NO_OFFER else "yellow"
    return cell(f"{BAD} {finding.outcome.replace('_', ' ')}", style)


def servers_agree(finding: DHCPFound) -> bool:
    """Return whether all offers name the same subnet and gateway, and none is a rogue's."""
    offers = finding.servers
    named = {(subnet_of(offer.cidr, offer.gateway), offer.gateway) for offer in offers}
    return len(named) == 1 and not any(offer.rogue for offer in offers)


def reach_cell(reach: ReachFound | None) -> Text:
    """Return whether the gateway answered, and how fast."""
    if reach is None or reach.outcome is ReachOutcome.NOT_TRIED:
        return sign_text(UNTRIED)
    if reach.outcome is ReachOutcome.REACHABLE:
        return sign_text(GOOD, "" if reach.rtt_ms is None else f"{reach.rtt_ms:.1f} ms")
    return cell(f"{BAD} {reach.outcome}", "red" if reach.outcome is ReachOutcome.SILENT else "yellow")
