"""What reaches a terminal: symbols, ASCII where it is not UTF-8, and no control sequences of others."""

import io
import json
import os
import subprocess
import sys

import pytest

from services.cli.main import COMMANDS
from services.cli.terminal import (
    ASCII,
    STATE_STYLES,
    cell,
    plain,
    state_text,
    takes_utf8,
    use_ascii_where_needed,
)
from services.contract.outcomes import State
from services.view.rows import NetworkRow, network_row
from tests.unit.network.builders import network


def test_text_from_tenants_cannot_drive_a_terminal() -> None:
    """Control characters and markup are shown, and do nothing."""
    nasty = "\x1b[2J\x07\u202e\x9b[red]x[/red]\n"
    assert plain(nasty).isprintable()
    assert "[red]x[/red]" in cell(nasty).plain
    assert isinstance(network_row(network(json.dumps({"gateway": nasty, "mode": "auto"}))), NetworkRow)


def test_every_state_has_a_symbol_that_needs_no_colour() -> None:
    """Active has a symbol of its own, in Unicode and in ASCII."""
    assert set(STATE_STYLES) == {state.value for state in State}
    symbols = {style.symbol for state, style in STATE_STYLES.items() if state != State.ACTIVE}
    assert STATE_STYLES[State.ACTIVE].symbol not in symbols
    assert ASCII[STATE_STYLES[State.ACTIVE].symbol] not in {ASCII.get(symbol, symbol) for symbol in symbols}
    assert "Partial" in state_text("Partial").plain
    assert state_text("SomethingNew\x1b").plain == "SomethingNew�"


def test_ascii_symbols_are_one_column_wide() -> None:
    """So a table keeps its columns."""
    assert all(len(symbol) == 1 and symbol.isascii() for symbol in ASCII.values())


@pytest.mark.parametrize(
    ("encoding", "environment", "expected"),
    [
        ("utf-8", {"LANG": "en_US.UTF-8"}, True),
        ("utf-8", {}, True),
        ("utf-8", {"LANG": "C.UTF-8"}, True),
        ("utf-8", {"LC_CTYPE": "C.UTF-8"}, True),
        ("utf-8", {"LC_ALL": "C", "LANG": "en_US.UTF-8"}, False),
        ("utf-8", {"LANG": "C"}, False),
        ("utf-8", {"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),
        ("utf-8", {"LANG": "C", "PYTHONIOENCODING": "utf-8"}, True),
        ("utf-8", {"LANG": "POSIX", "PYTHONUTF8": "1"}, True),
        ("ascii", {"LANG": "en_US.UTF-8"}, False),
        ("iso8859-1", {"LANG": "de_DE"}, False),
    ],
)
def test_utf8_is_written_where_the_terminal_takes_it(
    encoding: str, environment: dict[str, str], expected: bool
) -> None:
    """The C locale by name means ASCII, though Python would write UTF-8 there (PEP 538 and 540)."""
    assert takes_utf8(io.TextIOWrapper(io.BytesIO(), encoding=encoding), environment) is expected


def test_symbols_and_foreign_text_become_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    """A symbol by its ASCII one, any other character by a question mark; nothing raises."""
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", stream)
    use_ascii_where_needed()
    stream.write("✔ Active … ── é�")
    assert written.getvalue() == b"+ Active ~ -- ??"


@pytest.mark.parametrize("locale", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"LANG": "C"}])
def test_help_is_ascii_for_a_terminal_that_is_not_utf8(locale: dict[str, str]) -> None:
    """The help of the program and a table, in one process each."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    for arguments in (["--help"], ["config", "watcher"]):
        ran = subprocess.run(
            [sys.executable, "-m", "services.cli.main", *arguments],
            env={**inherited, **locale},
            capture_output=True,
            check=True,
        )
        assert ran.stdout.isascii()
        assert ran.stderr == b""
    assert b"--------" in ran.stdout


def test_every_command_has_ascii_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in a help text needs a substitute."""
    from tests.unit.cli.running import run

    assert all(run(monkeypatch, name, "--help").out.isascii() for name in COMMANDS)
