"""Announcing hosts as their probers do: an announcement expires soon, and is renewed."""

import contextlib
import threading
from collections.abc import Callable, Iterator

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.contract.messages import HostAnnouncement
from services.contract.names import HOST_TTL_S, host_key

RENEWAL_S = 3.0
_FAILURES = 5
"""Errors in a row after which Redis has ended with its test."""
_RENEW = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('EXPIRE', KEYS[1], ARGV[2]) or 0"


def announce(client: redis.Redis, said: HostAnnouncement) -> None:
    """Announce a host for as long as its announcement is neither deleted nor replaced."""
    key, text = host_key(said.host), said.model_dump_json()
    client.set(key, text, ex=HOST_TTL_S)
    own = _without_retries(client)

    def renew() -> None:
        never, failures, is_ours = threading.Event(), 0, True
        while is_ours and failures < _FAILURES:
            never.wait(RENEWAL_S)
            try:
                is_ours = bool(own.eval(_RENEW, 1, key, text, HOST_TTL_S))
                failures = 0
            except (redis.RedisError, OSError, ValueError):
                failures += 1
        own.connection_pool.disconnect()

    _start(renew, said)


@contextlib.contextmanager
def announced(client: redis.Redis, said: HostAnnouncement) -> Iterator[None]:
    """Announce a host throughout the block, also to a Redis that lost the announcement or is another one."""
    own, over = _without_retries(client), threading.Event()
    key, text = host_key(said.host), said.model_dump_json()

    def say() -> None:
        with contextlib.suppress(redis.RedisError, OSError):
            own.set(key, text, ex=HOST_TTL_S)

    def beat() -> None:
        while not over.wait(RENEWAL_S):
            say()
        own.connection_pool.disconnect()

    say()
    thread = _start(beat, said)
    try:
        yield
    finally:
        over.set()
        thread.join(HOST_TTL_S)


def _without_retries(client: redis.Redis) -> redis.Redis:
    """Return one of the same server: random pauses would disturb the tests that run after it has ended."""
    pool = client.connection_pool
    settings = {**pool.connection_kwargs, "retry": Retry(NoBackoff(), 0)}
    return redis.Redis(
        connection_pool=redis.ConnectionPool(connection_class=pool.connection_class, **settings)
    )


def _start(run: Callable[[], None], said: HostAnnouncement) -> threading.Thread:
    thread = threading.Thread(target=run, name=f"announcing {said.host}", daemon=True)
    thread.start()
    return thread
