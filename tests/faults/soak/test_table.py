"""The table of a chaos run: what it shows, and what makes a run a bad one."""

import pytest

from tests.faults.soak.flatness import Growth
from tests.faults.soak.healing import (
    CATALOGUE,
    PROBE_DEADLINE_S,
    RECOVERY_S,
    TURN_S,
    Healing,
    Row,
    limit_s,
    read_catalogue,
    spread,
)
from tests.faults.soak.table import WIDTH, Outcome, broken, is_well, lines

ROWS = {"K1": Row("Restart", 15.0), "R2": Row("All data lost", 60.0), "N4": Row("Silent VLAN", TURN_S)}
FLAT = Growth("updater", "memory MB", 80.0, growth=1.0, allowed=12.0, span_s=900.0)
GROWS = Growth("updater", "files", 30.0, growth=9.0, allowed=5.5, span_s=900.0)
SHORT = Growth("watcher", "threads", 7.0, growth=None, allowed=3.0, span_s=60.0)


def healing(seconds: float | None, *rows: str) -> Healing:
    """Return what followed a pair of these rows."""
    return Healing(rows, tuple(f"fault of {row}" for row in rows), seconds, "net-1: still Unknown")


def run(*healings: Healing, **fields: object) -> Outcome:
    """Return what a run found."""
    return Outcome(seed=7, seconds=600.0, healings=healings, **fields)  # type: ignore[arg-type]


def test_a_run_in_which_all_holds_is_well() -> None:
    """All healed in time, and nothing grows; what is too short to judge is no fault."""
    outcome = run(healing(3.0, "K1", "N4"), judged=40, edits=9, growths=[FLAT, SHORT])
    assert is_well(outcome, ROWS)
    text = list(lines(outcome, ROWS))
    assert text[-1] == "good"
    assert any("too short to say" in line for line in text)
    assert any(line.startswith("seed 7") for line in text)


@pytest.mark.parametrize(
    ("outcome", "invariant"),
    [
        (run(healing(15.0 + PROBE_DEADLINE_S + 1.0, "K1", "K1")), "I1"),
        (run(healing(None, "K1", "N4")), "I1"),
        (run(false=["3.0 s net-1: overwrites what is its owner's: route.mode"]), "I2"),
        (run(ended=["updater"]), "I6"),
        (run(growths=[GROWS]), "I6"),
    ],
    ids=["late", "never healed", "a user's field", "a process", "growth"],
)
def test_what_does_not_hold_breaks_its_invariant(outcome: Outcome, invariant: str) -> None:
    """And nothing else; the table says it, and the run is not well."""
    assert [name for name, found in broken(outcome, ROWS).items() if found] == [invariant]
    assert not is_well(outcome, ROWS)
    assert list(lines(outcome, ROWS))[-1] == "NOT GOOD"


def test_a_false_state_makes_a_run_a_bad_one() -> None:
    """Also where it breaks no other invariant."""
    outcome = run(false=["3.0 s net-1: false, but it answers node1"])
    assert not is_well(outcome, ROWS)
    assert "false states                        1" in list(lines(outcome, ROWS))


def test_a_pair_has_the_time_of_its_slower_row() -> None:
    """The N of the catalogue, and one probe's deadline."""
    late_for_k1 = 15.0 + PROBE_DEADLINE_S + 1.0
    assert limit_s(("K1", "R2"), ROWS) == 60.0 + PROBE_DEADLINE_S
    assert is_well(run(healing(late_for_k1, "K1", "R2")), ROWS)


def test_the_table_counts_by_row_and_fits_a_terminal() -> None:
    """Each fault of a pair counts for its own row; a row that did not heal says so."""
    outcome = run(healing(1.0, "K1", "N4"), healing(3.0, "K1", "R2"), healing(None, "N4", "R2"))
    text = list(lines(outcome, ROWS))
    by_row = {line.split()[0]: line for line in text if line[:2] in ("K1", "R2", "N4")}
    assert by_row["K1"].split()[-5:] == ["2", "1.0", "3.0", "3.0", "31"]
    assert by_row["N4"].split()[-5:] == ["2", "1.0", "never", "never", "61"]
    assert [line for line in text if len(line) > WIDTH and not line.startswith("  ")] == []


def test_a_spread_names_times_that_were_measured() -> None:
    """By nearest rank: of a hundred and one the 99th percentile is not the longest."""
    found = spread([float(number) for number in range(101)])
    assert (found.median, found.p99, found.longest) == (50.0, 99.0, 100.0)


def test_the_catalogue_is_read_as_it_is() -> None:
    """The recovery of its rows; where it gives none, what most rows give."""
    rows = read_catalogue(CATALOGUE.read_text())
    assert len(rows) > 65
    assert (rows["K1"].recovery_s, rows["R2"].recovery_s) == (15.0, 60.0)
    assert (rows["N4"].recovery_s, rows["K11"].recovery_s) == (TURN_S, RECOVERY_S)
    assert rows["W13"].title == "Two probers with one host name"
