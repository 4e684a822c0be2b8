"""One way to reach Redis, for all parts: the URL's forms, timeouts, and Redis' own clock.

No two machines' clocks are compared anywhere: what is old is old by Redis' TIME.
"""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

SCHEMES = ("redis", "rediss", "unix")
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 5.0
HEALTH_CHECK_INTERVAL_S = 15


def check_url(url: str) -> str:
    """The URL itself when it is one that we can use; ValueError says what was expected."""
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
        _ = parts.port  # raises ValueError where it is no port
        if parts.path.strip("/") and not parts.path.strip("/").isdecimal():
            raise ValueError("expected a database number: redis://HOST:PORT/DB")
    databases = [value for name, value in parse_qsl(parts.query, keep_blank_values=True) if name == "db"]
    if databases and (parts.scheme != "unix" or not all(value.isdecimal() for value in databases)):
        raise ValueError("expected the database as redis://HOST:PORT/DB or unix:///path/to/socket?db=NUMBER")
    return url


def celery_url(url: str) -> str:
    """The same place as Celery spells it: `redis+socket://` for a unix socket, virtual_host for its db."""
    scheme, colon, rest = check_url(url).partition(":")
    if scheme != "unix":
        return url
    place, mark, query = rest.partition("?")
    options = [("virtual_host" if name == "db" else name, value) for name, value in parse_qsl(query)]
    return f"redis+socket{colon}{place}{mark}{urlencode(options)}"


def hidden(url: str) -> str:
    """The URL for eyes: without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))


def connect(url: str, *, connect_timeout_s: float = CONNECT_TIMEOUT_S, retries: int = 3) -> "redis.Redis":
    """A client that notices a frozen Redis after one timeout; one that is refused is tried again at once.

    Values are text. Whoever reaches Redis can write what is none, which must end no reader: what is not UTF-8
    comes as \\xNN, and whoever parses it refuses it with everything else that does not fit.
    """
    return redis.Redis.from_url(
        check_url(url),
        decode_responses=True,
        encoding_errors="backslashreplace",
        socket_connect_timeout=connect_timeout_s,
        socket_timeout=READ_TIMEOUT_S,
        health_check_interval=HEALTH_CHECK_INTERVAL_S,
        # Not after a timeout: redis-py tries again at each of its levels, and one command on a new connection
        # would wait for minutes for a Redis that is frozen.
        retry=Retry(
            ExponentialBackoff(cap=1.0, base=0.05), retries, supported_errors=(RedisConnectionError,)
        ),
    )


def time_ms(client: "redis.Redis") -> int:
    """Redis' TIME in milliseconds."""
    seconds, microseconds = client.time()
    return seconds * 1000 + microseconds // 1000
