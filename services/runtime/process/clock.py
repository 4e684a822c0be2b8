"""The only module that reads or waits for time.

Deadlines use the monotonic clock. Wall-clock time is for display; ages use Redis' time (see redis_client).
"""

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The interface to time that components are given, so that tests can replace it."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start; never decreases."""
        ...

    def now(self) -> datetime:
        """Return the wall-clock time in UTC: for display, never for a deadline."""
        ...

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until the event is set or the timeout is over; returns whether it was set."""
        ...


class SystemClock:
    """The system's clock."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        return event.wait(timeout_s)
