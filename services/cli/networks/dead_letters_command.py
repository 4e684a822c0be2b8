"""`nadroute dead-letters`: the messages that were refused, and why."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from services.cli.options.client import client_options, load_client_settings, redis_client
from services.cli.options.grouping import GroupedCommand
from services.cli.outputs import Output, output_option, print_data, to_json
from services.cli.tables import Column, print_table
from services.cli.terminal import cell, stdout_console
from services.contract.names import DEAD_LETTERS_KEPT
from services.runtime.connection.redis_client import format_time
from services.runtime.process.clock import SystemClock
from services.runtime.stored.dead_letters import DeadLetter, added, parse, read_raw
from services.view.documents import dead_letter_document

if TYPE_CHECKING:
    import redis

SHOWN = 20
FOLLOWED = 100
"""Letters that are read at each look while following; all that are kept if none of them is known."""
LOOK_S = 1.0


@click.command(cls=GroupedCommand)
@click.option(
    "--limit",
    type=click.IntRange(1, DEAD_LETTERS_KEPT),
    default=SHOWN,
    show_default=True,
    help="Show at most so many, the newest.",
)
@click.option("--follow", is_flag=True, help="Then show each further one as it comes, until Ctrl-C.")
@output_option
@client_options()
def dead_letters(limit: int, follow: bool, output: Output, **flags: object) -> None:
    """Show the messages that were refused, newest first: when, where, why, and how they begin.

    Where: the queue or channel in which it came, the task or key that it was meant for, or the worker, as
    prober@HOST.

    Redis keeps the last 1,000. With --follow the oldest comes first, and JSON is one object a line.
    """
    settings = load_client_settings(flags)
    with redis_client(settings) as client:
        if not follow:
            raw = read_raw(client, DEAD_LETTERS_KEPT)
            letters = parse(raw)
            _show(letters[:limit], output)
            _remark(unreadable=len(raw) - len(letters), more=len(letters) - limit)
            if not raw:
                click.echo("no dead letters: no message was refused", err=True)
            return
        _follow(client, limit, output)


def _follow(client: "redis.Redis", limit: int, output: Output) -> None:
    """Print the newest letters, and then each that comes."""
    known = read_raw(client, DEAD_LETTERS_KEPT)
    _tell(parse(known)[:limit], output)
    click.echo("waiting for messages that are refused; Ctrl-C ends it", err=True)
    clock, never = SystemClock(), threading.Event()
    while True:
        clock.wait(never, LOOK_S)
        now = read_raw(client, FOLLOWED)
        new = added(now, known)
        if len(new) == FOLLOWED:
            new = added(read_raw(client, DEAD_LETTERS_KEPT), known)
        letters = parse(new)
        if known and len(new) == DEAD_LETTERS_KEPT:
            click.echo(f"skipped: more than the {DEAD_LETTERS_KEPT:,} that are kept came at once", err=True)
        _tell(letters, output)
        _remark(unreadable=len(new) - len(letters))
        known = [*new, *known][:DEAD_LETTERS_KEPT]


def _remark(*, unreadable: int, more: int = 0) -> None:
    """Say what is not shown."""
    if more > 0:
        click.echo(f"{more} more {'is' if more == 1 else 'are'} kept; see --limit", err=True)
    if unreadable:
        what = "1 entry of the list is" if unreadable == 1 else f"{unreadable} entries of the list are"
        click.echo(f"{what} no dead letter, and left out", err=True)


def _show(letters: list[DeadLetter], output: Output) -> None:
    if output != "table":
        print_data([dead_letter_document(letter) for letter in letters], output)
    elif letters:
        columns = [
            Column("refused at", [cell(format_time(letter.at_ms)) for letter in letters], 2),
            Column("where", [cell(letter.where) for letter in letters], 1, least=18, keep_end=True),
            Column("reason", [cell(letter.reason) for letter in letters], least=24),
            Column("message", [cell(letter.body) for letter in letters], 3, least=24),
        ]
        print_table(stdout_console(), columns)


def _tell(letters: Sequence[DeadLetter], output: Output) -> None:
    """Print these letters, oldest first."""
    for letter in reversed(letters):
        if output == "json":
            click.echo(to_json(dead_letter_document(letter)))
        elif output == "yaml":
            print_data([dead_letter_document(letter)], output)
        else:
            line = cell(f"{format_time(letter.at_ms)}  {letter.where}  {letter.reason}")
            console = stdout_console()
            line.truncate(console.width, overflow="ellipsis")
            console.print(line, soft_wrap=True)
