"""Whether Redis answers: asked again and again on a connection of its own, so that no page waits for it."""

import redis
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.runtime.clock import Clock
from services.runtime.redis_client import check_url
from services.runtime.repeating import Repeating

INTERVAL_S = 2.0
TIMEOUT_S = 2.0
SILENCE_S = 6.0
"""Without an answer for so long Redis counts as away: also a frozen one, that takes connections."""

log = structlog.get_logger(__name__)


class RedisCheck(Repeating):
    """A thread that asks, and what it was told. Safe to share by threads."""

    def __init__(self, url: str, *, clock: Clock, registry: CollectorRegistry) -> None:
        super().__init__("redis-check", self.ask, clock=clock, interval_s=INTERVAL_S)
        self._client = redis.Redis.from_url(
            check_url(url),
            socket_connect_timeout=TIMEOUT_S,
            socket_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._up = Gauge("nadroute_redis_up", "1 while Redis answers.", registry=registry)
        self._failures = Counter(
            "nadroute_redis_failures", "Checks of Redis that failed.", ["kind"], registry=registry
        )
        self._answered_at: float | None = None
        self._up_since: float | None = None
        self._error = "not asked yet"
        self._told_kind = ""

    @property
    def up_since(self) -> float | None:
        """Since when Redis has answered every time (monotonic seconds); None while it does not."""
        return self._up_since if self.why_not() is None else None

    def why_not(self) -> str | None:
        """Why Redis counts as away; None while it answers."""
        answered_at = self._answered_at
        if answered_at is not None and self._clock.monotonic() - answered_at < SILENCE_S:
            return None
        return f"Redis does not answer: {self._error}"

    def stop(self) -> None:
        """Ask no more, and close the connection."""
        super().stop()
        self._client.close()

    def ask(self) -> None:
        """Ask once. Never raises for what Redis does."""
        try:
            self._client.ping()
        except redis.RedisError as error:
            kind = type(error).__name__
            if kind != self._told_kind:
                # Once for each kind: that a password was changed must not hide behind an outage.
                log.warning("Redis does not answer", kind=kind, error=str(error))
                self._told_kind = kind
            self._error, self._up_since = f"{kind}: {error}", None
            self._failures.labels(kind).inc()
            self._up.set(0)
            return
        now = self._clock.monotonic()
        if self._up_since is None:
            self._up_since = now
            self._told_kind = ""
            log.info("Redis answers")
        self._answered_at = now
        self._up.set(1)
