"""What DHCP says of a network, from what every host was told by it: the newest offers, or that it is out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network

from services.contract.gateways import Flaw, find_flaw, first_usable
from services.contract.messages import Offer, Verdict
from services.contract.outcomes import DHCPOutcome, Reason
from services.contract.verdicts import AgedVerdict
from services.network.parse.intent import Intent
from services.network.parse.status import ServerSeen
from services.network.policy import Policy

_REASONS = {
    Flaw.NOT_A_HOST: Reason.ROUTER_NOT_A_HOST,
    Flaw.NO_SUBNET: Reason.NO_SUBNET_MASK,
    Flaw.NO_ROOM: Reason.SUBNET_TOO_SMALL,
    Flaw.OFFERED_ADDRESS: Reason.ROUTER_IS_OFFERED_ADDRESS,
    Flaw.OUTSIDE: Reason.ROUTER_OUTSIDE_SUBNET,
    Flaw.NETWORK_ADDRESS: Reason.ROUTER_NOT_A_HOST,
    Flaw.BROADCAST_ADDRESS: Reason.ROUTER_NOT_A_HOST,
    Flaw.DENIED: Reason.ROUTER_REFUSED,
}
_REFUSED_ROUTERS = frozenset(
    {
        Reason.ROUTER_NOT_A_HOST,
        Reason.ROUTER_IS_OFFERED_ADDRESS,
        Reason.ROUTER_OUTSIDE_SUBNET,
        Reason.ROUTER_REFUSED,
    }
)


@dataclass(frozen=True)
class Lease:
    """What DHCP says of the network: fresh if it answered, remembered if not."""

    cidr: IPv4Network | None
    gateway: IPv4Address | None
    answered: bool
    reason: Reason
    """Why it does not answer usably."""
    detail: str = ""
    """That reason's values."""
    servers: tuple[ServerSeen, ...] = ()
    findings: Mapping[str, str] = field(default_factory=dict)
    """What else is to be told, and its values."""
    unoffered: tuple[str, ...] = ()
    """Hosts that were offered nothing since the newest offer: too few of them yet to call DHCP out."""


def read_lease(
    intent: Intent, asked: Sequence[AgedVerdict], *, confirmations: int, policy: Policy
) -> Lease | None:
    """What the conclusive answers say; None where there is none and nothing is remembered either.

    asked: of each host the newest verdict that asked DHCP, the fresh ones alone. That hosts hear nothing may
    be a fault of theirs: it is told once confirmations + 1 of them did, since the newest offer.
    """
    if intent.mode == "manual":
        return None
    newest_first = sorted(
        (seen for seen in asked if _is_conclusive(seen.verdict, intent.digest)),
        key=lambda seen: (seen.age_s, seen.verdict.host),
    )
    offered = [seen for seen in newest_first if _offers(seen.verdict)]
    silent = [seen for seen in newest_first if not _offers(seen.verdict)]
    if offered:
        silent = [seen for seen in silent if seen.age_s < offered[0].age_s]
    offers = _newest_by_server(offered)
    servers = tuple(_server_seen(offer) for offer in offers)
    remembered = (intent.known_cidr, intent.known_gateway)
    if len(silent) > confirmations:
        return Lease(*remembered, False, Reason.NO_DHCP_OFFER, servers=servers)
    unoffered = tuple(sorted(seen.verdict.host for seen in silent))
    if offers:
        return replace(_read_offers(intent, offers, servers, policy), unoffered=unoffered)
    if silent:
        answered = intent.known_gateway is not None
        return Lease(*remembered, answered, Reason.CONFIRMING_NO_OFFER, unoffered=unoffered)
    return Lease(*remembered, True, Reason.NOT_PROBED_YET) if intent.known_gateway else None


def _is_conclusive(verdict: Verdict, digest: str) -> bool:
    return (
        verdict.dhcp is not None
        and verdict.dhcp.outcome in (DHCPOutcome.OFFERED, DHCPOutcome.NO_OFFER)
        and any(target.digest == digest for target in verdict.targets)
    )


def _offers(verdict: Verdict) -> bool:
    return verdict.dhcp is not None and verdict.dhcp.outcome is DHCPOutcome.OFFERED


def _newest_by_server(newest_first: Iterable[AgedVerdict]) -> list[Offer]:
    """The newest offer of every server that any host heard, in the order of the servers' addresses.

    What one host missed does not flicker with the host that was asked last.
    """
    offers: dict[IPv4Address, Offer] = {}
    for seen in newest_first:
        finding = seen.verdict.dhcp
        for offer in finding.servers if finding is not None else ():
            offers.setdefault(offer.server, offer)
    return [offers[server] for server in sorted(offers)]


