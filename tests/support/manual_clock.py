"""The clock of every test: it moves when the test moves it."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Literal


class ManualClock:
    """A Clock whose time is `seconds`, set by the test."""

    def __init__(
        self,
        seconds: float = 1_000.0,
        *,
        on_wait: Literal["advance", "return", "block", "fail"] = "advance",
        stop_after: int | None = None,
        wall: datetime = datetime(2026, 11, 23, tzinfo=UTC),
        now_step_s: float = 0.0,
    ) -> None:
        """Start at `seconds` (monotonic).

        on_wait: advance by the timeout unless the event is set; return at once; block in real time until the
        event is set; or fail. stop_after: set the event in the n-th wait. wall: now() at second 0.
        now_step_s: advance this much before each now().
        """
        self.seconds = seconds
        self.waits: list[float] = []
        """The timeout of each wait."""
        self._on_wait = on_wait
        self._stop_after = stop_after
        self._wall = wall
        self._now_step_s = now_step_s

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        self.seconds += self._now_step_s
        return self._wall + timedelta(seconds=self.seconds)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        assert self._on_wait != "fail", "nothing may wait here"
        self.waits.append(timeout_s)
        if self._on_wait == "block":
            return event.wait()
        if self._on_wait == "advance" and not event.is_set():
            self.seconds += timeout_s
        if len(self.waits) == self._stop_after:
            event.set()
        return event.is_set()
