"""The JSON of what a probe found: DHCP's answers and the gateway's, as docs/cli.md documents it.

Apart from the other documents, and with protocols in place of the contract's messages, because `nadroute
scan` shows these alone: importing the messages takes longer than probing 64 VLANs.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol

from services.contract.outcomes import DHCPOutcome, Fault, LeaseOutcome, ReachOutcome, Untagged

Document = dict[str, object]


class OfferFound(Protocol):
    """The offer of one DHCP server; see services.contract.messages.Offer."""

    @property
    def server(self) -> IPv4Address: ...
    @property
    def mac(self) -> str | None: ...
    @property
    def cidr(self) -> IPv4Network | None: ...
    @property
    def gateway(self) -> IPv4Address | None: ...
    @property
    def relay(self) -> IPv4Address | None: ...
    @property
    def rogue(self) -> bool: ...
    @property
    def unasked_ack(self) -> bool: ...


class LeaseFound(Protocol):
    """The result of requesting an address; see services.contract.messages.LeaseVerdict."""

    @property
    def outcome(self) -> LeaseOutcome: ...
    @property
    def address(self) -> IPv4Address: ...


class DHCPFound(Protocol):
    """The result of asking DHCP; see services.contract.messages.DHCPVerdict."""

    @property
    def outcome(self) -> DHCPOutcome: ...
    @property
    def servers(self) -> Sequence[OfferFound]: ...
    @property
    def omitted(self) -> int: ...
    @property
    def lease(self) -> LeaseFound | None: ...


class ReachFound(Protocol):
    """Whether a gateway answered; see services.contract.messages.ReachVerdict."""

    @property
    def outcome(self) -> ReachOutcome: ...
    @property
    def rtt_ms(self) -> float | None: ...
    @property
    def mac(self) -> str | None: ...
    @property
    def macs(self) -> Sequence[str]: ...


class ScannedVlan(Protocol):
    """What a scan found on one VLAN (services.prober.scan.results.ScanResult)."""

    @property
    def vlan(self) -> int: ...
    @property
    def dhcp(self) -> DHCPFound: ...
    @property
    def gateway(self) -> ReachFound: ...
    @property
    def echo(self) -> ReachFound: ...
    @property
    def fault(self) -> Fault | None: ...
    @property
    def untagged(self) -> Untagged | None: ...


def scanned_document(scanned: ScannedVlan) -> Document:
    """One VLAN of `scan`; lease, echo, fault and untagged are present only if there is one."""
    dhcp = dhcp_document(scanned.dhcp)
    if scanned.dhcp.lease is not None:
        dhcp["lease"] = _lease(scanned.dhcp.lease)
    found: Document = {"vlan": scanned.vlan, "dhcp": dhcp, "gateway": reach_document(scanned.gateway)}
    if scanned.echo.outcome is not ReachOutcome.NOT_TRIED:
        found["echo"] = reach_document(scanned.echo)
    if scanned.fault is not None:
        found["fault"] = scanned.fault.value
    return found | untagged_document(scanned.untagged)


def dhcp_document(finding: DHCPFound | None) -> Document:
    """{"outcome", "servers": [{"server", "cidr", "gateway"}]}; omitted is present only if there are any."""
    if finding is None:
        return {"outcome": DHCPOutcome.NOT_TRIED.value, "servers": []}
    document: Document = {"outcome": finding.outcome.value, "servers": _offers(finding.servers)}
    return document | ({"omitted": finding.omitted} if finding.omitted else {})


def reach_document(reach: ReachFound | None) -> Document:
    """{"outcome", "rtt_ms"}; rtt_ms is null without an answer. mac: who answered ARP; macs: all that answered
    one question, if they were several."""
    if reach is None:
        return {"outcome": ReachOutcome.NOT_TRIED.value, "rtt_ms": None}
    document: Document = {"outcome": reach.outcome.value, "rtt_ms": reach.rtt_ms}
    document |= {"mac": reach.mac} if reach.mac else {}
    return document | ({"macs": list(reach.macs)} if reach.macs else {})


def untagged_document(untagged: Untagged | None) -> Document:
    """{"untagged"}, empty if nothing was heard without a tag."""
    return {} if untagged is None else {"untagged": untagged.value}


def server_document(server: str, cidr: str | None, gateway: str | None, mac: str | None) -> Document:
    """{"server", "cidr", "gateway"}; mac is present only if it is known."""
    document: Document = {"server": server, "cidr": cidr, "gateway": gateway}
    return document | ({"mac": mac} if mac else {})


def _offers(offers: Sequence[OfferFound]) -> list[Document]:
    """Return the offers; mac, relay, rogue and unasked_ack are present only if set."""
    documents = []
    for offer in offers:
        cidr, gateway = (str(value) if value else None for value in (offer.cidr, offer.gateway))
        document = server_document(str(offer.server), cidr, gateway, offer.mac)
        document |= {"relay": str(offer.relay)} if offer.relay is not None else {}
        document |= {name: True for name in ("rogue", "unasked_ack") if getattr(offer, name)}
        documents.append(document)
    return documents


def _lease(lease: LeaseFound) -> Document:
    return {"outcome": lease.outcome.value, "address": str(lease.address)}
