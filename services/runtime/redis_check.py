"""The Redis health check: a thread pings over a connection of its own, so that no page waits for Redis."""

import redis
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.runtime.clock import Clock
from services.runtime.redis_address import RedisAddress
from services.runtime.redis_client import connect
from services.runtime.repeating import RepeatingThread

INTERVAL_S = 2.0
TIMEOUT_S = 2.0
SILENCE_S = 6.0
"""Redis counts as down after this time without an answer; covers a frozen Redis that accepts connections."""

log = structlog.get_logger(__name__)


class RedisCheck(RepeatingThread):
    """Pings Redis and keeps the outcome. Thread-safe."""

    def __init__(self, address: str | RedisAddress, *, clock: Clock, registry: CollectorRegistry) -> None:
        super().__init__("redis-check", self.check, clock=clock, interval_s=INTERVAL_S)
        # No retry: each failed attempt is counted, and the next check comes soon.
        self._client = connect(address, connect_timeout_s=TIMEOUT_S, read_timeout_s=TIMEOUT_S, retries=0)
        self._up = Gauge("nadroute_redis_up", "1 while Redis answers.", registry=registry)
        self._failures = Counter(
            "nadroute_redis_failures",
            "Failed checks of Redis, by kind of error.",
            ["kind"],
            registry=registry,
        )
        self._answered_at: float | None = None
        self._up_since: float | None = None
        self._error = "not checked yet"
        self._logged_kind = ""

    @property
    def up_since(self) -> float | None:
        """Monotonic time in seconds since which every check succeeded; None while Redis is down."""
        return self._up_since if self.problem() is None else None

    def problem(self) -> str | None:
        """Return why Redis counts as down; None while it is up."""
        answered_at = self._answered_at
        if answered_at is not None and self._clock.monotonic() - answered_at < SILENCE_S:
            return None
        return f"Redis does not answer: {self._error}"

    def stop(self) -> None:
        """Stop checking and close the connection."""
        super().stop()
        self._client.close()

    def check(self) -> None:
        """Ping once. Redis errors are recorded, not raised."""
        try:
            self._client.ping()
        except redis.RedisError as error:
            kind = type(error).__name__
            if kind != self._logged_kind:
                # Log each kind of error once: an outage must not hide a changed password.
                log.warning("Redis does not answer", kind=kind, error=str(error))
                self._logged_kind = kind
            self._error, self._up_since = f"{kind}: {error}", None
            self._failures.labels(kind).inc()
            self._up.set(0)
            return
        now = self._clock.monotonic()
        if self._up_since is None:
            self._up_since = now
            self._logged_kind = ""
            log.info("Redis answers")
        self._answered_at = now
        self._up.set(1)
