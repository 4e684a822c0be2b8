"""Chaos: faults of the catalogue in pairs, under a stream of edits; after each pair all becomes true."""

import itertools
import random
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.soak.catalogue import Catalogue, Pair
from tests.faults.soak.flatness import growths
from tests.faults.soak.healing import Healing
from tests.faults.soak.running import TRUE_FOR_S, Run, Say
from tests.faults.soak.sampling import Sampling
from tests.faults.soak.starting import running_world
from tests.faults.soak.table import Outcome

EDITS_APART_S = (0.5, 1.0, 2.0, 4.0)
SECOND_AFTER = (0.0, 0.5, 1.0)
"""When the shorter of two faults begins, as a share of what the longer one lasts longer."""


@dataclass
class Chaos(Run):
    """One run."""

    seed: int = 1
    edits: int = 0
    catalogue: Catalogue = field(init=False)
    _next_edit: float = 0.0
    _may_ask: bool = False
    """Whether users change what they ask for; while it heals they change only what nadroute leaves alone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._chance, self._users = random.Random(self.seed), random.Random(self.seed + 1)
        self.catalogue = Catalogue(self.world, self._chance, edits=self._users)

    def run(
        self,
        seconds: float,
        *,
        pairs: int | None = None,
        rows: Collection[str] = (),
        quiet_first: bool = True,
    ) -> Outcome:
        """Go on for so long, and until all has healed from the last pair.

        pairs: how many there are at most. rows: all if empty. quiet_first: whether all that stands is true
        before the first pair.
        """
        for fault in self.catalogue.standing:
            fault.begin()
        is_whole = not quiet_first or self.until_true(time.monotonic()) is not None
        self.tell("the faults begin" if is_whole else "nothing to break: what stands does not become true")
        end = time.monotonic() + (seconds if is_whole else 0.0)
        sampling = Sampling(self.world)
        sampling.begin()
        healings = []
        try:
            for pair in itertools.islice(self.catalogue.pairs(rows or self.catalogue.kinds), pairs):
                if time.monotonic() >= end:
                    break
                healings.append(self._break(pair))
        finally:
            sampling.end()
        return Outcome(
            seed=self.seed,
            seconds=seconds,
            healings=healings,
            judged=self.judge.judged,
            edits=self.edits,
            false=[self.describe(word) for word in self.judge.found],
            ended=self.ended,
            growths=growths(sampling.samples),
            lost_s=self.world.counting.lost_s(),
        )

    def _break(self, pair: Pair) -> Healing:
        self.tell("")
        self._may_ask = True
        (longer, first), (shorter, second) = sorted(
            zip(pair.rows, pair.faults, strict=True), key=lambda each: -each[1].seconds
        )
        self.begin(first, word=f"{longer}: ")
        at = time.monotonic() + (first.seconds - second.seconds) * self._chance.choice(SECOND_AFTER)
        while time.monotonic() < at:
            self.step()
        self.begin(second, word=f"{shorter}: ")
        while any(fault in pair.faults for fault in self.active):
            self.step()
        self._may_ask = False
        self.heal_all()
        since = time.monotonic()
        true_since = self.until_true(since)
        seconds = None if true_since is None else self.world.counting.run_s(since, true_since)
        said = "not all true" if seconds is None else f"all true after {seconds:.1f} s"
        self.tell(f"  {said}; {self.judge.judged} writes judged, {self.edits} edits by users")
        return Healing(pair.rows, (first.label, second.label), seconds, self.last_wrong)

    def step(self) -> None:
        """Let a user edit a network now and then, and do what is due."""
        now = time.monotonic()
        if now >= self._next_edit:
            self._next_edit = now + self._users.choice(EDITS_APART_S)
            users = self.catalogue.users
            edit = self._users.choice((users.edit, users.remark))() if self._may_ask else users.remark()
            if edit is not None and not edit.claims & self.taken:
                self.edits += 1
                self.begin(edit, word=None)
        super().step()


def chaos(
    folder: Path,
    state: Path,
    *,
    seconds: float,
    seed: int,
    say: Say,
    pairs: int | None = None,
    rows: Collection[str] = (),
    quiet_first: bool = True,
    true_for_s: float = TRUE_FOR_S,
) -> Outcome:
    """Start everything and run chaos."""
    with running_world(folder, state) as world:
        run = Chaos(world, say, true_for_s, seed=seed)
        return run.run(seconds, pairs=pairs, rows=rows, quiet_first=quiet_first)
