"""Prose on the terminal: headings, steps, and commands in a text."""

import re

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from services.cli.terminal import cell

READABLE = 110
"""Maximum width of prose, in columns."""
STEP_INDENT = 7
TYPED = re.compile(r"`([^`]*)`")
"""What a user may type, in a text."""


def print_step(console: Console, number: int, step: str, *, width: int) -> None:
    """A step; a long command has a line of its own, unwrapped, so that it can be copied."""
    last = TYPED.search(step)
    own = last is not None and last.end() == len(step) and len(step) > width - STEP_INDENT
    text = step[: last.start()].rstrip() if own and last else step
    table = grid(2)
    table.add_row(cell(f"{number:>2}."), words(text))
    console.print(Padding(table, (0, 0, 0, 2), expand=False), width=width)
    if own and last:
        command = Text(" " * STEP_INDENT) + cell(last[1], "cyan")
        console.print(command, soft_wrap=True)


def grid(columns: int) -> Table:
    """A table without lines, whose last column takes the rest of the width."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(columns - 1):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold underline"))


def words(text: str) -> Text:
    """Text with its commands highlighted; without colour the backticks show them."""
    found = cell(text)
    found.highlight_regex(TYPED, "cyan")
    return found
