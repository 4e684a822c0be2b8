"""A fault of the soak, and what is true while there are several."""

import itertools
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tests.faults.soak.layout import ISOLATED, MARKED, WITHOUT_DHCP
from tests.faults.soak.world import World
from tests.simulation.ground_truth import Fact

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
    durations: tuple[float, ...] = (3.0, 8.0, 20.0, 40.0, 60.0, 90.0)

    def seconds(self) -> float:
        """Return for how long a fault is there."""
        return self.chance.choice(self.durations)

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

        def begins() -> None:
            self.world.hindering.add(label)
            begin()

        def heals() -> None:
            heal()
            self.world.hindering.discard(label)
            self.recover(RECOVERY_S)

        seconds = self.chance.choice((0.5, 5.0, 20.0, 40.0))
        return Fault(label, frozenset({claim}), begins, heals, seconds)

    def at_once(self, label: str, claim: str, begin: Callable[[], object]) -> Fault:
        """Return a fault that is over at once."""
        return Fault(label, frozenset({claim}), begin, nothing, 0.0)

    def blurring(
        self,
        label: str,
        claim: str,
        facts: Sequence[Fact],
        begin: Callable[[], object],
        heal: Callable[[], object],
    ) -> Fault:
        """Return a fault while which either may be found of these facts."""

        def blurs() -> None:
            for fact in facts:
                self.world.truth.blur(fact, time.monotonic())
            begin()

        def clears() -> None:
            heal()
            for fact in facts:
                self.world.truth.clear(fact, time.monotonic())

        return Fault(label, frozenset({claim}), blurs, clears, self.seconds())

    def recover(self, seconds: float) -> None:
        """Note that until then nobody need be able to probe."""
        self.world.hindered_until = max(self.world.hindered_until, time.monotonic() + seconds)

    def pick(self, among: Collection[int]) -> int:
        """Return one of these VLANs."""
        return self.chance.choice(list(among))
