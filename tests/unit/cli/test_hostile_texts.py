"""R20: no text from Redis, Kubernetes or the wire controls the terminal of a command."""

import click
import pytest
from hypothesis import HealthCheck, given, settings
from rich.console import Console

from services.cli.failures import unreachable
from services.cli.options.arguments import _completed
from services.cli.outputs import print_data
from services.cli.tables import Column, print_table
from services.cli.terminal import cell, sign_text, state_text
from tests.unit.runtime.test_hostile_logs import HOSTILE


@given(text=HOSTILE)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_control_character_is_printed(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Neither in a table, its headings, an error, JSON or YAML, nor as a completion."""
    cells = [cell(text), state_text(text), sign_text("?", text)]
    print_table(Console(width=200), [Column(text, cells), Column("x", cells, least=3, keep_end=True)])
    unreachable(f"Redis: {text}").show()
    for output in ("json", "yaml"):
        print_data([{"key": text, "list": [text]}], output)
    found = capsys.readouterr()
    for printed in (found.out, click.unstyle(found.err)):
        assert {c for c in printed if not c.isprintable()} <= {"\n"}
    completed = [item.value for item in _completed([text, "default/net"], "")]
    assert completed == sorted({"default/net", *([text] if text.isprintable() else [])})
