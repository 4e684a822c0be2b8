"""Setting aside a key of Redis that is of another type than ours, or has what cannot be: by renaming it.

Nothing of it is lost to whoever looks for the cause, and the service makes the key anew.
"""

from typing import cast

import redis
from prometheus_client import CollectorRegistry, Counter

from services.contract.names import QUARANTINE_KEPT, QUARANTINE_KEY_PREFIX, QUARANTINE_TTL_S
from services.runtime import dead_letters

# KEYS: the key, a counter. ARGV: prefix, number kept, TTL in seconds. Returns the new name; "" for no key.
_SET_ASIDE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return '' end
local number = redis.pcall('INCR', KEYS[2])
if type(number) ~= 'number' then
  redis.call('SET', KEYS[2], 0)
  number = 0
end
local name = ARGV[1] .. string.format('%d', number % ARGV[2])
redis.call('RENAME', KEYS[1], name)
redis.call('EXPIRE', name, ARGV[3])
return name
"""


class Quarantine:
    """Renames keys to the last QUARANTINE_KEPT places, which expire. Thread-safe."""

    def __init__(self, client: redis.Redis, *, registry: CollectorRegistry) -> None:
        self._client = client
        self._keys = Counter(
            "nadroute_keys_set_aside",
            "Keys of Redis that were renamed because they were of another type, or had what cannot be.",
            registry=registry,
        )

    def set_aside(self, key: str, reason: str) -> None:
        """Rename the key, count it, and record it as a dead letter. Raises redis.RedisError."""
        arguments = (f"{QUARANTINE_KEY_PREFIX}:", QUARANTINE_KEPT, QUARANTINE_TTL_S)
        name = cast("str", self._client.eval(_SET_ASIDE, 2, key, QUARANTINE_KEY_PREFIX, *arguments))
        if name:
            self._keys.inc()
            dead_letters.record(
                self._client, where=key, reason=f"set aside: {reason}", body=f"renamed to {name}"
            )
