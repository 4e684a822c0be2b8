"""Announcing hosts as their probers do: an announcement expires soon, and is renewed."""

import threading

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
    # Without retries, whose random pauses would disturb the tests that run after this one's Redis has ended.
    pool = client.connection_pool
    settings = {**pool.connection_kwargs, "retry": Retry(NoBackoff(), 0)}
    pool_of_own = redis.ConnectionPool(connection_class=pool.connection_class, **settings)
    own = redis.Redis(connection_pool=pool_of_own)

    def renew() -> None:
        never, failures, is_ours = threading.Event(), 0, True
        while is_ours and failures < _FAILURES:
            never.wait(RENEWAL_S)
            try:
                is_ours = bool(own.eval(_RENEW, 1, key, text, HOST_TTL_S))
                failures = 0
            except (redis.RedisError, OSError, ValueError):
                failures += 1
        pool_of_own.disconnect()

    threading.Thread(target=renew, name=f"announcing {said.host}", daemon=True).start()
