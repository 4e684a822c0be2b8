"""The table of a chaos run, at most 80 columns wide, and whether the run shows that all holds."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.faults.soak.flatness import JUDGED_S, Growth
from tests.faults.soak.healing import PROBE_DEADLINE_S, TURN_S, Healing, Row, limit_s, spread

WIDTH = 80
TITLE = 36
OVERWRITES = "overwrites"
"""How the judge begins what it says of a user's field that was overwritten."""


@dataclass(frozen=True)
class Outcome:
    """What a run found."""

    seed: int
    seconds: float
    healings: Sequence[Healing] = ()
    judged: int = 0
    """Writes of nadroute's."""
    edits: int = 0
    false: Sequence[str] = ()
    """What was written and was not so, each in one line."""
    ended: Sequence[str] = ()
    """The processes that ended by themselves, or not when they were told to."""
    growths: Sequence[Growth] = ()
    lost_s: float = 0.0
    """For how long the machine ran something else."""


def broken(outcome: Outcome, catalogue: Mapping[str, Row]) -> dict[str, list[str]]:
    """Return what breaks each invariant, by its identifier; those that hold are there and empty."""
    late = [
        f"{' + '.join(healing.labels)}: {_said(healing)}, expected {limit_s(healing.rows, catalogue):.0f} s; "
        f"last: {healing.last}"
        for healing in outcome.healings
        if healing.seconds is None or healing.seconds > limit_s(healing.rows, catalogue)
    ]
    overwritten = [word for word in outcome.false if OVERWRITES in word]
    return {
        "I1": late,
        "I2": overwritten,
        "I6": [*outcome.ended]
        + [
            f"{growth.of}: {growth.measure} grows by {growth.growth:.1f}, expected {growth.allowed:.1f}"
            for growth in outcome.growths
            if growth.is_flat is False
        ],
    }


def is_well(outcome: Outcome, catalogue: Mapping[str, Row]) -> bool:
    """Whether nothing false was written, and no invariant is broken."""
    return not outcome.false and not any(broken(outcome, catalogue).values())


def lines(outcome: Outcome, catalogue: Mapping[str, Row]) -> Iterator[str]:
    """Return the lines of the table."""
    yield f"{'row':<4} {'fault':<{TITLE}} {'times':>5} {'p50':>6} {'p99':>6} {'max':>6} {'limit':>6}"
    by_row: dict[str, list[Healing]] = defaultdict(list)
    for healing in outcome.healings:
        for row in healing.rows:
            by_row[row].append(healing)
    for row in sorted(by_row, key=lambda name: (name[0], int(name[1:]))):
        yield _line(row, catalogue[row].title, by_row[row], f"{catalogue[row].limit_s:6.0f}")
    if outcome.healings:
        yield _line("", "all pairs", outcome.healings, f"{'':>6}")
    yield "Seconds from the end of both faults until all that stands is true again."
    yield f"limit: N of docs/faults.md, and {PROBE_DEADLINE_S:.0f} s for the longest probe."
    yield f"N of the network's rows is {TURN_S:.0f} s, a turn of the hosts that ask DHCP."
    yield "A pair has that of its slower row."
    yield ""
    yield from _growths(outcome.growths)
    yield ""
    yield f"seed {outcome.seed}, {outcome.seconds:.0f} s; the machine paused for {outcome.lost_s:.0f} s"
    yield f"{len(outcome.healings)} pairs, {outcome.edits} edits by users, {outcome.judged} writes judged"
    yield f"false states                        {len(outcome.false)}"
    yield f"process exits that nothing forced   {len(outcome.ended)}"
    for invariant, found in broken(outcome, catalogue).items():
        yield f"{invariant} broken                           {len(found)}"
        yield from (f"  {text}" for text in found)
    yield "good" if is_well(outcome, catalogue) else "NOT GOOD"


def _line(row: str, title: str, healings: Sequence[Healing], limit: str) -> str:
    times = [healing.seconds for healing in healings if healing.seconds is not None]
    if len(times) < len(healings):
        found = spread(times) if times else None
        median = f"{found.median:6.1f}" if found else f"{'-':>6}"
        spreads = f"{median} {'never':>6} {'never':>6}"
    else:
        found = spread(times)
        spreads = f"{found.median:6.1f} {found.p99:6.1f} {found.longest:6.1f}"
    return f"{row:<4} {_cut(title):<{TITLE}} {len(healings):5} {spreads} {limit}"


def _growths(growths: Sequence[Growth]) -> Iterator[str]:
    yield f"{'of':<14} {'measure':<8} {'median':>9} {'growth/30 min':>14} {'allowed':>9}"
    for growth in sorted(growths, key=lambda each: (each.of, each.measure)):
        if growth.growth is None:
            said = f"{'':>14} {'':>9}  too short to say"
        else:
            said = f"{growth.growth:>+14.1f} {growth.allowed:>9.1f}  {'flat' if growth.is_flat else 'GROWS'}"
        yield f"{growth.of:<14} {growth.measure:<8} {growth.median:>9.1f} {said}"
    yield f"A measure is judged from {JUDGED_S / 60:.0f} minutes on, without the first two of each process."


def _cut(title: str) -> str:
    return title if len(title) <= TITLE else f"{title[: TITLE - 1]}…"


def _said(healing: Healing) -> str:
    return "not healed" if healing.seconds is None else f"healed after {healing.seconds:.1f} s"
