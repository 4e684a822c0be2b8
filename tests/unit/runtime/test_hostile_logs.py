"""R20: no text from Redis, Kubernetes or the wire controls the terminal that shows a log."""

import json
import logging

import click
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.runtime.process.logs import configure

BIDI = "\u202e\u2066\u200f"
HOSTILE = st.text(
    st.sampled_from("a \x00\x07\x08\t\n\r\x0b\x1b[]2J;0m\x7f\x85\x9b\x9d\u2028" + BIDI + "\ud800"),
    min_size=1,
)


@pytest.mark.parametrize("log_format", ["console", "json"])
@given(text=HOSTILE)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_control_character_reaches_the_stream(
    capsys: pytest.CaptureFixture[str], log_format: str, text: str
) -> None:
    """Neither in an event, a field, its name, a list, an exception, nor in a line of a library."""
    configure(level="info", log_format="json" if log_format == "json" else "console", service="updater")
    log = structlog.stdlib.get_logger("services.test")
    log.warning(f"event {text}", key=text, several=[text], nested={text: {text}}, odd=_Odd(text))
    logging.getLogger("kombu").warning("library %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("failed")
    said = click.unstyle(capsys.readouterr().err)
    assert {c for c in said if not c.isprintable()} <= {"\n"}
    if log_format == "json":
        lines = [json.loads(line) for line in said.splitlines()]
        assert lines[0]["key"] == text
    else:
        # What is quoted begins no line of its own.
        ours = [line for line in said.splitlines() if line.startswith("20")]
        assert len(ours) == 3


class _Odd:
    """A value whose representation escapes nothing."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text
