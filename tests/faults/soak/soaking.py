"""Runs the soak: times of mixed faults, each followed by a quiet time in which everything becomes true."""

import heapq
import itertools
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.soak.breaking import Breaking
from tests.faults.soak.faulting import Fault
from tests.faults.soak.judging import FalseWord, Judge
from tests.faults.soak.layout import NETWORKS
from tests.faults.soak.starting import running_world
from tests.faults.soak.world import World

STORM_S = 200.0
"""Length of a time of faults. In every second one nothing is broken that all need: only while that works must
every host be heard."""
PAUSES_S = (0.2, 1.0, 3.0, 8.0)
"""Between the beginnings of two faults."""
ACTIVE_AT_ONCE = 12
QUIET_S = 120.0
"""Within this time after the last fault everything that stands is true: the 60 s of an emptied Redis, and a
turn of the hosts that ask DHCP."""
TRUE_FOR_S = 10.0
STEP_S = 0.2

Say = Callable[[str], None]


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
class Soak:
    """One run over a running world."""

    world: World
    seed: int
    say: Say
    judge: Judge = field(init=False)
    faults: int = 0
    quiet_times: int = 0
    ended: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _healing: list[tuple[float, int, Fault]] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _never: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.judge = Judge(self.world)
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
            self._step()
        while self._healing:
            self._heal_first()
            self._step()

    def _begin_one(self, *, central: bool) -> None:
        if len(self._healing) >= ACTIVE_AT_ONCE:
            return
        taken = frozenset(claim for _, _, fault in self._healing for claim in fault.claims)
        fault = self.breaking.draw(taken, central=central)
        if fault is None:
            return
        number = next(self._numbers)
        self.faults += 1
        self.world.active[number] = fault.label
        self._say(f"{fault.label}" + (f", for {fault.seconds:g} s" if fault.seconds else ""))
        fault.begin()
        heapq.heappush(self._healing, (time.monotonic() + fault.seconds, number, fault))

    def _heal_first(self) -> None:
        _, number, fault = heapq.heappop(self._healing)
        fault.heal()
        self.world.active.pop(number)
        if fault.seconds:
            self._say(f"    over: {fault.label}")

    def _step(self) -> None:
        """Do what is due, and judge what was written."""
        while self._healing and self._healing[0][0] <= time.monotonic():
            self._heal_first()
        self._keep_crashing()
        self._supervise()
        self._never.wait(STEP_S)
        self._tell(self.judge.take())

    def _keep_crashing(self) -> None:
        for host in list(self.world.crashing):
            prober = self.world.probers[host]
            if prober.part.process is None:
                prober.part.start()
            elif prober.serves:
                prober.part.end()
        if self.world.rolling and all(prober.serves for prober in self.world.probers.values()):
            part = self.world.probers[self.world.rolling.pop(0)].part
            part.end(signal.SIGTERM)
            part.start()

    def _supervise(self) -> None:
        """Start again what has ended by itself, as a supervisor does."""
        for part in self.world.parts():
            if part.process is not None and part.has_ended():
                self.ended.append(part.name)
                code = part.process.returncode
                self._say(f"the {part.name} has ended by itself with {code}:\n{part.last_words()}")
                part.end()
                part.start()

    def _quiet(self, when: str) -> None:
        """Wait until all that stands is true, and stays so for a while."""
        since, true_since = time.monotonic(), None
        while True:
            self._step()
            wrong = self._what_stands_wrongly(since)
            now = time.monotonic()
            true_since = None if wrong else (true_since or now)
            if true_since is not None and now - true_since >= TRUE_FOR_S:
                self.quiet_times += 1
                after = f"after {true_since - since:.0f} s, {self.judge.judged} writes so far"
                self._say(f"quiet {when}: all that stands is true {after}")
                return
            if wrong and self.world.counting.since_run(now, QUIET_S) >= since:
                for name, whats in wrong.items():
                    self._tell(self.judge.standing(self.world.networks()[name], whats))
                return

    def _what_stands_wrongly(self, since: float) -> dict[str, list[str]]:
        networks = self.world.networks()
        found = {
            owned.name: list(self.judge.of_standing(networks[owned.name], since=since)) for owned in NETWORKS
        }
        return {name: whats for name, whats in found.items() if whats}

    def _tell(self, words: list[FalseWord]) -> None:
        for word in words:
            self._say(f"FALSE: {self.describe(word)}")

    def describe(self, word: FalseWord) -> str:
        """Return a false word with what was true and which faults there were."""
        at = word.at - self._began
        active = ", ".join(word.active) or "no fault"
        lines = (f"{at:.1f} s {word.name}: {word.what}", f"told: {word.told}", f"true: {word.truth}")
        return "\n  ".join((*lines, f"during: {active}"))

    def _say(self, line: str) -> None:
        self.say(f"{time.monotonic() - self._began:7.1f} {line}")


def soak(
    folder: Path, state: Path, *, seconds: float, seed: int, say: Say, quiet_first: bool = True
) -> Outcome:
    """Start everything and run the soak."""
    with running_world(folder, state) as world:
        return Soak(world, seed, say).run(seconds, quiet_first=quiet_first)
