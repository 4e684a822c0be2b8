"""The site explained: the causes of what is wrong, and what no cause explains."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from services.cli.explain.prose import READABLE, heading, print_step, words
from services.cli.outputs import Output, print_data
from services.cli.terminal import cell, state_text, stdout_console
from services.contract.causes import CauseRecord
from services.network.causes.texts import describe
from services.network.reasons.switch_ports import Announced
from services.view.documents import site_document
from services.view.durations import describe_age, seconds_since
from services.view.rows import NetworkRow
from services.view.site_causes import count_networks, left_alone

MAX_LISTED = 10
"""Networks that are named; further ones are counted."""


def print_site(
    causes: Sequence[CauseRecord],
    rows: Sequence[NetworkRow],
    announced: Announced,
    *,
    output: Output,
    now: datetime,
) -> None:
    """Print the causes, and the networks with a problem that none of them explains.

    announced: see causes.texts.describe.
    """
    alone = left_alone(causes, rows)
    if output != "table":
        print_data(site_document(causes, alone, announced), output)
        return
    console = stdout_console()
    width = min(console.width, READABLE)
    console.print(Text.assemble(cell(_headline(causes), "bold")), width=width)
    for cause in causes:
        _print_cause(console, cause, announced, width=width, now=now)
    if alone:
        heading(console, "Alone" if causes else "Networks with a problem")
        for row in alone[:MAX_LISTED]:
            line = Text.assemble(
                "  ", cell(row.ref, "bold"), " is ", state_text(row.state), f" ({row.reason})"
            )
            console.print(line, width=width)
        if len(alone) > MAX_LISTED:
            console.print(f"  and {len(alone) - MAX_LISTED} more: `nadroute status --problems`", width=width)
        console.print(
            Padding(words("`nadroute explain NAMESPACE/NAME` says more."), (0, 0, 0, 2)), width=width
        )


def _headline(causes: Sequence[CauseRecord]) -> str:
    if not causes:
        return "No common cause: nothing that is wrong is explained by one thing."
    count = count_networks(causes)
    what = "1 cause explains" if len(causes) == 1 else f"{len(causes)} causes explain"
    return f"{what} {count} {'network' if count == 1 else 'networks'}."


def _print_cause(
    console: Console, cause: CauseRecord, announced: Announced, *, width: int, now: datetime
) -> None:
    described = describe(cause, announced)
    age_s = seconds_since(cause.since, now)
    since = "" if age_s is None else f", for {describe_age(age_s)}"
    heading(console, f"{described.title} ({cause.kind}){since}")
    for text in (described.meaning, described.alternatives, _networks(cause)):
        if text:
            console.print(Padding(words(text), (0, 0, 0, 2), expand=False), width=width)
    for number, step in enumerate(described.steps, start=1):
        print_step(console, number, step, width=width)


def _networks(cause: CauseRecord) -> str:
    listed = ", ".join(cause.networks[:MAX_LISTED])
    more = f" and {len(cause.networks) - MAX_LISTED} more" if len(cause.networks) > MAX_LISTED else ""
    return f"Networks: {listed}{more}."
