"""DHCP offers: which one counts for a target, and which servers are rogues."""

from collections.abc import Sequence
from typing import Final

from services.contract.messages import Target
from services.prober.engine.results import DHCPOffer, TargetResult

_NO_SERVERS: Final[frozenset[int]] = frozenset()


def choose(target: Target, offers: Sequence[DHCPOffer]) -> DHCPOffer | None:
    """Return the offer that counts for a target; the choice does not depend on the order of arrival.

    If the target names a server, only its offer counts. Otherwise an offer with a usable gateway is
    preferred; then one with the gateway that is known already, so that two servers do not make a network
    flap; then the one with the lowest server address.
    """
    if target.server is not None:
        named = int(target.server)
        return next((offer for offer in offers if offer.server == named), None)
    if len(offers) <= 1:
        return offers[0] if offers else None
    known = None if target.gateway is None else int(target.gateway)
    return min(
        offers,
        key=lambda offer: (offer.usable_gateway is None, offer.usable_gateway != known, offer.server),
    )


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
    offer, the one with the lowest address.
    """
    if len(offers) <= 1 and not allowed:
        return _NO_SERVERS
    legitimate = allowed | {int(target.server) for target in targets if target.server is not None}
    servers = {offer.server for offer in offers}
    if not allowed:
        chosen = {result.offer.server for result in results if result.offer is not None}
        legitimate |= chosen or {min(servers)}
    return frozenset(servers - legitimate)
