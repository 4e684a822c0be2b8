"""The rows of docs/faults.md that can be made on the lab, and pairs of them drawn by chance."""

import random
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from tests.faults.soak.api_faults import ApiFaults
from tests.faults.soak.edits import Edits
from tests.faults.soak.faulting import Facts, Fault
from tests.faults.soak.message_faults import MessageFaults
from tests.faults.soak.network_faults import NetworkFaults
from tests.faults.soak.process_faults import ProcessFaults
from tests.faults.soak.redis_faults import RedisFaults
from tests.faults.soak.world import World

Kind = Callable[[], Fault | None]
DURATIONS = (2.0, 5.0, 10.0, 20.0, 30.0)
TRIES = 50


@dataclass(frozen=True)
class Pair:
    """Two faults of different parts of the system, with their rows."""

    rows: tuple[str, str]
    faults: tuple[Fault, Fault]


class Catalogue:
    """All kinds of faults, by their row, and edits by users."""

    def __init__(self, world: World, chance: random.Random, *, edits: random.Random) -> None:
        """edits: the chance of the users, who do not wait for faults."""
        facts = Facts(world)
        common = (world, facts, chance, DURATIONS)
        network, api = NetworkFaults(*common), ApiFaults(*common)
        redis, messages = RedisFaults(*common), MessageFaults(*common)
        process = ProcessFaults(*common)
        self.users = Edits(world, facts, edits, DURATIONS)
        owners = Edits(world, facts, chance, DURATIONS, made=self.users.made)
        self.standing = network.standing()
        self._chance = chance
        self.kinds: Mapping[str, tuple[Kind, ...]] = {
            "K1": (api.restart,),
            "K2": (api.compacted,),
            "K3": (api.half_open,),
            "K4": (api.token,),
            "K5": (api.busy, api.busy_for_all),
            "K6": (api.failing, api.lost_answers, api.slow),
            "K7": (api.conflicts,),
            "K8": (api.denied, api.webhook_down, api.webhook_frozen),
            "K9": (owners.create_several_again,),
            "K10": (owners.edit_several,),
            "K12": (api.stale,),
            "K13": (owners.storm,),
            "K14": (process.second_watcher,),
            "K15": (owners.broken,),
            "R1": (redis.restart,),
            "R2": (redis.emptied, redis.restart_empty),
            "R3": (redis.failover, redis.read_only),
            "R4": (redis.out_of_memory,),
            "R5": (redis.freeze, redis.cut),
            "R6": (redis.password,),
            "R7": (redis.no_permission,),
            "R8": (redis.misconf,),
            "R9": (messages.undecodable,),
            "R10": (messages.malformed,),
            "R11": (messages.unknown,),
            "R12": (messages.pickled,),
            "R13": (messages.repeated,),
            "R14": (messages.redelivered,),
            "R15": (messages.late,),
            "R16": (messages.delayed,),
            "R17": (messages.wrong_keys,),
            "R18": (messages.commands,),
            "R19": (redis.refusing_start,),
            "R20": (messages.forged_hosts, messages.forged_addresses, messages.forged_incarnation),
            "W1": (process.kill, process.crash_loop),
            "W2": (process.kill_updater,),
            "W3": (process.kill_watcher,),
            "W4": (process.stop_any,),
            "W5": (process.freeze_any,),
            "W6": (process.lose_host,),
            "W8": (process.full_disk,),
            "W12": (process.rolling,),
            "W13": (process.second_prober,),
            "N1": (network.missing,),
            "N2": (network.uplink,),
            "N3": (network.flapping,),
            "N4": (network.silent,),
            "N6": (network.rogue_beside,),
            "N7": (lambda: network.hostile("others"),),
            "N9": (lambda: network.hostile("other tags"),),
            "N10": (lambda: network.hostile("cut"),),
            "N14": (lambda: network.hostile("fragmented"),),
            "N15": (lambda: network.hostile("spoofed"),),
            "N16": (lambda: network.hostile("unsolicited"),),
            "N17": (network.flood,),
            "N18": (network.loss,),
            "N19": (network.rogue_alone,),
            "N20": (network.rogue_instead,),
        }

    def pairs(self, rows: Collection[str]) -> Iterator[Pair]:
        """Yield pairs without end: each of these rows once, in an order by chance, and again.

        Two of one part, such as Redis, are no pair: the second would not be noticed.
        """
        left: list[str] = []
        while True:
            left = left or self._shuffled(rows)
            first = left.pop(0)
            others = [row for row in left if row[0] != first[0]]
            if not others:
                others = [row for row in self._shuffled(rows) if row[0] != first[0]]
            for second in others:
                pair = self._draw(first, second)
                if pair is not None:
                    if second in left:
                        left.remove(second)
                    yield pair
                    break

    def _shuffled(self, rows: Collection[str]) -> list[str]:
        return self._chance.sample(sorted(rows), len(rows))

    def _draw(self, *rows: str) -> Pair | None:
        for _ in range(TRIES):
            first, second = (self._chance.choice(self.kinds[row])() for row in rows)
            if first is not None and second is not None and not first.claims & second.claims:
                return Pair((rows[0], rows[1]), (first, second))
        return None
