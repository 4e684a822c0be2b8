"""What nadroute has written to the networks, and would leave there when it is removed."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.network.parse import nad
from services.network.parse.nad import Network, NetworkRef

WRITTEN = (nad.STATUS,)
"""The annotations that nadroute alone writes. The route annotation is Harvester's, and stays as it is."""
_PREFIX = "nadroute.io/"


@dataclass(frozen=True)
class Leftover:
    """A network with annotations of nadroute."""

    network: Network
    ours: tuple[str, ...]
    """Those that nadroute wrote."""
    owners: tuple[str, ...]
    """Those that its owner wrote for nadroute, which stay."""

    @property
    def ref(self) -> NetworkRef:
        return self.network.ref


def leftovers(networks: Iterable[Network]) -> list[Leftover]:
    """Return the networks with annotations of nadroute or for it, by name."""
    found = []
    for network in sorted(networks, key=lambda each: each.ref):
        keys = [key for key in sorted(network.annotations) if key.startswith(_PREFIX)]
        if keys:
            ours = tuple(key for key in keys if key in WRITTEN)
            found.append(Leftover(network, ours, tuple(key for key in keys if key not in WRITTEN)))
    return found
