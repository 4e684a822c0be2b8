"""Draws the next fault by chance."""

import random
from collections.abc import Callable

from tests.faults.soak.api_faults import ApiFaults
from tests.faults.soak.edits import Edits
from tests.faults.soak.faulting import Facts, Fault
from tests.faults.soak.network_faults import NetworkFaults
from tests.faults.soak.process_faults import ProcessFaults
from tests.faults.soak.redis_faults import RedisFaults
from tests.faults.soak.world import World


class Breaking:
    """All kinds of faults, those of the network most often."""

    def __init__(self, world: World, chance: random.Random) -> None:
        common = (world, Facts(world), chance)
        network, process = NetworkFaults(*common), ProcessFaults(*common)
        redis, api, edits = RedisFaults(*common), ApiFaults(*common), Edits(*common)
        often = (network.gateway, network.neighbour, network.route, network.trunk, network.trunk)
        probers = (process.stop, process.kill, process.freeze, process.crash_loop, process.rolling)
        seldom = (network.rogue, network.loss, network.uplink)
        self._kinds: tuple[Callable[[], Fault | None], ...] = (
            *[*often, network.dhcp, edits.edit] * 3,
            *[*probers, edits.edit] * 2,
            *seldom,
        )
        self._central = (redis.redis, process.service, redis.pause, api.api)
        """Faults of what all need. While there is one, and for a minute after it, no host need report."""
        self._chance = chance
        self.standing = network.standing()
        """What is broken from the beginning on."""

    def draw(self, taken: frozenset[str], *, central: bool) -> Fault | None:
        """Return a fault; None where one cannot be now, or breaks what is broken already.

        central: whether it may be one of what all need.
        """
        fault = self._chance.choice((*self._kinds, *self._central) if central else self._kinds)()
        return None if fault is None or fault.claims & taken else fault
