"""What the terminal can show: consoles, symbols and colours of states, and ASCII without UTF-8."""

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
"""Width of a table that is not printed on a terminal: lines stay whole, for grep."""
GOOD, BAD, UNTRIED, UNCERTAIN, FAULTY = "✔", "✘", "·", "?", "!"
SIGN_STYLES = {GOOD: "green", BAD: "red", UNTRIED: "dim", UNCERTAIN: "yellow", FAULTY: "red"}
"""The style of a check's sign."""
ASCII = {
    "✔": "+", "◐": "o", "◇": "#", "◌": "%", "✘": "x", "·": ".", "…": "~", "─": "-", "│": "|", "\xa0": " ",
    "↑": "^", "↓": "v",
}  # fmt: skip
"""Replacements of all printed symbols, each one column wide, for terminals without UTF-8."""
ASCII_ERRORS = "nadroute-ascii"


@dataclass(frozen=True)
class StateStyle:
    """The symbol and the colour of a state; the symbol suffices without colour."""

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
    """Return a state with its symbol and colour; an unknown state is shown as plain text."""
    from rich.text import Text

    known = STATE_STYLES.get(state)
    return Text(f"{known.symbol} {state}", style=known.style) if known else Text(plain(state))


def sign_text(sign: str, text: str = "") -> "Text":
    """Return a check's sign in its colour, and the text."""
    from rich.text import Text

    return Text(f"{sign} {plain(text)}" if text else sign, style=SIGN_STYLES[sign])


def plain(text: object) -> str:
    """Remove control characters, which could control the terminal, from untrusted text."""
    return "".join(character if character.isprintable() else "�" for character in str(text))


def cell(text: object, style: str = "") -> "Text":
    """Return untrusted text as a table's cell: without markup or control characters."""
    from rich.text import Text

    return Text(plain(text), style=style)


def stdout_console() -> "Console":
    """Return the console for results; it respects NO_COLOR."""
    return _console(stderr=False)


def stderr_console() -> "Console":
    """Return the console for progress and remarks, so that results can be piped."""
    return _console(stderr=True)


def progress_bar() -> "Progress":
    """Return a bar on standard error that disappears when done; invisible if that is not a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = stderr_console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else PIPE_WIDTH)


def use_ascii_where_needed() -> None:
    """Write ASCII to standard output and error if the terminal does not accept UTF-8; never raises."""
    codecs.register_error(ASCII_ERRORS, _to_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not takes_utf8(stream, os.environ):
            stream.reconfigure(encoding="ascii", errors=ASCII_ERRORS)


def takes_utf8(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether the stream accepts UTF-8.

    In the C locale Python writes UTF-8 whatever the terminal accepts (PEP 538 and 540). An explicit C or
    POSIX locale selects ASCII, unless PYTHONIOENCODING or PYTHONUTF8 says otherwise.
    """
    if not (stream.encoding or "").lower().startswith("utf"):
        return False
    if environment.get("PYTHONIOENCODING") or environment.get("PYTHONUTF8") == "1":
        return True
    named = environment.get("LC_ALL") or environment.get("LC_CTYPE", "")
    if named in ("", "C.UTF-8"):
        # Python itself sets LC_CTYPE to C.UTF-8 in the C locale.
        named = environment.get("LC_ALL") or environment.get("LANG") or named
    return named not in ("C", "POSIX")


def _to_ascii(error: UnicodeError) -> tuple[str, int]:
    """A codec error handler (PEP 293)."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(ASCII.get(character, "?") for character in text), error.end
