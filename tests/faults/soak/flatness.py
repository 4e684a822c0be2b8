"""Whether memory, descriptors, threads and Redis' keys stay the same while the system runs.

Each process starts anew after a fault that ends it, so what counts is the growth within the lives of a
process: the median of the slopes between all pairs of windows of one life (Theil and Sen), which a single
burst does not move. A window counts by its highest sample: a prober opens and shuts its sockets all the time,
while a leak raises also the most that it needs. What a process needs while it warms up is left out.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

WARM_S = 120.0
"""Of a life: until then caches fill."""
WINDOW_S = 60.0
"""Long enough for a process that needs less while Redis is away to need its usual again."""
JUDGED_S = 600.0
"""The samples of a measure span at least this, without the time to warm up; with less nothing can be said."""
SPAN_S = 1_800.0
"""Growth is said per half hour."""


@dataclass(frozen=True)
class Allowance:
    """The growth in half an hour that still counts as none: a share of the value, and an amount."""

    share: float
    amount: float


ALLOWED: Mapping[str, Allowance] = {
    "memory MB": Allowance(0.10, 4.0),
    "files": Allowance(0.05, 4.0),
    "threads": Allowance(0.05, 3.0),
    "keys": Allowance(0.10, 20.0),
    "key MB": Allowance(0.10, 0.5),
}
"""By measure. Memory may settle by a tenth; descriptors and threads by what one more connection takes."""

POOLED_FILES: Mapping[str, float] = {"updater": 20.0}
"""How many more descriptors are allowed: the updater's 32 writers share a pool of connections that fills."""


@dataclass(frozen=True)
class Sample:
    """A value of a process, or of Redis."""

    of: str
    measure: str
    life: int
    """Which start of the process."""
    age_s: float
    """Seconds since that start."""
    value: float


@dataclass(frozen=True)
class Growth:
    """What is known of one measure of one process."""

    of: str
    measure: str
    median: float
    growth: float | None
    """In half an hour; None if the samples span too little to say."""
    allowed: float
    span_s: float

    @property
    def is_flat(self) -> bool | None:
        """Whether it does not grow; None if nothing can be said."""
        return None if self.growth is None else self.growth <= self.allowed


def growths(samples: Iterable[Sample]) -> list[Growth]:
    """Return the growth of each measure of each process."""
    found: dict[tuple[str, str], dict[int, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        found[(sample.of, sample.measure)][sample.life].append(sample)
    return [_growth(of, measure, list(lives.values())) for (of, measure), lives in found.items()]


def _growth(of: str, measure: str, lives: Sequence[Sequence[Sample]]) -> Growth:
    median = statistics.median(sample.value for life in lives for sample in life)
    warm = [[sample for sample in life if sample.age_s >= WARM_S] for life in lives]
    span_s = sum(life[-1].age_s - life[0].age_s for life in warm if life)
    slopes = [slope for life in warm for slope in _slopes(life)]
    allowed = ALLOWED[measure].share * median + ALLOWED[measure].amount
    if measure == "files":
        allowed += POOLED_FILES.get(of, 0.0)
    growth = statistics.median(slopes) * SPAN_S if slopes and span_s >= JUDGED_S else None
    return Growth(of, measure, median, growth, allowed, span_s)


def _slopes(life: Sequence[Sample]) -> list[float]:
    highest: dict[int, float] = {}
    for sample in life:
        window = int((sample.age_s - life[0].age_s) // WINDOW_S)
        highest[window] = max(sample.value, highest.get(window, sample.value))
    if life:
        # The last is cut short.
        highest.pop(int((life[-1].age_s - life[0].age_s) // WINDOW_S))
    return [
        (later - sooner) / (WINDOW_S * (second - first))
        for (first, sooner), (second, later) in combinations(sorted(highest.items()), 2)
    ]
