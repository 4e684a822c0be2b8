"""Running a Celery worker in a service: what stands around it, by a worker that is none."""

import contextlib
import warnings
from types import SimpleNamespace
from typing import Any, cast

import pytest
from celery import Celery, signals
from celery.platforms import SecurityWarning

from services.runtime.worker import work


class FakeWorker:
    """Warns as Celery's does under root, and notes whether logging is kept while it runs."""

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
    return work(cast("Celery", SimpleNamespace(Worker=worker.made)), name="updater@node1", concurrency=3)


def _is_logging_kept() -> bool:
    """Celery sets up logging where nobody receives this signal."""
    return bool(signals.setup_logging.send(sender=None))


@pytest.mark.parametrize(("exitcode", "code"), [(None, 0), (0, 0), (70, 70)])
def test_the_workers_exit_code_is_told(exitcode: int | None, code: int) -> None:
    """Its name and its threads are those that were asked for; that it is root's is not complained of."""
    worker = FakeWorker(exitcode)
    assert run(worker) == code
    assert (worker.options["hostname"], worker.options["concurrency"]) == ("updater@node1", 3)


@pytest.mark.parametrize("failure", [None, OSError("for the test")])
def test_logging_is_kept_as_it_is_for_as_long_as_the_worker_runs(failure: Exception | None) -> None:
    """And no longer, however it ends."""
    worker = FakeWorker(0, failure)
    with pytest.raises(OSError, match="for the test") if failure else contextlib.nullcontext():
        run(worker)
    assert worker.kept_logging
    assert not _is_logging_kept()