def _read_offers(
    intent: Intent, offers: Sequence[Offer], servers: tuple[ServerSeen, ...], policy: Policy
) -> Lease:
    """One choice for all hosts: the named server, else the known gateway's, else the lowest address."""
    eligible = [offer for offer in offers if intent.server in (None, offer.server)]
    usable = [(offer, gateway) for offer in eligible if (gateway := _gateway_of(offer, policy))]
    if not usable:
        reason, detail = _why_unusable(intent, eligible, offers, policy)
        findings = _disagreement(offers, "none is usable")
        remembered = (intent.known_cidr, intent.known_gateway)
        if any(_disowns(offer, intent.known_gateway, policy) for offer in eligible):
            # It came from such an offer itself: Harvester's helper takes any router, and makes up a subnet.
            remembered = (None, None)
        return Lease(*remembered, False, reason, detail, servers, findings)
    chosen, gateway = next((pair for pair in usable if pair[1] == intent.known_gateway), usable[0])
    findings = _disagreement(offers, f"that of {chosen.server} counts")
    if len(set(chosen.routers)) > 1:
        named = ", ".join(map(str, dict.fromkeys(chosen.routers)))
        findings[Reason.SEVERAL_ROUTERS] = f"{chosen.server} names {named}; {gateway} counts"
    return Lease(chosen.cidr, gateway, True, Reason.GATEWAY_ANSWERS, "", servers, findings)


def _gateway_of(offer: Offer, policy: Policy) -> IPv4Address | None:
    """The first router that can be one; None where none can."""
    usable = first_usable(
        None if offer.gateway is None else int(offer.gateway),
        map(int, offer.routers),
        offered=int(offer.address),
        subnet=_subnet(offer),
        prefix=_prefix(offer),
        denied=policy.denied,
    )
    return None if usable is None else IPv4Address(usable)


def _subnet(offer: Offer) -> int:
    return 0 if offer.cidr is None else int(offer.cidr.network_address)


def _prefix(offer: Offer) -> int | None:
    return None if offer.cidr is None else offer.cidr.prefixlen


def _routers(offer: Offer) -> list[IPv4Address]:
    """As the server meant them: option 121 before option 3."""
    first = [] if offer.gateway is None else [offer.gateway]
    return list(dict.fromkeys([*first, *offer.routers]))


def _refuse(offer: Offer, router: IPv4Address, policy: Policy) -> Reason | None:
    """Why this router of this offer must not get into an annotation; None where it may."""
    flaw = find_flaw(
        int(router),
        offered=int(offer.address),
        subnet=_subnet(offer),
        prefix=_prefix(offer),
        denied=policy.denied,
    )
    return None if flaw is None else _REASONS[flaw]


def _why_unusable(
    intent: Intent, eligible: Sequence[Offer], offers: Sequence[Offer], policy: Policy
) -> tuple[Reason, str]:
    """The reason and its values: of the server with the lowest address, so that it is always the same."""
    if not eligible:
        if not offers:
            return Reason.NO_DHCP_OFFER, ""
        heard = ", ".join(str(offer.server) for offer in offers)
        return Reason.CONFIGURED_SERVER_SILENT, f"{intent.server} did not answer, {heard} did"
    offer = eligible[0]
    routers = _routers(offer)
    subnet = offer.cidr or "no usable mask"
    if not routers:
        return Reason.NO_ROUTER_OPTION, f"{offer.server} offered {offer.address} ({subnet})"
    reason = _refuse(offer, routers[0], policy)
    assert reason is not None
    return reason, f"{offer.server} offered {offer.address} ({subnet}) with router {routers[0]}"


def _disowns(offer: Offer, known: IPv4Address | None, policy: Policy) -> bool:
    """Whether it names the known gateway, which is none in its subnet; without a usable one it cannot say."""
    return known in _routers(offer) and _refuse(offer, known, policy) in _REFUSED_ROUTERS


def _disagreement(offers: Sequence[Offer], choice: str) -> dict[str, str]:
    """Servers that would lead the network's guests to different gateways."""
    seen = [_server_seen(offer) for offer in offers]
    if len({(server.cidr, server.gateway) for server in seen}) < 2:
        return {}
    told = "; ".join(f"{s.server} offers {s.cidr or 'no subnet'} via {s.gateway or 'nobody'}" for s in seen)
    return {Reason.DHCP_SERVERS_DISAGREE: f"{told}; {choice}"}


def _server_seen(offer: Offer) -> ServerSeen:
    routers = _routers(offer)
    return ServerSeen(str(offer.server), str(offer.cidr or ""), str(routers[0]) if routers else "")
