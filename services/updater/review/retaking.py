"""Taking a report in spite of a Redis that is away or refuses: it has left the queue, and its host sends no
other until it has something new to say.
"""

import threading
from collections.abc import Callable

import redis
import structlog

from services.contract.messages import Segment
from services.contract.reports import Report
from services.runtime.connection.outages import Outage
from services.runtime.connection.refusals import kind_of
from services.runtime.process.clock import Clock

AGAIN_S = 1.0
HOPELESS = frozenset({"WRONGTYPE", "ResponseError"})
"""What is wrong with one report or one key: waiting does not help, and would hold up all others."""

log = structlog.get_logger(__name__)


class Retaking:
    """Tries again until the report is taken. A worker has few at a time, and takes no more meanwhile."""

    def __init__(self, take: Callable[[Report], tuple[Segment, ...]], *, clock: Clock) -> None:
        """take: see Reports.take."""
        self._take = take
        self._clock = clock
        self._ended = threading.Event()
        self._outage = Outage(log, "reports not stored yet", over="reports are stored again")

    def problem(self) -> str | None:
        """Return why a report is not stored yet; None while each is."""
        return self._outage.problem()

    def stop(self) -> None:
        """Try no more."""
        self._ended.set()

    def take(self, report: Report) -> tuple[Segment, ...]:
        """Take the report; raise redis.RedisError where that is hopeless, and after stop()."""
        while True:
            try:
                unknown = self._take(report)
            except redis.RedisError as error:
                if kind_of(error) in HOPELESS or self._ended.is_set():
                    raise
                self._outage.failed(error, host=report.host, verdicts=report.count)
                self._clock.wait(self._ended, AGAIN_S)
            else:
                self._outage.succeeded()
                return unknown
