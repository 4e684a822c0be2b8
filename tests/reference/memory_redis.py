"""What the updater keeps in Redis, in memory: with its clock, its loss of data and its absence.

tests/integration/test_reference_redis.py holds it against a real Redis.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Any, NamedTuple, Protocol

import redis

from services.contract.conclusions import ConclusionRecord
from services.contract.messages import Segment, Verdict
from services.contract.names import SENDING_KEY
from services.contract.outcomes import Fault
from services.contract.reports import Repeats
from services.contract.verdicts import AgedVerdict, Confirmed, ObservedTime, SegmentVerdicts
from services.network.write.disputes import Written
from services.runtime.stored.verdict_scripts import LONGEST_TICK_MS
from services.updater.memory.kept_verdicts import Store
from tests.support.manual_clock import ManualClock
from tests.support.simulated_parts import MemoryMemories as SimulatedMemories

Record = tuple[int, Verdict, int]
"""When it came last, in milliseconds of observed time, the verdict, and when it came in full."""


class MemoryRedis:
    """Strings that expire, as far as announcements and marks need them."""

    def __init__(self, clock: ManualClock) -> None:
        self.is_away = False
        self.losses = 0
        """How often all data was lost."""
        self.clock = clock
        self._values: dict[str, tuple[str, float]] = {}

    @property
    def now(self) -> float:
        """Redis' TIME, in seconds; raises where it is away."""
        if self.is_away:
            raise redis.ConnectionError("away")
        return self.clock.seconds

    def flushall(self) -> None:
        self._values.clear()
        self.losses += 1

    def set(self, key: str, value: str, *, ex: float = float("inf")) -> None:
        self._values[key] = (value, self.now + ex)

    def get(self, key: str) -> str | None:
        value, until = self._values.get(key, ("", 0.0))
        return value if self.now < until else None

    def exists(self, key: str) -> int:
        return int(self.get(key) is not None)

    def delete(self, key: str) -> None:
        self._values.pop(key, None)

    def scan_iter(self, *, match: str, **_options: object) -> Iterator[bytes]:
        prefix = match.removesuffix("*")
        return iter([key.encode() for key in self._values if key.startswith(prefix) and self.exists(key)])

    def execute_command(self, name: str, *given: Any, **_options: object) -> list[bytes | int | None]:
        """Read announcements as their script does."""
        assert name == "EVAL_RO"
        found: list[bytes | int | None] = []
        for key in map(bytes.decode, given[2 : 2 + given[1]]):
            value = self.get(key)
            left_s = self._values[key][1] - self.now if value is not None else -0.002
            found += [None if value is None else value.encode(), round(left_s * 1000)]
        return found


class _Counted(NamedTuple):
    """What the last tick left, in milliseconds."""

    observed: int
    at: int
    resumed: int
    stood_still: bool


class MemoryVerdicts:
    """The verdict store, with its order and its observed time."""

    def __init__(self, server: MemoryRedis) -> None:
        self.arrivals: list[tuple[int, Verdict]] = []
        """All that came since the last loss, copies and late ones too."""
        self._server = server
        self._losses = 0
        self._counted: _Counted | None = None
        self._known_ms = 0
        self._has_ticked = False
        self._latest: dict[tuple[Segment, str], Record] = {}
        self._asked: dict[tuple[Segment, str], Record] = {}

    def observed_ms(self) -> int:
        return self._look()[0]

    def restart(self) -> None:
        self._known_ms, self._has_ticked = 0, False

    def time(self) -> ObservedTime:
        observed, resumed, counts = self._look()
        runs = counts and self._counted is not None and not self._counted.stood_still
        return ObservedTime(observed, resumed, runs)

    def tick(self) -> ObservedTime:
        before = self._counted
        observed, resumed, counts = self._look()
        is_lost = self._has_ticked and self._counted is None
        passed = 0 if before is None else self._now_ms() - before.at
        if before is not None and counts and before.stood_still:
            observed = resumed = observed + 1
        elif before is not None and not counts and not before.stood_still and passed > 0:
            observed += min(passed, LONGEST_TICK_MS)
        self._counted = _Counted(observed, self._now_ms(), resumed, stood_still=not counts)
        self._known_ms, self._has_ticked = max(self._known_ms, observed), True
        return ObservedTime(observed, resumed, counts and not self._counted.stood_still, is_lost)

    def _now_ms(self) -> int:
        return round(self._server.now * 1000)

    def _look(self) -> tuple[int, int, bool]:
        """Return the observed time, when it resumed, and whether the time since the last tick counts."""
        now = self._now_ms()
        self._lose()
        counted = self._counted
        if counted is None:
            observed, resumed, counts = self._known_ms or now, 0, False
        else:
            passed = now - counted.at
            counts = 0 <= passed <= LONGEST_TICK_MS and bool(self._server.exists(SENDING_KEY))
            observed = counted.observed + (passed if counts and not counted.stood_still else 0)
            resumed = counted.resumed
        self._known_ms = max(observed, self._known_ms)
        return self._known_ms, resumed, counts

    def put(self, verdicts: Iterable[Verdict]) -> frozenset[Segment]:
        observed = self.observed_ms()
        changed = set[Segment]()
        for verdict in verdicts:
            self.arrivals.append((observed, verdict))
            if verdict.fault is not Fault.STOPPED:
                kinds = [self._latest, self._asked] if verdict.is_dhcp_conclusive else [self._latest]
                stored = [_store(kind, verdict, observed, full_at=observed) for kind in kinds]
                changed |= {verdict.segment} if True in stored else set()
        return frozenset(changed)

    def confirm(self, host: str, repeats: Repeats) -> Confirmed:
        observed, resumed, _ = self._look()
        gaps_s: dict[Segment, float] = {}
        unknown: list[Segment] = []
        partly = set[Segment]()
        for vlan, counter, fingerprint, asked in repeats.verdicts:
            segment = Segment(cluster_network=repeats.cluster_network, vlan=vlan)
            kinds = (self._latest, self._asked) if asked else (self._latest,)
            order = repeats.incarnation, counter
            if not any(_gives_way(kind.get((segment, host)), order) for kind in kinds):
                continue
            source = kinds[-1].get((segment, host))
            if source is None or source[1].fingerprint != fingerprint:
                unknown.append(segment)
                continue
            again = source[1].model_copy(update={"incarnation": order[0], "counter": order[1]})
            self.arrivals.append((observed, again))
            if len({_store(kind, again, observed, full_at=source[2]) for kind in kinds}) > 1:
                partly.add(segment)
            gaps_s[segment] = inf if source[0] < resumed else (observed - source[0]) / 1000
        return Confirmed(gaps_s, tuple(unknown), observed, frozenset(partly))

    def read(self, segments: Collection[Segment]) -> Mapping[Segment, SegmentVerdicts]:
        time = self.time()
        return {
            segment: SegmentVerdicts(
                _aged(self._latest, segment, time.now_ms),
                _aged(self._asked, segment, time.now_ms),
                now_ms=time.now_ms,
                resumed_ms=time.resumed_ms,
                time_runs=time.runs,
            )
            for segment in segments
        }

    def _lose(self) -> None:
        if self._losses != self._server.losses:
            self._losses, self._counted = self._server.losses, None
            self._latest.clear()
            self._asked.clear()
            self.arrivals.clear()


