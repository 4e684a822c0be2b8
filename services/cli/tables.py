"""Tables for people, as wide as the terminal allows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rich.console import Console
from rich.text import Text

from services.cli.terminal import plain

GAP = 2
"""Blanks between two columns."""
ELLIPSIS = "…"


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    heading: str
    cells: Sequence[Text]
    rank: int = 0
    """Columns with a higher rank are left out first if the terminal is too narrow; 0: never."""
    least: int | None = None
    """The minimum width to which it may be cut, heading included; None: it is never cut."""
    keep_end: bool = False
    """Whether cells are cut in the middle, for texts that differ at their ends."""

    @cached_property
    def width(self) -> int:
        """Return the width of its widest cell."""
        return max([len(self.heading), *(text.cell_len for text in self.cells)])

    @property
    def least_width(self) -> int:
        """Return its minimum width."""
        return self.width if self.least is None else min(self.width, self.least)


def table_lines(columns: Sequence[Column], width: int, rows: Sequence[int] | None = None) -> list[Text]:
    """Return a table as lines of at most this width: heading, rule, and one line per row without wrapping.

    Columns are kept by rank as long as their minimum widths fit; the remaining width goes to the most
    important ones. rows: the indexes of the rows to show; all if None. Widths are those of all rows.
    """
    kept = _kept(columns, width)
    widths = {id(column): column.least_width for column in kept}
    spare = width - sum(widths.values()) - GAP * (len(kept) - 1)
    for column in sorted(kept, key=lambda column: column.rank):
        more = max(0, min(spare, column.width - widths[id(column)]))
        widths[id(column)] += more
        spare -= more
    if spare < 0 and kept:
        first = max(kept, key=lambda column: widths[id(column)])
        widths[id(first)] = max(1, widths[id(first)] + spare)
    headings = [Text(plain(column.heading), style="bold") for column in kept]
    shown = range(max((len(column.cells) for column in kept), default=0)) if rows is None else rows
    cells = [headings, *([column.cells[index] for column in kept] for index in shown)]
    lines = [
        _line([_cut(text, widths[id(column)], column) for text, column in zip(row, kept, strict=True)])
        for row in cells
    ]
    rule = Text("─" * min(width, sum(widths.values()) + GAP * (len(kept) - 1)), style="dim")
    return [lines[0], rule, *lines[1:]]


def print_table(console: Console, columns: Sequence[Column]) -> None:
    """Print the table, as wide as the terminal allows."""
    print_lines(console, table_lines(columns, console.width))


def print_lines(console: Console, lines: Sequence[Text]) -> None:
    """Print lines that are known to fit."""
    if lines:
        # Together: one by one takes half as long again.
        console.print(Text("\n").join(lines), soft_wrap=True)


def _kept(columns: Sequence[Column], width: int) -> list[Column]:
    kept = list(columns)
    while sum(column.least_width for column in kept) + GAP * (len(kept) - 1) > width:
        last = max(kept, key=lambda column: column.rank)
        if last.rank == 0 or len(kept) == 1:
            break
        kept.remove(last)
    return kept


def _cut(text: Text, width: int, column: Column) -> Text:
    """Return the text, cut or padded to this width."""
    text = text.copy()
    if text.cell_len > width and column.keep_end and width > len(ELLIPSIS) + 1:
        head = (width - 1) // 2
        tail = text[-(width - 1 - head) :]
        text = Text.assemble(text[:head], ELLIPSIS, tail)
    text.truncate(width, overflow="ellipsis", pad=True)
    return text


def _line(cells: Sequence[Text]) -> Text:
    line = Text(" " * GAP).join(cells)
    line.rstrip()
    return line
