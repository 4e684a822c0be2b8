"""The connection to Redis: URL forms, timeouts, and Redis' clock.

Ages are measured by Redis' TIME. The clocks of two machines are never compared.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

SCHEMES = ("redis", "rediss", "unix")
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


def check_url(url: str) -> str:
    """Return the URL; raises ValueError when it is not a supported Redis URL."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ValueError(
            "expected redis://HOST:PORT/DB, rediss://HOST:PORT/DB or unix:///path/to/socket?db=DB"
        )
    if parts.scheme == "unix" and not parts.path.startswith("/"):
        raise ValueError("expected an absolute path: unix:///path/to/socket")
    if parts.scheme != "unix" and not parts.hostname:
        raise ValueError("expected a host: redis://HOST:PORT/DB")
    if parts.scheme != "unix":
        _ = parts.port  # raises ValueError for an invalid port
        if parts.path.strip("/") and not parts.path.strip("/").isdecimal():
            raise ValueError("expected a database number: redis://HOST:PORT/DB")
    databases = [value for name, value in parse_qsl(parts.query, keep_blank_values=True) if name == "db"]
    if databases and (parts.scheme != "unix" or not all(value.isdecimal() for value in databases)):
        raise ValueError("expected the database as redis://HOST:PORT/DB or unix:///path/to/socket?db=NUMBER")
    return url


def celery_url(url: str) -> str:
    """Return Celery's form of the URL: `redis+socket://` for a unix socket, virtual_host for its database."""
    scheme, colon, rest = check_url(url).partition(":")
    if scheme != "unix":
        return url
    place, mark, query = rest.partition("?")
    options = [("virtual_host" if name == "db" else name, value) for name, value in parse_qsl(query)]
    return f"redis+socket{colon}{place}{mark}{urlencode(options)}"


def redact(url: str) -> str:
    """Return the URL with its password replaced, for logs and display."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))


def connect(
    url: str,
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
    return client_type.from_url(
        check_url(url),
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
