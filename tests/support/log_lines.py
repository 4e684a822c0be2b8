"""Capturing a module's log lines, whatever earlier tests configured: loggers are cached for the process."""

from types import ModuleType

import pytest
import structlog
from structlog.testing import LogCapture
from structlog.typing import EventDict


def log_lines(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[EventDict]:
    """Return the list to which lines are appended from now on; each has log_level and event."""
    capture = LogCapture()
    logger = structlog.wrap_logger(
        structlog.PrintLogger(),
        processors=[capture],
        wrapper_class=structlog.make_filtering_bound_logger(0),
        cache_logger_on_first_use=False,
    )
    monkeypatch.setattr(module, "log", logger)
    return capture.entries
