"""The Redis health check: a thread asks over a connection of its own, so that no page waits for Redis.

An answer to PING is not enough: a Redis that is read-only, full, or cannot save refuses every write. So the
check writes: the version of the part that runs it, which `nadroute doctor` compares.
"""

import contextlib
import socket

import redis
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from services.contract.names import CHECK_KEY, RUNNING_TTL_S, running_key
from services.runtime.connection.redis_address import RedisAddress
from services.runtime.connection.redis_client import connect
from services.runtime.connection.refusals import describe, is_refusal, kind_of
from services.runtime.process.clock import Clock
from services.runtime.process.repeating import RepeatingThread
from services.version import __version__

INTERVAL_S = 2.0
TIMEOUT_S = 2.0
SILENCE_S = 6.0
"""Redis counts as down after this time without an answer; covers a frozen Redis that accepts connections."""

log = structlog.get_logger(__name__)


class RedisCheck(RepeatingThread):
    """Asks Redis for an answer and for a write, and keeps the outcome. Thread-safe."""

    def __init__(
        self,
        address: str | RedisAddress,
        *,
        clock: Clock,
        registry: CollectorRegistry,
        writes: bool = True,
        part: str | None = None,
    ) -> None:
        """writes: whether Redis also has to take a write. part: as what it says its version; None for a
        prober, whose announcement has it.
        """
        self._writes = writes
        self._key = None if part is None else running_key(part, socket.gethostname())
        super().__init__("redis-check", self.check, clock=clock, interval_s=INTERVAL_S)
        # No retry: each failed attempt is counted, and the next check comes soon.
        self._client = connect(address, connect_timeout_s=TIMEOUT_S, read_timeout_s=TIMEOUT_S, retries=0)
        self._up = Gauge("nadroute_redis_up", "1 while Redis answers and takes writes.", registry=registry)
        self._failures = Counter(
            "nadroute_redis_failures",
            "Failed checks of Redis, and refusals that a worker met, by kind of error.",
            ["kind"],
            registry=registry,
        )
        self._answered_at: float | None = None
        self._up_since: float | None = None
        self._error = "not checked yet"
        self._refusal: redis.RedisError | None = None
        self._logged_kind = ""

    @property
    def refusal(self) -> redis.RedisError | None:
        """What Redis answered instead of taking a write; None while it takes them, or does not answer."""
        return self._refusal

    @property
    def up_since(self) -> float | None:
        """Monotonic time in seconds since which every check succeeded; None while Redis is down."""
        return self._up_since if self.problem() is None else None

    def problem(self) -> str | None:
        """Return why Redis counts as down; None while it is up."""
        refusal = self._refusal
        if refusal is not None:
            return f"Redis refuses: {describe(refusal)}"
        answered_at = self._answered_at
        if answered_at is not None and self._clock.monotonic() - answered_at < SILENCE_S:
            return None
        return f"Redis does not answer: {self._error}"

    def stop(self) -> None:
        """Stop checking and close the connection."""
        super().stop()
        self._client.close()

    def count(self, kind: str) -> None:
        """Count a failure of this kind; see refusals.kind_of."""
        self._failures.labels(kind).inc()

    def check(self) -> None:
        """Ask once. Redis errors are recorded, not raised."""
        try:
            self._client.ping()
            if self._writes:
                self._write()
            elif self._key is not None:
                # What it is for does not depend on it; an older users.acl does not allow it.
                with contextlib.suppress(redis.ResponseError):
                    self._write()
        except redis.RedisError as error:
            self._failed(error)
            return
        now = self._clock.monotonic()
        self._refusal = None
        if self._up_since is None:
            self._up_since = now
            self._logged_kind = ""
            log.info("Redis answers")
        self._answered_at = now
        self._up.set(1)

    def _write(self) -> None:
        if self._key is not None:
            self._client.set(self._key, __version__, ex=RUNNING_TTL_S)
        else:
            # Refused like any write, but changes nothing: there is no such key.
            self._client.set(CHECK_KEY, "", xx=True)

    def _failed(self, error: redis.RedisError) -> None:
        kind = kind_of(error)
        refuses = is_refusal(error)
        if kind != self._logged_kind:
            # Log each kind of error once: an outage must not hide a changed password.
            log.warning("Redis refuses" if refuses else "Redis does not answer", kind=kind, error=str(error))
            self._logged_kind = kind
        self._error, self._up_since = describe(error), None
        self._refusal = error if refuses else None
        self.count(kind)
        self._up.set(0)
