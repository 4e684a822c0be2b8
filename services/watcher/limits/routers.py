"""Which gateways are one router, by the MAC address that answered for them.

Only routers with gateways on several cluster networks matter: within one, its budget bounds what each router
is sent.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from services.contract.messages import Segment

MAX_SHARED = 256
"""Routers that are counted by themselves. Anyone on a VLAN may answer with any address."""
_NONE: tuple[str, ...] = ()


class Routers:
    """The routers of each segment, as far as they are known."""

    def __init__(self) -> None:
        self._of: dict[Segment, frozenset[str]] = {}
        self._segments: dict[str, Counter[str]] = {}
        """By router: the number of its segments on each cluster network."""
        self._shared: dict[str, None] = {}

    def learn(self, segment: Segment, routers: Collection[str]) -> None:
        """Take the MAC addresses that answered on this segment in place of those before; none forgets it."""
        before, after = self._of.pop(segment, frozenset()), frozenset(routers)
        if after:
            self._of[segment] = after
        for router in before - after:
            self._count(router, segment.cluster_network, -1)
        for router in after - before:
            self._count(router, segment.cluster_network, 1)

    def shared(self, segment: Segment) -> tuple[str, ...]:
        """Return the routers of this segment that have gateways on other cluster networks too."""
        if not self._shared:
            return _NONE
        return tuple(sorted(router for router in self._of.get(segment, ()) if router in self._shared))

    def loads(self) -> Iterable[Mapping[str, int]]:
        """Return for each shared router the number of its segments on each cluster network."""
        return [self._segments[router] for router in self._shared]

    def _count(self, router: str, cluster_network: str, change: int) -> None:
        segments = self._segments.setdefault(router, Counter())
        segments[cluster_network] += change
        if not segments[cluster_network]:
            del segments[cluster_network]
        if not segments:
            del self._segments[router]
        if len(segments) < 2:
            self._shared.pop(router, None)
        elif len(self._shared) < MAX_SHARED:
            self._shared[router] = None
