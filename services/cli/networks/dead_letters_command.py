"""`nadroute dead-letters`: the messages that were refused, and why."""

import json
import threading
from collections.abc import Sequence

import click

from services.cli.options.client import client_options, load_client_settings, redis_client
from services.cli.options.grouping import GroupedCommand
from services.cli.outputs import Output, output_option, print_data
from services.cli.tables import Column, print_table
from services.cli.terminal import cell, stdout_console
from services.contract.names import DEAD_LETTERS_KEPT
from services.runtime.clock import SystemClock
from services.runtime.dead_letters import DeadLetter, added, parse, read_raw
from services.runtime.redis_client import format_time
from services.view.documents import dead_letter_document

SHOWN = 20
FOLLOWED = 100
"""Letters that are read at each look while following: of more between two looks, the newest are shown."""
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
    """Show the messages that were refused, newest first: when, in which queue, task or key, why, and how they
    begin.

    Redis keeps the last 1,000. With --follow the oldest comes first, and JSON is one object a line.
    """
    settings = load_client_settings(flags)
    with redis_client(settings) as client:
        if not follow:
            _show(parse(read_raw(client, limit)), output)
            return
        known = read_raw(client, max(limit, FOLLOWED))
        _tell(known[:limit], output)
        clock, never = SystemClock(), threading.Event()
        while True:
            clock.wait(never, LOOK_S)
            now = read_raw(client, max(limit, FOLLOWED))
            _tell(added(now, known), output)
            known = now


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
    else:
        click.echo("no dead letters: no message was refused", err=True)


def _tell(raw: Sequence[str], output: Output) -> None:
    """Print these letters, oldest first."""
    for letter in reversed(parse(raw)):
        if output == "json":
            click.echo(json.dumps(dead_letter_document(letter)))
        elif output == "yaml":
            print_data([dead_letter_document(letter)], output)
        else:
            line = cell(f"{format_time(letter.at_ms)}  {letter.where}  {letter.reason}")
            console = stdout_console()
            line.truncate(console.width, overflow="ellipsis")
            console.print(line, soft_wrap=True)
