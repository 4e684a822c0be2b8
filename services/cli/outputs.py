"""What commands print: a table for eyes, JSON and YAML for programs; the latter two never change shape."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.progress import Progress

Output = Literal["table", "json", "yaml"]
Function = TypeVar("Function", bound=Callable[..., Any])
WIDE = 4_000
"""Columns where nobody looks on: a pipe has no width, and a cut line is of no use to grep."""


def output_option(function: Function) -> Function:
    """-o table|json|yaml."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json", "yaml"]),
        default="table",
        show_default=True,
        help="How to print.",
    )(function)


def stdout_console() -> Console:
    """For what was asked; NO_COLOR is respected."""
    return _console(stderr=False)


def stderr_console() -> Console:
    """For progress and remarks, so that what was asked can be piped on."""
    return _console(stderr=True)


def progress_bar() -> "Progress":
    """A bar on standard error that goes when it is done; nothing at all where nobody looks on."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = stderr_console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else WIDE)


def plain(text: object) -> str:
    """Text that others wrote, without what would make a terminal do something."""
    return "".join(character if character.isprintable() else "�" for character in str(text))


def make_table(*columns: str, title: str | None = None) -> Table:
    """A table without lines between rows: as wide as it must be."""
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        title=title,
        title_justify="left",
        header_style="bold",
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def cell(text: object, style: str = "") -> Text:
    """A cell that holds what it is given, whatever brackets or control characters are in it."""
    return Text(plain(text), style=style)


def print_data(data: Sequence[object] | dict[str, object], output: Output) -> None:
    """As JSON or YAML on standard output: ASCII, so that nothing in it can drive a terminal."""
    if output == "yaml":
        import yaml

        # By way of JSON: what that takes for a string, such as a StrEnum, YAML would refuse.
        click.echo(yaml.safe_dump(json.loads(json.dumps(data)), sort_keys=False), nl=False)
    else:
        click.echo(json.dumps(data, indent=2))
