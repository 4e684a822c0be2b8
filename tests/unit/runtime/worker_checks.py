"""The check of a worker, before a Redis that a test plays."""

from typing import cast

import redis
from celery import Celery

from services.runtime.connection.redis_check import RedisCheck
from services.runtime.queues.worker import WorkerCheck
from tests.support.manual_clock import ManualClock


class FakeRedisCheck:
    """What a RedisCheck found, as the test sets it."""

    def __init__(self, *, up_since: float | None) -> None:
        self.up_since = up_since
        self.refusal: redis.RedisError | None = None
        self.counted: list[str] = []

    def count(self, kind: str) -> None:
        self.counted.append(kind)


def worker_check(
    app: Celery, clock: ManualClock, found: FakeRedisCheck, *, random: float = 1.0
) -> WorkerCheck:
    """Return a check with this chance."""
    return WorkerCheck(app, clock=clock, redis=cast("RedisCheck", found), random=lambda: random)