def _store(
    known: dict[tuple[Segment, str], Record], verdict: Verdict, observed: int, *, full_at: int
) -> bool:
    key = verdict.segment, verdict.host
    if not _gives_way(known.get(key), _order(verdict)):
        return False
    known[key] = observed, verdict, full_at
    return True


def _gives_way(before: Record | None, order: tuple[int, int]) -> bool:
    return before is None or _order(before[1]) < order


def _order(verdict: Verdict) -> tuple[int, int]:
    return verdict.incarnation, verdict.counter


def _aged(
    known: Mapping[tuple[Segment, str], Record], segment: Segment, observed: int
) -> tuple[AgedVerdict, ...]:
    found = sorted((host, record) for (where, host), record in known.items() if where == segment)
    return tuple(
        AgedVerdict(verdict, max(0, observed - at) / 1000, max(0, observed - full_at) / 1000)
        for _, (at, verdict, full_at) in found
    )


class MemoryMemories(SimulatedMemories):
    """What is remembered of networks, until Redis loses it."""

    def __init__(self, server: MemoryRedis) -> None:
        super().__init__(server.clock)
        self._server = server
        self._losses = 0

    def conclusions(self, uids: Collection[str]) -> Mapping[str, ConclusionRecord]:
        self._check()
        return super().conclusions(uids)

    def conclude(self, records: Collection[ConclusionRecord]) -> None:
        self._check()
        super().conclude(records)

    def forget(self, uids: Collection[str]) -> None:
        self._check()
        super().forget(uids)

    def written(self, uids: Collection[str]) -> Mapping[str, Written]:
        self._check()
        return super().written(uids)

    def remember_written(self, contents: Mapping[str, str]) -> None:
        self._check()
        super().remember_written(contents)

    def remember_correction(self, uid: str, content: str) -> None:
        self._check()
        super().remember_correction(uid, content)

    def remember_told(self, uid: str) -> None:
        self._check()
        super().remember_told(uid)

    def _check(self) -> None:
        """Raise where Redis is away; forget what it lost."""
        assert self._server.now
        if self._losses != self._server.losses:
            self._losses = self._server.losses
            super().__init__(self._server.clock)


class Verdicts(Store, Protocol):
    """A verdict store that tells what came to it."""

    @property
    def arrivals(self) -> Sequence[tuple[int, Verdict]]:
        """All that came since the last loss, and when, in observed milliseconds; copies and late ones too."""
        ...

    def observed_ms(self) -> int:
        """Return the observed time."""
        ...

    def restart(self) -> None:
        """Forget what a process remembers."""
        ...


MakeRedis = Callable[[ManualClock], tuple[MemoryRedis, Verdicts]]


def in_memory(clock: ManualClock) -> tuple[MemoryRedis, Verdicts]:
    """Make a Redis in memory."""
    server = MemoryRedis(clock)
    return server, MemoryVerdicts(server)
