"""States for eyes: a symbol that says the same without colour, and a colour."""

import sys
from dataclasses import dataclass

from rich.text import Text

from services.cli.outputs import plain
from services.contract.outcomes import State


@dataclass(frozen=True)
class Look:
    """How a state is shown; ascii is for terminals that know no more."""

    symbol: str
    ascii: str
    style: str


LOOKS = {
    State.ACTIVE: Look("✔", "+", "green"),
    State.PARTIAL: Look("◐", "~", "yellow"),
    State.ISOLATED: Look("◇", "#", "yellow"),
    State.OFF_VLAN: Look("◌", "%", "yellow"),
    State.UNREACHABLE: Look("✘", "x", "red"),
    State.DHCP_FAILED: Look("✘", "x", "red"),
    State.PENDING: Look("…", ".", "cyan"),
    State.UNKNOWN: Look("?", "?", "magenta"),
    State.IGNORED: Look("-", "-", "dim"),
    State.DISABLED: Look("-", "-", "dim"),
    State.INVALID: Look("!", "!", "red"),
}
GOOD, BAD, UNTRIED, DOUBTFUL, FAULTY = "✔", "✘", "·", "?", "!"
_ASCII = {GOOD: "+", BAD: "x", UNTRIED: "."}


def symbol(character: str) -> str:
    """One of GOOD, BAD, UNTRIED, DOUBTFUL, FAULTY as the terminal can show it."""
    return character if _shows_unicode() else _ASCII.get(character, character)


def state_text(state: str) -> Text:
    """A state with its symbol and colour."""
    if state not in set(State):
        return Text(plain(state))
    look = LOOKS[State(state)]
    return Text(f"{look.symbol if _shows_unicode() else look.ascii} {state}", style=look.style)


def _shows_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") in ("utf8", "utf16", "utf32")
