"""Reading the facts from Redis: whatever fails becomes the reason why something is not known.

Nothing is changed in Redis, and no command waits for longer than its timeout. A Redis that stops answering
half-way ends the reading.
"""

import ipaddress
import ssl
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TypeVar, cast
from urllib.parse import urlsplit

import redis

from services.contract.names import (
    OBSERVED_TIME_KEY,
    PAUSED_KEY,
    REPORT_QUEUE,
    SENDING_KEY,
    probe_queue,
)
from services.runtime.connection.redis_address import RedisAddress, redact
from services.runtime.connection.redis_client import connect, time_ms
from services.runtime.connection.refusals import describe
from services.runtime.process.clock import Clock
from services.runtime.stored import dead_letters
from services.view.doctor.facts import Known, QueueFact, RedisClocks, RedisFacts
from services.view.doctor.findings import Unknown
from services.view.doctor.running_parts import read_running
from services.view.hosts import PRIORITY_STEPS, HostRow, host_rows
from services.view.maintenance import read_windows
from services.view.pause_state import describe_pause

T = TypeVar("T")
TIMEOUT_S = 3.0
"""For connecting, and for each answer."""
STANDS_S = 5.0
"""How long the oldest message of a queue is watched."""
LOOK_S = 0.25
LETTERS = 100
_NOBODYS = "nadroute-doctor"
"""A name that no host, network or setting has."""

_NEEDED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("read whether nadroute is paused", ("EXISTS", PAUSED_KEY)),
    ("read hosts", ("GET", f"nadroute:host:{_NOBODYS}")),
    ("look for hosts", ("SCAN", "0", "MATCH", f"{_NOBODYS}*", "COUNT", "1")),
    ("run scripts that read", ("EVAL_RO", "return 1", "0")),
    ("read the length of a host's queue", ("LLEN", probe_queue(_NOBODYS))),
    ("read the length of the queue report", ("LLEN", REPORT_QUEUE)),
)
"""What the commands need, each with a command that shows it and changes nothing."""
_EXCESS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("read Redis' configuration", ("CONFIG", "GET", _NOBODYS)),
    ("see Redis' users", ("ACL", "USERS")),
    # An empty text at the beginning changes nothing, and makes no key.
    ("write what the updater alone writes", ("SETRANGE", f"nadroute:conclusion:{_NOBODYS}", "0", "")),
)
"""The same for what no command needs."""
_WRITE = ("SETRANGE", PAUSED_KEY, "0", "")
"""A write that changes nothing, also of a pause."""
_OLDEST = "return {redis.call('LLEN', KEYS[1]), redis.sha1hex(redis.call('LINDEX', KEYS[1], -1) or '')}"


class _Away(Exception):
    """Redis stopped answering."""


class RedisExamination:
    """Reads a Redis once."""

    def __init__(self, address: RedisAddress, clock: Clock) -> None:
        self._address = address
        self._clock = clock

    def facts(self) -> RedisFacts:
        """Return what could be read; never raises an error of Redis."""
        where = redact(self._address)
        with closing(
            connect(self._address, connect_timeout_s=TIMEOUT_S, read_timeout_s=TIMEOUT_S, retries=0)
        ) as client:
            try:
                return self._read(client, where)
            except (_Away, redis.RedisError, OSError) as error:
                why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
                return RedisFacts(where, is_encrypted=self._address.is_encrypted, trouble=why)

    def _read(self, client: redis.Redis, where: str) -> RedisFacts:
        client.ping()
        credentials = self._address.credentials()
        clocks = _known(lambda: self._clocks(client))
        hosts = _known(lambda: tuple(host_rows(client)))
        if isinstance(clocks, RedisClocks) and not isinstance(hosts, Unknown):
            clocks = _with_stored(client, clocks, hosts)
        names = [] if isinstance(hosts, Unknown) else [row.host for row in hosts]
        return RedisFacts(
            where,
            user=_user_of(credentials.get_credentials() if credentials else ()),
            is_encrypted=self._address.is_encrypted,
            is_local=_is_local(self._address.url),
            server=_known(lambda: _version(client)),
            expires_in_days=_known(lambda: self._expires_in_days(client)),
            refused=tuple(what for what, command in _NEEDED if not _may(client, command)),
            excess=tuple(what for what, command in _EXCESS if _may(client, command)),
            write_error=_write_error(client),
            clocks=clocks,
            paused=_known(lambda: describe_pause(client)),
            windows=_known(lambda: tuple(read_windows(client))),
            sends=_known(lambda: bool(client.exists(SENDING_KEY))),
            counted_ago_s=_known(lambda: _counted_ago_s(client)),
            hosts=hosts,
            running=_known(lambda: read_running(client)),
            queues=_known(lambda: self._queues(client, names)),
            letters=_known(lambda: tuple(dead_letters.parse(dead_letters.read_raw(client, LETTERS)))),
        )

    def _clocks(self, client: redis.Redis) -> RedisClocks:
        now_ms = time_ms(client)
        return RedisClocks(now_ms, round(self._clock.now().timestamp() * 1_000))

    def _expires_in_days(self, client: redis.Redis) -> float:
        if not self._address.is_encrypted:
            raise redis.RedisError("not encrypted")
        pool = client.connection_pool
        connection = pool.get_connection()
        try:
            connection.connect()  # type: ignore[no-untyped-call]
            certificate = cast("ssl.SSLSocket", connection._sock).getpeercert() or {}
        finally:
            pool.release(connection)
        end_s = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
        return (end_s - self._clock.now().timestamp()) / 86_400

    def _queues(self, client: redis.Redis, hosts: list[str]) -> tuple[QueueFact, ...]:
        """Return the queues in which something waits, after a while in which it could have been taken."""
        queues = [
            f"{name}{step}" for name in (REPORT_QUEUE, *map(probe_queue, hosts)) for step in PRIORITY_STEPS
        ]
        first = {queue: found for queue, found in _oldest(client, queues).items() if found[0]}
        standing, began, never = dict(first), self._clock.monotonic(), threading.Event()
        while standing and self._clock.monotonic() - began < STANDS_S:
            self._clock.wait(never, LOOK_S)
            now = _oldest(client, list(standing))
            standing = {queue: found for queue, found in standing.items() if now[queue][1] == found[1]}
        return tuple(
            QueueFact(queue.partition("\x06")[0], length, STANDS_S if queue in standing else 0.0)
            for queue, (length, _) in first.items()
        )


