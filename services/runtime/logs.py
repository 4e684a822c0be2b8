"""Structured logs on standard error: JSON lines in a cluster, readable text at a terminal.

Levels: info for transitions and summaries of what was sent; debug for each probe and each task. A sweep of
thousands of networks must not write thousands of lines.
"""

import logging
import sys
from collections.abc import Mapping
from typing import Literal

import structlog

from services.runtime.redaction import hide_passwords

TASK_LOGGERS = ("celery.worker.strategy", "celery.app.trace")
"""Where Celery logs each task that it receives and each that succeeds."""
EXTRA_FIELDS = ("cluster_network", "error")
"""Fields that the prober's loop adds to its records. It logs by the standard library, because `nadroute scan`
would spend more on the import of structlog than on probing 64 VLANs."""


def configure(
    *, level: str, log_format: Literal["auto", "json", "console"], service: str, **bound: str
) -> None:
    """Format our own and the libraries' log records, and Python's warnings, alike.

    service and bound are fields of every line, from whichever thread.
    """
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _always({"service": service, **bound}),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    # Plain tracebacks: rich's show local variables, of which some are secrets.
    renderers: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    # Last, so that it sees what libraries wrote and quoted, and tracebacks.
    renderers.append(lambda _, __, line: hide_passwords(str(line)))
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(allow=EXTRA_FIELDS)],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    for name in TASK_LOGGERS:
        logger = logging.getLogger(name)
        # Celery checks the level before it formats the line, so a disabled line costs nothing.
        logger.setLevel(logging.NOTSET if level == "debug" else logging.WARNING)
        logger.filters[:] = [_demote_task_record]


def _always(fields: Mapping[str, str]) -> structlog.typing.Processor:
    """Add fields to every line. Context variables would be visible only to the thread that sets them."""

    def add(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        for name, value in fields.items():
            event.setdefault(name, value)
        return event

    return add


def _demote_task_record(record: logging.LogRecord) -> bool:
    """Turn Celery's record of a task into a debug record, without the result, which may be megabytes."""
    if record.levelno == logging.INFO:
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    if isinstance(record.args, Mapping) and "return_value" in record.args:
        record.args = {**record.args, "return_value": "(omitted)"}
        record.__dict__.pop("data", None)
    return True
