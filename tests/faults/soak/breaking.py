"""Draws the next fault by chance."""

import random
from collections.abc import Callable

from tests.faults.soak.api_faults import ApiFaults, Edits
from tests.faults.soak.faulting import Facts, Fault
from tests.faults.soak.network_faults import NetworkFaults
from tests.faults.soak.process_faults import ProcessFaults
from tests.faults.soak.world import World


class Breaking:
    """All kinds of faults, those of the network most often."""

    def __init__(self, world: World, chance: random.Random) -> None:
        common = (world, Facts(world), chance)
        network, process = NetworkFaults(*common), ProcessFaults(*common)
        api, edits = ApiFaults(*common), Edits(*common)
        often = (network.gateway, network.neighbour, network.route, network.trunk, network.trunk)
        probers = (process.stop, process.kill, process.freeze, process.crash_loop, process.rolling)
        seldom = (network.rogue, network.loss, network.uplink, process.redis, process.service, process.pause)
        self._kinds: tuple[Callable[[], Fault | None], ...] = (
            *[*often, network.dhcp, edits.edit] * 3,
            *[*probers, edits.edit] * 2,
            *[*seldom, api.api],
        )
        self._chance = chance
        self.standing = network.standing()
        """What is broken from the beginning on."""

    def draw(self, taken: frozenset[str]) -> Fault | None:
        """Return a fault; None where one cannot be now, or breaks what is broken already."""
        fault = self._chance.choice(self._kinds)()
        return None if fault is None or fault.claims & taken else fault