def _known(read: Callable[[], T]) -> Known[T]:
    """Return what was read, or why not; raise _Away where Redis does not answer."""
    try:
        return read()
    except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
        if isinstance(error, redis.exceptions.AuthorizationError):
            return Unknown(describe(error))
        raise _Away(f"stopped answering: {describe(error)}") from None
    except redis.RedisError as error:
        return Unknown(describe(error))


def _may(client: redis.Redis, command: tuple[str, ...]) -> bool:
    """Return whether Redis lets this user send a command; other refusals are none of the user's rights."""
    try:
        client.execute_command(*command)  # type: ignore[no-untyped-call]
    except redis.exceptions.NoPermissionError:
        return False
    except redis.ResponseError as error:
        return "unknown command" not in str(error).lower()
    return True


def _write_error(client: redis.Redis) -> str | None:
    try:
        client.execute_command(*_WRITE)  # type: ignore[no-untyped-call]
    except redis.ResponseError as error:
        # A pause key of another type is one of the wrong type, which is written nevertheless.
        return None if "WRONGTYPE" in str(error) else describe(error)
    return None


def _user_of(credentials: tuple[str, ...]) -> str:
    return credentials[0] if len(credentials) == 2 else ("default" if credentials else "")


def _is_local(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme == "unix" or parts.hostname == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    return False


def _version(client: redis.Redis) -> str:
    answer = client.execute_command("HELLO")  # type: ignore[no-untyped-call]
    pairs = answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=False))
    role = str(pairs.get("role", "master"))
    return f"{pairs.get('version', 'unknown')}" + ("" if role == "master" else f", a {role}")


def _counted_ago_s(client: redis.Redis) -> float | None:
    at = client.hget(OBSERVED_TIME_KEY, "at_ms")
    if at is None or not str(at).isdecimal():
        return None
    return max(0.0, (time_ms(client) - int(str(at))) / 1_000)


def read_counted_ago_s(address: RedisAddress) -> Known[float | None]:
    """Return how long ago an updater counted time, in seconds; None if none ever has."""
    with closing(
        connect(address, connect_timeout_s=TIMEOUT_S, read_timeout_s=TIMEOUT_S, retries=0)
    ) as client:
        try:
            return _known(lambda: _counted_ago_s(client))
        except _Away as error:
            return Unknown(str(error))


def _with_stored(client: redis.Redis, clocks: RedisClocks, hosts: tuple[HostRow, ...]) -> RedisClocks:
    """Add the latest of Redis' times that probers and the updater have written."""
    times = [row.announcement.incarnation for row in hosts if row.announcement]
    with suppress(redis.ResponseError):
        at = client.hget(OBSERVED_TIME_KEY, "at_ms")
        times += [int(str(at))] if at is not None and str(at).isdecimal() and len(str(at)) <= 16 else []
    return RedisClocks(clocks.now_ms, clocks.local_ms, max(times, default=0))


def _oldest(client: redis.Redis, queues: list[str]) -> dict[str, tuple[int, str]]:
    """Return the length of each queue, and a digest of its oldest message."""
    found = {}
    for queue in queues:
        try:
            length, digest = cast("tuple[int, str]", client.eval_ro(_OLDEST, 1, queue))
        except redis.ResponseError as error:
            if isinstance(error, redis.exceptions.NoPermissionError):
                raise
            # Of another type: its worker sets it aside.
            length, digest = 0, ""
        found[queue] = (length, digest)
    return found
