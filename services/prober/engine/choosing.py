"""Which of several offers counts: the same choice at every probe, in whatever order they come."""

from collections.abc import Sequence

from services.contract.messages import Target
from services.prober.engine.results import DHCPOffer


def choose(target: Target, offers: Sequence[DHCPOffer]) -> DHCPOffer | None:
    """The offer that counts for a target.

    Only the server that the target names, if it names one. Otherwise an offer with a usable gateway comes
    before one without; then the gateway that is known already, so that two servers do not make a
    network flap; then the lowest server address.
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
