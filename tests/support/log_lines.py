"""What a module logs, whatever a test before made of logging: that is kept for the life of a process."""

from types import ModuleType

import pytest
import structlog
from structlog.testing import LogCapture
from structlog.typing import EventDict


def log_lines(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[EventDict]:
    """Its lines from now on, as they come; log_level and event stand in each."""
    capture = LogCapture()
    logger = structlog.wrap_logger(
        structlog.PrintLogger(),
        processors=[capture],
        wrapper_class=structlog.make_filtering_bound_logger(0),
        cache_logger_on_first_use=False,
    )
    monkeypatch.setattr(module, "log", logger)
    return capture.entries
