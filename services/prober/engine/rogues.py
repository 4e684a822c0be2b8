"""Which of the DHCP servers on a segment are not meant to be there."""

from collections.abc import Sequence

from services.contract.messages import Target
from services.prober.engine.results import DHCPOffer, TargetResult

_NOBODY: frozenset[int] = frozenset()


def find_rogues(
    targets: Sequence[Target],
    found: Sequence[TargetResult],
    offers: Sequence[DHCPOffer],
    *,
    allowed: frozenset[int],
) -> frozenset[int]:
    """Addresses of servers that offered and do not count.

    With a list of allowed ones, all others. Without one, a server alone is no rogue; of several those are
    none that a target names or whose offer counts for a target, or, where no target takes one, the lowest.
    """
    if len(offers) <= 1 and not allowed:
        return _NOBODY
    meant = allowed | {int(target.server) for target in targets if target.server is not None}
    servers = {offer.server for offer in offers}
    if not allowed:
        counting = {result.offer.server for result in found if result.offer is not None}
        meant |= counting or {min(servers)}
    return frozenset(servers - meant)
