"""Saying once that something fails, and once that it is over, however often it is tried in between."""

from typing import Any

from services.runtime.connection.refusals import describe, kind_of


class Outage:
    """One thing that may fail for a while: each kind of error is logged once.

    Threads may share it: at worst a line is logged twice, or a failure shows with the next try.
    """

    def __init__(self, log: Any, event: str, *, over: str) -> None:
        """log: a structlog logger. event: logged as a warning; over: logged when it is over."""
        self._log = log
        self._event = event
        self._over = over
        self._kind = ""
        self.cause: str | None = None
        """Why it fails; None while it does not."""

    def problem(self) -> str | None:
        """Return what fails and why; None while nothing does."""
        return None if self.cause is None else f"{self._event}: {self.cause}"

    def failed(self, error: BaseException, **fields: object) -> None:
        """Record a failure. fields: of the log line."""
        self.cause, kind = describe(error), kind_of(error)
        if kind != self._kind:
            self._kind = kind
            self._log.warning(self._event, error=self.cause, **fields)

    def succeeded(self) -> None:
        """Record that it works."""
        if self.cause is not None:
            self._log.info(self._over)
        self._kind, self.cause = "", None
