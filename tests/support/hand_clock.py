"""A clock that stands still until it is moved."""

import threading
from datetime import UTC, datetime


class HandClock:
    """What it says is `at`, in seconds; nobody can wait by it."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        raise AssertionError("nobody waits here")
