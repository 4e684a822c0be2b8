"""Runs the soak: times of mixed faults, each followed by a quiet time in which everything becomes true."""

import itertools
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.soak.breaking import Breaking
from tests.faults.soak.running import Run, Say
from tests.faults.soak.starting import running_world

STORM_S = 200.0
"""Length of a time of faults. In every second one nothing is broken that all need: only while that works must
every host be heard."""
PAUSES_S = (0.2, 1.0, 3.0, 8.0)
"""Between the beginnings of two faults."""
ACTIVE_AT_ONCE = 12


@dataclass
class Outcome:
    """What a soak found."""

    judged: int
    judged_for_unheard: int
    """Of these, while some host could report, so that NotHeard was judged as well."""
    found: list[str]
    """The false words, each with what was true and which faults there were."""
    ended: list[str]
    """The processes that ended by themselves."""
    faults: int
    quiet_times: int
    lost_s: float
    """For how long the machine ran something else."""


@dataclass
class Soak(Run):
    """One soak."""

    seed: int = 1
    quiet_times: int = 0
    breaking: Breaking = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.breaking = Breaking(self.world, random.Random(self.seed))
        self.chance = random.Random(self.seed + 1)

    def run(self, seconds: float, *, quiet_first: bool) -> Outcome:
        """Go on for so long, and to the end of the last quiet time.

        quiet_first: whether there is one before the first fault, too.
        """
        for fault in self.breaking.standing:
            fault.begin()
        if quiet_first:
            self._quiet("at first")
        end = time.monotonic() + seconds
        for central in itertools.cycle((True, False)):
            if (left := end - time.monotonic()) <= 0:
                break
            self._storm(min(STORM_S, left), central=central)
            self._quiet("after the faults")
        return Outcome(
            self.judge.judged,
            self.judge.judged_for_unheard,
            [self.describe(word) for word in self.judge.found],
            self.ended,
            self.faults,
            self.quiet_times,
            self.world.counting.lost_s(),
        )

    def _storm(self, seconds: float, *, central: bool) -> None:
        end, following = time.monotonic() + seconds, time.monotonic()
        while (now := time.monotonic()) < end:
            if now >= following:
                following = now + self.chance.choice(PAUSES_S)
                self._begin_one(central=central)
            self.step()
        self.heal_all()

    def _begin_one(self, *, central: bool) -> None:
        if len(self.active) >= ACTIVE_AT_ONCE:
            return
        fault = self.breaking.draw(self.taken, central=central)
        if fault is not None:
            self.begin(fault)

    def _quiet(self, when: str) -> None:
        since = time.monotonic()
        true_since = self.until_true(since)
        if true_since is not None:
            self.quiet_times += 1
            after = f"after {true_since - since:.0f} s, {self.judge.judged} writes so far"
            self.tell(f"quiet {when}: all that stands is true {after}")


def soak(
    folder: Path, state: Path, *, seconds: float, seed: int, say: Say, quiet_first: bool = True
) -> Outcome:
    """Start everything and run the soak."""
    with running_world(folder, state) as world:
        return Soak(world, say, seed=seed).run(seconds, quiet_first=quiet_first)
