"""Tables fit any terminal: columns are left out by rank and cut, and no line wraps."""

from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from services.cli.tables import Column, table_lines

CELLS = st.lists(st.text("abc ✔é漢", max_size=30), min_size=2, max_size=2)


@st.composite
def columns(draw: st.DrawFn) -> list[Column]:
    return [
        Column(
            f"c{number}",
            [Text(cell) for cell in draw(CELLS)],
            rank=draw(st.integers(0, 3)) if number else 0,
            least=draw(st.none() | st.integers(1, 10)),
            keep_end=draw(st.booleans()),
        )
        for number in range(draw(st.integers(1, 6)))
    ]


@given(columns(), st.integers(20, 200))
def test_a_table_is_as_many_lines_as_rows_and_never_too_wide(made: list[Column], width: int) -> None:
    """A heading, a rule and each row once; only columns that are never left out may need more width."""
    lines = table_lines(made, width)
    assert len(lines) == 4
    needed = sum(column.least_width + 2 for column in made if column.rank == 0)
    assert all(line.cell_len <= max(width, needed) for line in lines)


def words(made: list[Column], width: int) -> list[str]:
    return table_lines(made, width)[0].plain.split()


def test_columns_are_left_out_by_rank() -> None:
    """The least important one first; one of rank 0 never."""
    made = [Column(name, [Text("x" * 8)], rank) for name, rank in (("a", 0), ("b", 2), ("c", 1))]
    assert words(made, 28) == ["a", "b", "c"]
    assert words(made, 27) == ["a", "c"]
    assert words(made, 17) == ["a"]


def test_a_column_is_cut_before_another_is_left_out() -> None:
    """At its end, or in its middle where texts differ at their ends."""
    made = [
        Column("name", [Text("production/storefront")], 0, least=10, keep_end=True),
        Column("x", [Text("1")], 1),
    ]
    assert table_lines(made, 13)[2].plain == "prod…front  1"
    made = [Column("reason", [Text("GatewaySilent")], 0, least=8)]
    assert table_lines(made, 8)[2].plain == "Gateway…"


def test_a_wide_table_is_not_stretched() -> None:
    """The rule is as long as the columns."""
    assert [line.plain for line in table_lines([Column("a", [Text("b")])], 80)] == ["a", "─", "b"]
