"""A pytest plugin that fails a run if the engine was interpreted."""

import sys

import pytest


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if a hot module was loaded from its source."""
    module = sys.modules.get("services.prober.engine.trunk")
    if module is None or not str(module.__file__).endswith(".so"):
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
