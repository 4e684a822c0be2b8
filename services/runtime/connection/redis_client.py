"""The connection to Redis: timeouts, and Redis' clock.

Ages are measured by Redis' TIME. The clocks of two machines are never compared.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from services.runtime.connection.redis_address import RedisAddress
from services.runtime.connection.verified_tls import VerifiedConnection

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 5.0
HEALTH_CHECK_INTERVAL_S = 15
_DELETE_EQUAL = """
for at, key in ipairs(KEYS) do
  if redis.pcall('GET', key) == ARGV[at] then
    redis.call('DEL', key)
  end
end
"""


def connect(
    address: str | RedisAddress,
    *,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    read_timeout_s: float = READ_TIMEOUT_S,
    retries: int = 3,
    client_type: type["redis.Redis"] = redis.Redis,
) -> "redis.Redis":
    """Return a client that reports a frozen Redis after one timeout, and retries refused connections.

    Values are text. Anyone with access to Redis can write bytes that are not UTF-8, which must not fail a
    reader: they are escaped as \\xNN, for the parser of the value to refuse.
    """
    address = RedisAddress.of(address)
    return client_type.from_url(
        address.bare_url,
        credential_provider=address.credentials(),
        **address.tls_options(),
        **({"connection_class": VerifiedConnection} if address.is_encrypted else {}),
        decode_responses=True,
        encoding_errors="backslashreplace",
        socket_connect_timeout=connect_timeout_s,
        socket_timeout=read_timeout_s,
        health_check_interval=HEALTH_CHECK_INTERVAL_S,
        # No retry after a timeout: redis-py retries at each of its levels, so one command on a new connection
        # to a frozen Redis would take minutes.
        retry=Retry(
            ExponentialBackoff(cap=1.0, base=0.05), retries, supported_errors=(RedisConnectionError,)
        ),
    )


def time_ms(client: "redis.Redis") -> int:
    """Return Redis' TIME in milliseconds."""
    return milliseconds(client.time())


def milliseconds(time: tuple[int, int]) -> int:
    """Return the reply of TIME in milliseconds."""
    seconds, microseconds = time
    return seconds * 1000 + microseconds // 1000


def format_time(redis_ms: int) -> str:
    """Return a point of Redis' time as ISO 8601 in UTC; the number where no calendar has it."""
    try:
        return f"{datetime.fromtimestamp(redis_ms / 1_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, OSError, ValueError):
        return str(redis_ms)


def delete_if_equal(client: "redis.Redis", key: str, value: str) -> None:
    """Delete the key if it has this value. Another writer's value is kept."""
    delete_all_equal(client, [(key, value)])


def delete_all_equal(client: "redis.Redis", pairs: Sequence[tuple[str, str]]) -> None:
    """Delete each of these keys if it has the value beside it. Another writer's value is kept."""
    client.eval(_DELETE_EQUAL, len(pairs), *(key for key, _ in pairs), *(value for _, value in pairs))
