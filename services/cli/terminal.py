"""What a terminal can show: consoles, symbols and colours of states, and ASCII where it knows no more."""

import codecs
import io
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text

PIPE_WIDTH = 4_000
"""Columns where standard output is no terminal: a pipe has no width, and a cut line is of no use to grep."""
GOOD, BAD, UNTRIED, UNCERTAIN, FAULTY = "✔", "✘", "·", "?", "!"
SIGN_STYLES = {GOOD: "green", BAD: "red", UNTRIED: "dim", UNCERTAIN: "yellow", FAULTY: "red"}
"""What one check of one host came to."""
ASCII = {
    "✔": "+", "◐": "o", "◇": "#", "◌": "%", "✘": "x", "·": ".", "…": "~", "─": "-", "│": "|", "\xa0": " ",
    "↑": "^", "↓": "v",
}  # fmt: skip
"""Every symbol that is printed, one column wide as it is itself, for terminals that are not UTF-8."""
ASCII_ERRORS = "nadroute-ascii"


@dataclass(frozen=True)
class StateStyle:
    """How a state is shown: a symbol that tells it apart without colour, and a colour."""

    symbol: str
    style: str


STATE_STYLES = {
    "Active": StateStyle("✔", "green"),
    "Partial": StateStyle("◐", "yellow"),
    "Isolated": StateStyle("◇", "yellow"),
    "OffVlan": StateStyle("◌", "yellow"),
    "Unreachable": StateStyle("✘", "red"),
    "DHCPFailed": StateStyle("✘", "red"),
    "Pending": StateStyle("…", "cyan"),
    "Unknown": StateStyle("?", "magenta"),
    "Ignored": StateStyle("-", "dim"),
    "Disabled": StateStyle("-", "dim"),
    "Invalid": StateStyle("!", "red"),
}


def state_text(state: str) -> "Text":
    """A state with its symbol and colour; one that is unknown here is shown as it is."""
    from rich.text import Text

    known = STATE_STYLES.get(state)
    return Text(f"{known.symbol} {state}", style=known.style) if known else Text(plain(state))


def sign_text(sign: str, text: str = "") -> "Text":
    """A check's sign in its colour, and what it says."""
    from rich.text import Text

    return Text(f"{sign} {plain(text)}" if text else sign, style=SIGN_STYLES[sign])


def plain(text: object) -> str:
    """Text from others, without the characters that would make a terminal do something."""
    return "".join(character if character.isprintable() else "�" for character in str(text))


def cell(text: object, style: str = "") -> "Text":
    """Text from others as a table's cell: brackets are no markup, control characters do nothing."""
    from rich.text import Text

    return Text(plain(text), style=style)


def stdout_console() -> "Console":
    """For what was asked; NO_COLOR is respected."""
    return _console(stderr=False)


def stderr_console() -> "Console":
    """For progress and remarks, so that what was asked can be piped on."""
    return _console(stderr=True)


def progress_bar() -> "Progress":
    """A bar on standard error that disappears when done; nothing where that is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = stderr_console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else PIPE_WIDTH)


def use_ascii_where_needed() -> None:
    """Make standard output and error write ASCII where the terminal takes no UTF-8; no text raises then."""
    codecs.register_error(ASCII_ERRORS, _to_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not takes_utf8(stream, os.environ):
            stream.reconfigure(encoding="ascii", errors=ASCII_ERRORS)


def takes_utf8(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether UTF-8 can be written there.

    Python writes UTF-8 in the C locale too (PEP 538 and 540), whatever the terminal is; whoever asks for C
    by name gets ASCII, unless PYTHONIOENCODING or PYTHONUTF8 says otherwise.
    """
    if not (stream.encoding or "").lower().startswith("utf"):
        return False
    if environment.get("PYTHONIOENCODING") or environment.get("PYTHONUTF8") == "1":
        return True
    named = environment.get("LC_ALL") or environment.get("LC_CTYPE", "")
    if named in ("", "C.UTF-8"):
        # C.UTF-8 is also what Python itself puts into LC_CTYPE for C.
        named = environment.get("LC_ALL") or environment.get("LANG") or named
    return named not in ("C", "POSIX")


def _to_ascii(error: UnicodeError) -> tuple[str, int]:
    """A codec error handler (PEP 293)."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(ASCII.get(character, "?") for character in text), error.end
