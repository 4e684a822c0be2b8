"""The DHCP servers behind the offers: whose offer counts against the known gateway, and what is told of them.

A server is an address (option 54) and the MAC address that the offer came from: anyone on the VLAN can offer
under another's address. For a relayed offer the MAC address is the relay's.
"""

from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Address

from services.contract.gateways import subnet_of
from services.contract.limits import MAX_SERVERS
from services.contract.macs import with_mac
from services.contract.messages import Offer, Verdict
from services.contract.outcomes import Reason
from services.contract.verdicts import AgedVerdict
from services.network.parse.intent import Intent
from services.network.parse.status import ServerIdentity, ServerOffer

UsableOffer = tuple[Offer, IPv4Address]
"""An offer and its usable gateway."""


def identity(offer: Offer) -> ServerIdentity:
    """Return the server that made the offer."""
    return ServerIdentity(str(offer.server), offer.mac or "")


def choose(
    intent: Intent,
    usable: Sequence[UsableOffer],
    *,
    named_known: Collection[ServerIdentity],
    known_is_silent: bool,
) -> UsableOffer | None:
    """Return the offer that counts for all hosts; None if the known gateway stays, although none names it.

    usable: at least one, in the order of servers. named_known: servers that have named the known gateway in
    the known subnet; where the owner configured a server, those with its address. If all of them name
    another of either, the network was renumbered; if there are none, the configured server is followed. A
    stranger's offer counts only once the known gateway is silent.
    """
    known = intent.known_gateway
    confirming = [pair for pair in usable if pair[1] == known]
    same = [pair for pair in confirming if subnet_of(pair[0].cidr, known) == intent.known_cidr]
    agreed = agreeing([offer for offer, _ in usable], named_known)
    own = [pair for pair in usable if identity(pair[0]) in agreed]
    # In another subnet a stranger confirms nothing, unless nobody is known to have named the gateway.
    trusted = [pair for pair in confirming if pair in own or not named_known]
    if chosen := same or trusted or own:
        return chosen[0]
    is_configured = intent.server is not None and not named_known
    return (confirming or usable)[0] if known is None or known_is_silent or is_configured else None


def agreeing(offers: Iterable[Offer], named_known: Collection[ServerIdentity]) -> Collection[ServerIdentity]:
    """Return the servers that have named the known gateway; none if one of them did not make these offers.

    One alone may be a stranger that named the gateway once, and waited until the others are silent.
    """
    return named_known if set(named_known) <= {identity(offer) for offer in offers} else ()


def newest_offers(newest_first: Iterable[AgedVerdict]) -> list[Offer]:
    """Return the newest offers of every server that any host received, in the order of servers.

    Merging all hosts keeps the list steady when the host that asked last missed one. What a server has
    acknowledged comes before what it only offers: that may lack options, which a client takes from the
    DHCPACK (RFC 2131 section 4.3.2).
    """
    newest: dict[ServerIdentity, list[Offer]] = {}
    for seen in newest_first:
        made: dict[ServerIdentity, list[Offer]] = {}
        for offer in offers_in(seen.verdict):
            made.setdefault(identity(offer), []).append(offer)
        for server, offers in made.items():
            if server not in newest or (_is_acknowledged(offers) and not _is_acknowledged(newest[server])):
                newest[server] = offers
    found = [offer for made in newest.values() for offer in made]
    return sorted(found, key=lambda offer: (offer.server, offer.mac or "", str(offer.gateway or "")))


def _is_acknowledged(offers: Iterable[Offer]) -> bool:
    return any(offer.acknowledged for offer in offers)


def offers_in(verdict: Verdict) -> tuple[Offer, ...]:
    """Return the offers that the host received."""
    return () if verdict.dhcp is None else verdict.dhcp.servers


def are_too_many(offers: Sequence[Offer], offered: Iterable[AgedVerdict]) -> bool:
    """Return whether some offers were left out, or would be in the status."""
    return len(offers) > MAX_SERVERS or any(
        seen.verdict.dhcp is not None and seen.verdict.dhcp.omitted for seen in offered
    )


def remember(known: Collection[ServerIdentity], more: Iterable[ServerIdentity]) -> frozenset[ServerIdentity]:
    """Add servers that have named the gateway; the known ones stay, however many there are."""
    return frozenset([*sorted(known), *sorted(set(more) - set(known))][:MAX_SERVERS])


def routers_of(offer: Offer) -> list[IPv4Address]:
    """Return the offer's routers in order of precedence: option 121 before option 3 (RFC 3442)."""
    first = [] if offer.gateway is None else [offer.gateway]
    return list(dict.fromkeys([*first, *offer.routers]))


def list_servers(offers: Sequence[Offer]) -> tuple[ServerOffer, ...]:
    """Return each server once for each (cidr, gateway) that it offers.

    Two routers may relay one server's offer (VRRP, HSRP): it is listed once.
    """
    listed: dict[tuple[str, str, str], ServerOffer] = {}
    for offer in offers:
        routers = routers_of(offer)
        named = ServerOffer(
            str(offer.server),
            str(subnet_of(offer.cidr, routers[0] if routers else None) or ""),
            str(routers[0]) if routers else "",
            offer.mac or "",
            str(offer.relay or ""),
        )
        listed.setdefault((named.server, named.cidr, named.gateway), named)
    return tuple(listed.values())


def find_differences(servers: Sequence[ServerOffer], choice: str) -> dict[str, str]:
    """Return the findings that VMs are offered different subnets or gateways, if they are.

    choice: what nadroute makes of it.
    """
    findings = {}
    if any(_differ(one, other) and one.server != other.server for one in servers for other in servers):
        findings[Reason.DHCP_SERVERS_DISAGREE.value] = f"{_list(servers)}; {choice}"
    shared = [
        one for one in servers if any(_differ(one, other) and one.server == other.server for other in servers)
    ]
    if shared:
        findings[Reason.SERVER_ID_SHARED.value] = f"{_list(shared)}; {choice}"
    return findings


def find_stranger(servers: Sequence[ServerOffer], known: str, *, too_many: bool) -> str:
    """Return the finding's text where other servers made offers, and none of them counts.

    known: the known gateway and its subnet.
    """
    made = _list(servers) or f"more than {MAX_SERVERS} offers"
    until = "" if too_many else " until it is silent on the VLAN"
    return f"{made}; no offer names {known}, which nadroute keeps{until}"


def find_too_many(choice: str) -> dict[str, str]:
    """Return the finding that more servers made offers than are kept.

    Without their number: it may be another at every probe, and each would be a write.
    """
    return {Reason.TOO_MANY_DHCP_SERVERS.value: f"more than {MAX_SERVERS} offers; {choice}"}


def _differ(one: ServerOffer, other: ServerOffer) -> bool:
    return (one.cidr, one.gateway) != (other.cidr, other.gateway)


def _list(servers: Sequence[ServerOffer]) -> str:
    return "; ".join(
        f"{describe(server)} offers {server.cidr or 'no subnet'} via {server.gateway or 'no gateway'}"
        for server in servers
    )


def describe(server: ServerOffer) -> str:
    """Return the server, and the machine that its offer came from."""
    if server.relay:
        return f"{server.server} through the relay {with_mac(server.relay, server.mac)}"
    return with_mac(server.server, server.mac)


def sender(offer: Offer) -> str:
    """Return the same of an offer."""
    return describe(ServerOffer(str(offer.server), mac=offer.mac or "", relay=str(offer.relay or "")))
