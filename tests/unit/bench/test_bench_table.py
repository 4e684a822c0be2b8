"""The table and its JSON form."""

from dataclasses import replace

import pytest

from bench.table import Judged, Row, Skipped, Unit, render


def row(
    *values: float, limit: float | None = None, judged: Judged = Judged.MEDIAN, unit: Unit = Unit.TIMES
) -> Row:
    return Row(section="section", name="name", unit=unit, values=values, limit=limit, judged=judged)


@pytest.mark.parametrize(
    ("judged", "holds"), [(Judged.MIN, True), (Judged.MEDIAN, True), (Judged.MAX, False)]
)
def test_a_limit_is_held_against_the_value_that_is_named(judged: Judged, holds: bool) -> None:
    """One slow run of three misses a limit only if the maximum counts."""
    assert row(1.0, 2.0, 9.0, limit=2.0, judged=judged).holds is holds


def test_the_median_counts_where_the_fastest_alone_keeps_the_limit() -> None:
    """One fast run does not make the limit on a median hold."""
    assert row(1.0, 3.0, 4.0, limit=2.0).holds is False


def test_a_lower_limit_holds_from_its_value_on() -> None:
    """It is shown with the sign of a lower limit, and missed by what is below."""
    made = Row(section="s", name="n", unit=Unit.TIMES, values=(5.0,), limit=5.0, at_least=True)
    assert made.holds is True
    assert "≥ 5 x" in render([made])
    assert replace(made, values=(4.9,)).holds is False


def test_without_a_limit_nothing_holds_or_fails() -> None:
    """A row without a limit neither holds nor fails."""
    assert row(1.0).holds is None
    assert not row(1.0).is_wrong


@pytest.mark.parametrize("unit", [Unit.VLANS, Unit.NETWORKS, Unit.EVENTS])
def test_only_what_is_wrong_or_lost_makes_a_run_fail(unit: Unit) -> None:
    """A missed time limit shows in the table only; wrong verdicts and lost Events also fail the run."""
    assert row(1.0, limit=0.0, judged=Judged.MAX, unit=unit).is_wrong
    assert not row(1.0, limit=0.0, judged=Judged.MAX, unit=Unit.SECONDS).is_wrong


def test_the_table_is_markdown_with_every_section_once() -> None:
    """All lines have the same columns, and a missed limit is shown in capitals."""
    text = render([row(30.25, 28.5, limit=5.0), row(1.0), Skipped("other", "no dhcpd")])
    lines = text.splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert len({len(line) for line in lines}) == 1
    assert text.count("**section**") == 1
    assert "NO" in lines[3]
    assert "28.5 x" in lines[3]
    assert "≤ 5 x" in lines[3]
    assert "not measured: no dhcpd" in text


def test_a_row_that_needs_an_idle_machine_is_marked() -> None:
    """The mark is explained below the table, and nothing is where no row has it."""
    marked = replace(row(1.0, limit=1.0), alone=True)
    text = render([marked, row(1.0)])
    assert text.count("name †") == 1
    assert text.splitlines()[-1].startswith("† ")
    assert "†" not in render([row(1.0)])
    assert marked.to_json()["alone"] is True


def test_the_json_form_has_all_values() -> None:
    """The JSON has all values, so that a reader can judge the spread."""
    document = row(3.0, 1.0, 2.0, limit=2.5).to_json()
    assert document["values"] == [3.0, 1.0, 2.0]
    assert (document["min"], document["median"], document["holds"]) == (1.0, 2.0, True)
    assert Skipped("other", "why").to_json() == {"section": "other", "skipped": "why"}
