"""A plugin for pytest: fails a run in which the engine was interpreted."""

import sys

import pytest


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Whatever came first on the path is what was tested."""
    module = sys.modules.get("services.prober.engine.trunk")
    if module is None or not str(module.__file__).endswith(".so"):
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
