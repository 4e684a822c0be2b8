"""Announcing hosts as their probers do: an announcement expires soon, and is renewed."""

import threading

import redis

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

    def renew() -> None:
        never, failures = threading.Event(), 0
        while failures < _FAILURES:
            never.wait(RENEWAL_S)
            try:
                if not client.eval(_RENEW, 1, key, text, HOST_TTL_S):
                    return
                failures = 0
            except (redis.RedisError, OSError, ValueError):
                failures += 1

    threading.Thread(target=renew, name=f"announcing {said.host}", daemon=True).start()
