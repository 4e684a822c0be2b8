"""The log records of a service."""

import json
import logging
import threading
import warnings
from collections.abc import Iterator

import pytest
import structlog

from services.runtime.process.logs import TASK_LOGGERS, configure


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    # Also what an earlier test captured: capturing twice has no effect.
    logging.captureWarnings(False)
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = before
    logging.captureWarnings(False)
    for name in TASK_LOGGERS:
        logging.getLogger(name).setLevel(logging.NOTSET)
        logging.getLogger(name).filters.clear()


def test_every_record_has_the_bound_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """From any thread, ours and the libraries'; a field of the record itself takes precedence."""
    configure(level="info", log_format="json", service="prober", host="node1")

    def say() -> None:
        structlog.get_logger("services.x").info("ours", request="r1")
        logging.getLogger("celery").warning("theirs")
        structlog.get_logger("services.x").info("of another", host="node2")

    thread = threading.Thread(target=say)
    thread.start()
    thread.join(60)
    ours, theirs, other = map(json.loads, capsys.readouterr().err.splitlines())
    assert (ours["service"], ours["host"], ours["request"]) == ("prober", "node1", "r1")
    assert (theirs["service"], theirs["host"], theirs["event"]) == ("prober", "node1", "theirs")
    assert other["host"] == "node2"


def test_the_loop_logs_fields_by_the_standard_library(capsys: pytest.CaptureFixture[str]) -> None:
    """They are fields of the line, as structlog's are; those of other libraries are left out."""
    configure(level="info", log_format="json", service="prober")
    fields = {"cluster_network": "extra", "error": "gone", "data": "theirs"}
    logging.getLogger("services.prober.loop.uplink_log").warning("uplink failed", extra=fields)
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert (line["event"], line["cluster_network"], line["error"]) == ("uplink failed", "extra", "gone")
    assert "data" not in line


@pytest.mark.parametrize("level", ["info", "debug"])
def test_a_task_is_a_debug_record_without_its_result(capsys: pytest.CaptureFixture[str], level: str) -> None:
    """The result of a whole sweep would be megabytes."""
    configure(level=level, log_format="json", service="updater")
    context = {"id": "1", "name": "t", "runtime": 0.1, "return_value": "SECRET " * 1000, "args": "()"}
    logging.getLogger("celery.app.trace").info(
        "Task %(name)s[%(id)s] succeeded in %(runtime)ss: %(return_value)s", context, extra={"data": context}
    )
    logging.getLogger("celery.app.trace").error("Task %(name)s failed", {"name": "t"})
    said = capsys.readouterr().err
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line["level"] for line in lines] == (["debug", "error"] if level == "debug" else ["error"])
    assert "SECRET" not in said


def test_a_warning_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """Python's warnings of libraries are records too, and not bare text on stderr."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure(level="info", log_format="json", service="prober")
        warnings.warn("deprecated", DeprecationWarning, stacklevel=1)
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert (line["logger"], line["level"]) == ("py.warnings", "warning")
    assert "deprecated" in line["event"]
