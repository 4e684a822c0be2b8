"""Whether an operator has paused all of nadroute: a key in Redis, that the command line sets."""

import threading

import redis
import structlog

from services.contract.names import PAUSED_KEY
from services.runtime.clock import Clock

CACHED_S = 1.0

log = structlog.get_logger(__name__)


class PauseSwitch:
    """Looked at in Redis at most once a second. Safe to share by threads."""

    def __init__(self, client: redis.Redis, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._paused = False
        self._read_at: float | None = None

    def is_paused(self) -> bool:
        """Whether nothing may be written now; raises redis.RedisError."""
        with self._lock:
            now = self._clock.monotonic()
            if self._read_at is None or now - self._read_at >= CACHED_S:
                paused = bool(self._client.exists(PAUSED_KEY))
                if paused != self._paused:
                    log.info("all is paused" if paused else "all goes on")
                self._paused = paused
                self._read_at = now
            return self._paused
