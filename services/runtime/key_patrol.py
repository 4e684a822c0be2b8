"""A look at all of nadroute's keys from time to time: some are read once, or only by whoever shows them."""

from collections.abc import Callable, Sequence
from itertools import islice

import redis
import structlog

from services.runtime.clock import Clock
from services.runtime.guarded_redis import GuardedRedis
from services.runtime.repeating import RepeatingThread

INTERVAL_S = 10.0
SCANNED = 10_000
"""Keys that Redis looks at in one command, which takes it a millisecond."""
LONGEST_S = 60.0
PAUSE_PER_LOOK = 1_000
"""Times the length of a look from it to the next one, up to LONGEST_S. Looks at the keys of thousands of
networks would take a sixth of the CPU of an idle updater."""
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
        self._clock = clock
        self._next_at = float("-inf")

    def patrol(self) -> None:
        """Check all keys once, unless that was lately. Redis errors are logged for debugging: others tell of
        them.
        """
        began = self._clock.monotonic()
        if began < self._next_at:
            return
        try:
            found = iter(self._client.scan_iter(match="nadroute:*", count=SCANNED, NEVER_DECODE=True))
            while (keys := list(islice(found, CHECKED))) and not self._stopping.is_set():
                self._client.check(keys)
                self._passed(keys)
        except redis.RedisError as error:
            log.debug("keys not checked", error=str(error))
        took_s = self._clock.monotonic() - began
        self._next_at = began + min(LONGEST_S, PAUSE_PER_LOOK * took_s)
