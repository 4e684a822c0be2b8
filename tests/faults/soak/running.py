"""A run over a running world: faults begin and end, each write is judged, and all becomes true again."""

import heapq
import itertools
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import redis

from services.runtime.stored.conclusion_store import ConclusionStore
from tests.faults.soak.false_words import FalseWord
from tests.faults.soak.faulting import Fault
from tests.faults.soak.judging import Judge
from tests.faults.soak.layout import NETWORKS
from tests.faults.soak.parts import EXIT_S
from tests.faults.soak.world import World

QUIET_S = 120.0
"""Within this time after the last fault everything that stands is true: the 60 s of an emptied Redis, and a
turn of the hosts that ask DHCP."""
TRUE_FOR_S = 10.0
PATIENT_S = 15.0
"""Between two lines that say what is not true yet."""
STEP_S = 0.2

Say = Callable[[str], None]


@dataclass
class Run:
    """See the module."""

    world: World
    say: Say
    true_for_s: float = TRUE_FOR_S
    """For how long all has to stay true before it counts as healed."""
    judge: Judge = field(init=False)
    faults: int = 0
    ended: list[str] = field(default_factory=list)
    last_wrong: str = ""
    """What was the last to become true."""
    _began: float = field(default_factory=time.monotonic)
    _healing: list[tuple[float, int, Fault]] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _never: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.judge = Judge(self.world)

    @property
    def taken(self) -> frozenset[str]:
        """What is broken now."""
        return frozenset(claim for fault in self.active for claim in fault.claims)

    @property
    def active(self) -> list[Fault]:
        """The faults that there are now."""
        return [fault for _, _, fault in self._healing]

    def begin(self, fault: Fault, *, word: str | None = "") -> None:
        """Begin a fault; it ends when its time is over. word: what its line begins with; None for no line."""
        number = next(self._numbers)
        self.faults += 1
        self.world.active[number] = fault.label
        if word is not None:
            self.tell(f"{word}{fault.label}" + (f", for {fault.seconds:g} s" if fault.seconds else ""))
        fault.begin()
        heapq.heappush(self._healing, (time.monotonic() + fault.seconds, number, fault))

    def heal_all(self) -> None:
        """End all faults that there are, one after the other."""
        while self._healing:
            self._heal_first()
            self.step()

    def _heal_first(self) -> None:
        _, number, fault = heapq.heappop(self._healing)
        fault.heal()
        self.world.active.pop(number)
        if fault.seconds and not fault.label.startswith("net-"):
            self.tell(f"    over: {fault.label}")

    def step(self) -> None:
        """Do what is due, wait for STEP_S, and judge what was written."""
        while self._healing and self._healing[0][0] <= time.monotonic():
            self._heal_first()
        self._repeat()
        self._supervise()
        self._never.wait(STEP_S)
        self._tell_false(self.judge.take())

    def _repeat(self) -> None:
        for action in list(self.world.repeated.values()):
            action()
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
        """Start again what has ended by itself, as a supervisor does, and note what did not end in time."""
        for part in self.world.parts():
            if part.process is not None and part.has_ended():
                self.ended.append(f"the {part.name} ended by itself")
                code = part.process.returncode
                self.tell(f"the {part.name} has ended by itself with {code}:\n{part.last_words()}")
                part.end()
                part.start()
            if part.overstayed:
                part.overstayed = False
                self.ended.append(f"the {part.name} did not end within {EXIT_S:g} s")
                self.tell(self.ended[-1])

    def until_true(self, since: float) -> float | None:
        """Wait until all that stands is true, and stays so for a while; return when that began.

        None, with what is false among the judge's words, if it took more than QUIET_S since then.
        """
        true_since, self.last_wrong = None, ""
        following = since + PATIENT_S
        while True:
            self.step()
            wrong = self._what_stands_wrongly(since)
            now = time.monotonic()
            true_since = None if wrong else (true_since or now)
            for name, whats in itertools.islice(wrong.items(), 1):
                self.last_wrong = f"{len(wrong)} networks, such as {name}: {'; '.join(whats)}"
            if wrong and now >= following:
                following = now + PATIENT_S
                self.tell(f"  not true yet: {self.last_wrong}")
            if true_since is not None and now - true_since >= self.true_for_s:
                return true_since
            if wrong and self.world.counting.since_run(now, QUIET_S) >= since:
                for name, whats in wrong.items():
                    self._tell_false(self.judge.standing(self.world.networks()[name], whats))
                return None

    def _what_stands_wrongly(self, since: float) -> dict[str, list[str]]:
        networks = self.world.networks()
        here = [networks[owned.name] for owned in NETWORKS if owned.name in networks]
        found = {network.ref.name: list(self.judge.of_standing(network, since=since)) for network in here}
        try:
            records = ConclusionStore(self.world.client).read(network.uid for network in here)
            for network in here:
                found[network.ref.name] += self.judge.of_conclusion(network, records.get(network.uid))
        except redis.RedisError as error:
            found[here[0].ref.name].append(f"no conclusion can be read: {error}")
        return {name: whats for name, whats in found.items() if whats}

    def _tell_false(self, words: list[FalseWord]) -> None:
        for word in words:
            self.tell(f"FALSE: {self.describe(word)}")

    def describe(self, word: FalseWord) -> str:
        """Return a false word with what was true and which faults there were."""
        at = word.at - self._began
        active = ", ".join(word.active) or "no fault"
        lines = (f"{at:.1f} s {word.name}: {word.what}", f"told: {word.told}", f"true: {word.truth}")
        return "\n  ".join((*lines, f"during: {active}"))

    def tell(self, line: str) -> None:
        self.say(f"{time.monotonic() - self._began:7.1f} {line}")
