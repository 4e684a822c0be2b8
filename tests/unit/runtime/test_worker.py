"""Running a Celery worker in a service, with a fake worker."""

import contextlib
import threading
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import celery.apps.worker
import pytest
from celery import Celery, signals
from celery.platforms import SecurityWarning

from services.runtime.queues import worker as worker_module
from services.runtime.queues.worker import run_worker


class FakeWorker:
    """Warns about root as Celery's does, and records whether logging is kept while it runs."""

    def __init__(self, exitcode: int | None, failure: Exception | None = None) -> None:
        self.exitcode = exitcode
        self.failure = failure
        self.options: dict[str, Any] = {}
        self.kept_logging = False

    def made(self, **options: Any) -> "FakeWorker":
        warnings.warn(SecurityWarning("for the test"), stacklevel=1)
        self.options = options
        return self

    def start(self) -> None:
        self.kept_logging = _is_logging_kept()
        if self.failure is not None:
            raise self.failure


def run(worker: FakeWorker) -> int:
    return run_worker(
        cast("Celery", SimpleNamespace(Worker=worker.made)), name="updater@node1", concurrency=3
    )


def _is_logging_kept() -> bool:
    """Celery configures logging when this signal has no receiver."""
    return bool(signals.setup_logging.send(sender=None))


@pytest.mark.parametrize(("exitcode", "code"), [(None, 0), (0, 0), (70, 70)])
def test_the_exit_code_of_the_worker_is_returned(exitcode: int | None, code: int) -> None:
    """Name and concurrency are passed on; the warning about root is suppressed."""
    worker = FakeWorker(exitcode)
    assert run(worker) == code
    assert (worker.options["hostname"], worker.options["concurrency"]) == ("updater@node1", 3)


@pytest.mark.parametrize("failure", [None, OSError("for the test")])
def test_logging_is_kept_while_the_worker_runs(failure: Exception | None) -> None:
    """The receiver is removed afterwards, also after an exception."""
    worker = FakeWorker(0, failure)
    with pytest.raises(OSError, match="for the test") if failure else contextlib.nullcontext():
        run(worker)
    assert worker.kept_logging
    assert not _is_logging_kept()


class LazyLog:
    """A logger that is made when it is used first, as structlog makes them."""

    def __init__(self) -> None:
        self.made_in: threading.Thread | None = None
        self.said: list[str] = []

    @property
    def info(self) -> Callable[[str], None]:
        self.made_in = threading.current_thread()
        return self.said.append


class PrintingWorker(FakeWorker):
    """Prints as Celery's signal handlers do."""

    def start(self) -> None:
        celery.apps.worker.safe_say("worker: Warm shutdown (MainProcess)")


def test_a_signal_handler_makes_no_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have interrupted a loop over all loggers, which then fails with the lock of logging held: the
    process did not end."""
    log = LazyLog()
    monkeypatch.setattr(worker_module, "log", log)
    run(PrintingWorker(0))
    for thread in threading.enumerate():
        if thread.name == "celery-print":
            thread.join(60)
    assert log.said == ["worker: Warm shutdown (MainProcess)"]
    assert log.made_in is not threading.main_thread()
