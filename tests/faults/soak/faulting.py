"""A fault of the soak, and what is true while there are several."""

import itertools
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tests.faults.soak.layout import ISOLATED, MARKED, WITHOUT_DHCP
from tests.faults.soak.world import World

RECOVERY_S = 30.0
"""N of docs/faults.md: seconds after the fault heals within which all is as before."""

Concerned = tuple[Sequence[int], Sequence[str]]
"""VLANs, and hosts; the empty host stands for a whole VLAN."""


@dataclass(frozen=True)
class Fault:
    """A fault that may be begun."""

    label: str
    claims: frozenset[str]
    """What it breaks; two faults never break the same."""
    begin: Callable[[], object]
    heal: Callable[[], object]
    seconds: float
    """For how long; 0 for what is over at once."""


def nothing() -> None:
    """Do nothing: there is nothing to heal."""


@dataclass
class Facts:
    """Keeps what is true of the site: a path may be broken for several reasons at once."""

    world: World
    _reasons: dict[tuple[str, int, str], int] = field(default_factory=dict)

    def broken(self, path: str, concerned: Concerned, *, more: int) -> None:
        """Add a reason (1) for which a path is broken, or take it away (-1)."""
        for vlan, host in itertools.product(*concerned):
            key = (path, vlan, host)
            self._reasons[key] = self._reasons.get(key, 0) + more
            never = (path == "dhcp" and host == "" and vlan in WITHOUT_DHCP) or (
                path == "routed" and vlan in (ISOLATED, MARKED)
            )
            self.world.truth.set(key, not self._reasons[key] and not never, time.monotonic())


@dataclass
class Kinds:
    """Faults of one family, drawn by chance."""

    world: World
    facts: Facts
    chance: random.Random

    def seconds(self) -> float:
        """Return for how long a fault is there."""
        return self.chance.choice((3.0, 8.0, 20.0, 40.0, 60.0, 90.0))

    def breaking(
        self,
        label: str,
        claim: str,
        facts: Mapping[str, Concerned],
        begin: Callable[[], object],
        heal: Callable[[], object],
    ) -> Fault:
        """Return a fault that makes these paths broken."""

        def breaks() -> None:
            for path, concerned in facts.items():
                self.facts.broken(path, concerned, more=1)
            begin()

        def heals() -> None:
            for path, concerned in facts.items():
                self.facts.broken(path, concerned, more=-1)
            heal()

        return Fault(label, frozenset({claim}), breaks, heals, self.seconds())

    def central(
        self, label: str, claim: str, begin: Callable[[], object], heal: Callable[[], object]
    ) -> Fault:
        """Return a fault of something that all need, which recovers after it."""

        def heals() -> None:
            heal()
            self.recover(RECOVERY_S)

        seconds = self.chance.choice((0.5, 5.0, 20.0, 40.0))
        return Fault(label, frozenset({claim}), begin, heals, seconds)

    def recover(self, seconds: float) -> None:
        """Note that until then nobody need be able to probe."""
        self.world.hindered_until = max(self.world.hindered_until, time.monotonic() + seconds)

    def pick(self, among: Collection[int]) -> int:
        """Return one of these VLANs."""
        return self.chance.choice(list(among))
