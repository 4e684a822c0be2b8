"""A look at all of nadroute's keys from time to time: some are read once, or only by whoever shows them."""

from collections.abc import Callable, Sequence
from itertools import islice

import redis
import structlog

from services.runtime.process.clock import Clock
from services.runtime.process.repeating import RepeatingThread
from services.runtime.stored.guarded_redis import GuardedRedis

INTERVAL_S = 10.0
LONGEST_S = 120.0
PASSED_PER_S = 100
"""Keys that it passes by a second on average, but it looks every LONGEST_S at least: the keys of thousands of
networks every INTERVAL_S would take as much CPU as all else that an idle updater does."""
SCANNED = 10_000
"""Keys that Redis looks at in one command, which takes it a millisecond."""
CHECKED = 500
"""Keys per check: bounded, so that no command blocks the server for long."""

log = structlog.get_logger(__name__)


class KeyPatrol(RepeatingThread):
    """Sets aside what is of another type, or larger than anything that nadroute puts there."""

    def __init__(
        self,
        client: GuardedRedis,
        *,
        clock: Clock,
        interval_s: float = INTERVAL_S,
        passed: Callable[[Sequence[bytes]], None] = lambda _: None,
    ) -> None:
        """passed: called with the keys of each check; may raise redis.RedisError."""
        super().__init__("key-patrol", self.patrol, clock=clock, interval_s=interval_s)
        self._client = client
        self._passed = passed

    def patrol(self) -> None:
        """Check all keys once. Redis errors are logged for debugging: others tell of them."""
        self._interval_s, passed = INTERVAL_S, 0
        try:
            found = iter(self._client.scan_iter(match="nadroute:*", count=SCANNED, NEVER_DECODE=True))
            while (keys := list(islice(found, CHECKED))) and not self._stopping.is_set():
                passed += len(keys)
                self._interval_s = min(LONGEST_S, max(INTERVAL_S, passed / PASSED_PER_S))
                self._client.check(keys)
                self._passed(keys)
        except redis.RedisError as error:
            log.debug("keys not checked", error=str(error))
