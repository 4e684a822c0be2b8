"""DHCP offers: which are waited for and kept, which one counts for a target, and which servers are rogues."""

from collections.abc import Iterable, Sequence
from typing import Final

from services.contract.gateways import MaskedSubnet, first_usable
from services.contract.limits import MAX_SERVERS, MAX_TARGETS
from services.prober.engine.probes import Target
from services.prober.engine.results import DHCPOffer, TargetResult
from services.prober.frames import dhcp

_NO_SERVERS: Final[frozenset[int]] = frozenset()

Expected = tuple[int, int]
"""An offer that confirms what is known: its server's address and its usable gateway; 0 stands for any."""
Choice = tuple[Target, DHCPOffer | None, int | None]
"""A target, the offer that counts for it, and the gateway to check."""


def is_expected(offer: DHCPOffer, expected: Expected) -> bool:
    """Return whether the offer is this expected one."""
    server, gateway = expected
    return (not server or server == offer.server) and (not gateway or gateway == offer.usable_gateway)


def is_repetition(offer: DHCPOffer, other: DHCPOffer) -> bool:
    """Return whether both offers are of one server and name the same gateway and mask."""
    return (
        offer.server == other.server
        and offer.server_mac == other.server_mac
        and offer.gateway == other.gateway
        and offer.prefix == other.prefix
    )


def acknowledged(offer: DHCPOffer, ack: dhcp.Reply, *, denied: tuple[MaskedSubnet, ...]) -> DHCPOffer:
    """Return the offer with the options of its DHCPACK, which count (RFC 2131 section 4.3.2).

    An option that only the DHCPOFFER had is gone: clients configure what the DHCPACK says. The frame's source
    stays, so that a lease through the other router of a pair is not from another server.
    """
    prefix = None if ack.mask is None else dhcp.prefix_length(ack.mask)
    address = ack.address
    usable = first_usable(
        ack.gateway,
        ack.routers,
        offered=address,
        subnet=address,
        prefix=prefix,
        on_link=ack.on_link,
        denied=denied,
    )
    return offer._replace(
        prefix=prefix,
        gateway=ack.gateway if usable is None else usable,
        routers=ack.routers,
        relay=ack.relay,
        lease_s=ack.lease_s,
        usable_gateway=usable,
        acknowledged=True,
        on_link=ack.on_link and usable in (None, ack.gateway),
    )


def put_acknowledged(
    offers: list[DHCPOffer], requested: DHCPOffer | None, offer: DHCPOffer
) -> tuple[DHCPOffer, ...]:
    """Put the acknowledged offer in the place of the requested one; return all offers in order."""
    for index, kept in enumerate(offers):
        if kept is requested:
            offers[index] = offer
    return in_order(offers)


def keep(
    offers: list[DHCPOffer], offer: DHCPOffer, *, expected: Sequence[Expected], allowed: frozenset[int]
) -> bool:
    """Add an offer to at most MAX_SERVERS others; return whether it was added.

    When there is no room, an expected offer takes the place of the last that is not, and the offer of a
    configured or allowed server that of the last from another server: invented servers displace neither.
    """
    if len(offers) < MAX_SERVERS:
        offers.append(offer)
        return True
    ranks = [_rank(kept, expected, allowed) for kept in offers]
    least = min(ranks)
    if _rank(offer, expected, allowed) <= least:
        return False
    del offers[MAX_SERVERS - 1 - ranks[::-1].index(least)]
    offers.append(offer)
    return True


def _rank(offer: DHCPOffer, expected: Sequence[Expected], allowed: frozenset[int]) -> int:
    if any(is_expected(offer, one) for one in expected):
        return 2
    return 1 if offer.server in allowed or any(offer.server == server for server, _ in expected) else 0


def in_order(offers: Iterable[DHCPOffer]) -> tuple[DHCPOffer, ...]:
    """Return the offers in the order of their servers, MAC addresses and gateways."""
    return tuple(sorted(offers, key=lambda offer: (offer.server, offer.server_mac, offer.gateway or 0)))


def choose(target: Target, offers: Sequence[DHCPOffer]) -> DHCPOffer | None:
    """Return the offer that counts for a target; the choice does not depend on the order of arrival.

    If the target names a server, only its offers count. An offer with a usable gateway is preferred; then
    one with the gateway that is known already, so that two servers do not make a network flap; then the one
    with the lowest server address; of several under one address, the order is that of in_order.
    """
    if target.server is not None:
        named = int(target.server)
        offers = [offer for offer in offers if offer.server == named]
    if len(offers) <= 1:
        return offers[0] if offers else None
    known = None if target.gateway is None else int(target.gateway)
    return min(
        offers,
        key=lambda offer: (
            offer.usable_gateway is None,
            offer.usable_gateway != known,
            offer.server,
            offer.server_mac,
            offer.gateway or 0,
        ),
    )


def choose_all(targets: Sequence[Target], known: list[int], offers: list[DHCPOffer]) -> list[Choice]:
    """Return the choice for each target, in order.

    A known gateway that no offer names stays the choice, without an offer. What is offered instead is a
    further choice; these are at the end. known: the known gateway of each target, or 0.
    """
    choices: list[Choice] = []
    further: list[Choice] = []
    for index, target in enumerate(targets):
        gateway = known[index]
        offer = choose(target, offers) if target.from_dhcp else None
        if offer is None or offer.usable_gateway is None:
            choices.append((target, offer, gateway or None))
        elif not gateway or gateway == offer.usable_gateway:
            choices.append((target, offer, offer.usable_gateway))
        else:
            choices.append((target, None, gateway))
            further.append((target, offer, offer.usable_gateway))
    return [*choices, *further][:MAX_TARGETS] if further else choices


def find_rogues(
    targets: Sequence[Target],
    results: Sequence[TargetResult],
    offers: Sequence[DHCPOffer],
    *,
    allowed: frozenset[int],
) -> frozenset[int]:
    """Return the addresses of the rogue servers among those that offered.

    allowed: if not empty, every other server is a rogue. Otherwise a single server never is; of several,
    those are legitimate that a target names or whose offer counts for a target, or, if no target takes an
    offer, the one with the lowest address; and those that agree with one of these: a failover pair, or relays
    that name themselves as the server (RFC 5107).
    """
    if len(offers) <= 1 and not allowed:
        return _NO_SERVERS
    legitimate = allowed | {int(target.server) for target in targets if target.server is not None}
    servers = {offer.server for offer in offers}
    if not allowed:
        counting = [result.offer for result in results if result.offer is not None]
        counting = counting or [offer for offer in offers if offer.server == min(servers)]
        legitimate |= {offer.server for offer in counting}
        terms = {_terms(offer) for offer in counting if offer.prefix}
        # Who also offers anything else is no pair.
        servers = {offer.server for offer in offers if _terms(offer) not in terms}
    return frozenset(servers - legitimate)


def _terms(offer: DHCPOffer) -> tuple[int, int, int | None]:
    """Return subnet, prefix and gateway, in which the servers of a pair agree; prefix 0 without a mask."""
    prefix = offer.prefix or 0
    # A /32 is each client's own.
    return 0 if prefix == 32 else offer.address >> 32 - prefix, prefix, offer.gateway
