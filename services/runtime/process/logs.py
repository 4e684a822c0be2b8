"""Structured logs on standard error: JSON lines in a cluster, readable text at a terminal.

Levels: info for transitions and summaries of what was sent; debug for each probe and each task. A sweep of
thousands of networks must not write thousands of lines.
"""

import json
import logging
import sys
from collections.abc import Mapping
from typing import Any, Literal

import structlog

from services.runtime.process.redaction import hide_passwords

TASK_LOGGERS = ("celery.worker.strategy", "celery.app.trace")
"""Where Celery logs each task that it receives and each that succeeds."""
CONNECTION_LOGGERS = ("celery.worker.consumer.connection", "celery.worker.consumer.consumer")
"""Where Celery logs each connection that it gets and loses: runtime.worker says it once for each reason."""
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
        [
            structlog.processors.format_exc_info,
            _without_control_characters,
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_to_json)]
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
    for name in CONNECTION_LOGGERS:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "debug" else logging.ERROR)
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


def _to_json(event: object, **options: Any) -> str:
    """Return JSON in ASCII; the one control character that JSON leaves as it is is escaped too."""
    return json.dumps(event, **options).replace("\x7f", "\\u007f")


def _without_control_characters(
    _: object, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Escape what could control the terminal, or begin a line of its own, in texts from outside."""
    return {escaped(name): _escape(name, value) for name, value in event.items()}


def _escape(name: str, value: object) -> object:
    if name in ("exception", "stack"):
        # Its lines are our own; what they quote is not.
        return "\n".join(map(escaped, str(value).split("\n")))
    if value is None or isinstance(value, int | float):
        return value
    return escaped(value if isinstance(value, str) else repr(value))


def escaped(text: str) -> str:
    """Return the text with all that is not printable escaped, as Python writes it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _demote_task_record(record: logging.LogRecord) -> bool:
    """Turn Celery's record of a task into a debug record, without the result, which may be megabytes."""
    if record.levelno == logging.INFO:
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    if isinstance(record.args, Mapping) and "return_value" in record.args:
        record.args = {**record.args, "return_value": "(omitted)"}
        record.__dict__.pop("data", None)
    return True
