"""A client of Redis that meets no key of ours that is of another type, or larger than anything we put there.

Before each command it has Redis look at the command's keys, in the same round trip, and set aside what is
wrong. So the command finds nothing there, as after an expiry, and all other keys of its batch are unaffected.
"""

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, cast

import redis
import structlog
from prometheus_client import CollectorRegistry
from redis.client import Pipeline

from services.contract.wire import MAX_QUOTED_CHARACTERS
from services.runtime.connection.redis_address import RedisAddress
from services.runtime.connection.redis_client import connect
from services.runtime.stored.key_kinds import Kind, kind_of
from services.runtime.stored.quarantine import Quarantine, check_arguments

_ANY_TYPE = frozenset({"DEL", "UNLINK", "EXISTS", "EXPIRE", "PEXPIRE", "PTTL", "TTL", "TYPE", "SCAN"})
"""Commands that a key of any type and size does not hinder. SET is not among them: nobody would be told."""
_SCRIPTS = frozenset({"EVAL", "EVAL_RO", "EVALSHA"})
_EXHAUSTED = "exhausted the last possible ID"
"""Of a stream that takes no more entries: somebody has added one with the highest ID."""

_DELETE_FIELD = """
return redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] and redis.call('HDEL', KEYS[1], ARGV[1]) or 0
"""

log = structlog.get_logger(__name__)

Command = tuple[Sequence[Any], Any]


class GuardedRedis(redis.Redis):
    """A client with a quarantine. Make it with connect_guarded()."""

    def guard(self, quarantine: Quarantine, left_alone: Collection[str]) -> None:
        """Set aside what is wrong, except keys that begin with one of left_alone: others own them."""
        self._quarantine = quarantine
        self._left_alone = tuple(left_alone)
        self._taken: set[str] = set()
        self._taken_lock = threading.Lock()

    def took(self, key: str) -> bool:
        """Return whether this client has set this key aside since the last call."""
        with self._taken_lock:
            taken = key in self._taken
            self._taken.discard(key)
        return taken

    def set_aside(self, key: str, reason: str) -> bool:
        """Set aside a key that has what cannot be; return whether it was. May raise redis.RedisError."""
        return not key.startswith(self._left_alone) and self._quarantine.set_aside(key, reason)

    def check(self, keys: "Iterable[str | bytes]") -> list[str]:
        """Set aside those of these keys that are of another type or too large, and return them.

        May raise redis.RedisError.
        """
        kinds = dict(self.kinds(("CHECK", *keys)))
        if not kinds:
            return []
        arguments = check_arguments(kinds, whole=True)
        answer = super().execute_command("EVAL", *arguments)  # type: ignore[no-untyped-call]
        return self.take_all(list(kinds), answer)

    def take_all(self, keys: "Sequence[str | bytes]", wrong: object) -> list[str]:
        """Record what a check of these keys has answered; return the keys that it has set aside."""
        # An error, as of a Redis that refuses: what comes next fails likewise, and says why.
        found = wrong if isinstance(wrong, list) else []
        answers = zip(found[::3], found[1::3], found[2::3], strict=True)
        taken = [(_text(keys[int(at) - 1]), str(reason), was) for at, reason, was in answers]
        for each in taken:
            self.take(*each)
        return [key for key, _, _ in taken]

    def take(self, key: str, reason: str, was: "str | bytes") -> None:
        """Record what a check has set aside."""
        with self._taken_lock:
            self._taken.add(key)
        self._quarantine.record(key, reason, was)

    def kinds(self, command: Sequence[Any]) -> "Iterator[tuple[str | bytes, Kind]]":
        """Yield the keys of ours that this command may not find of another type, with their kinds."""
        name = str(command[0])
        if name in _ANY_TYPE:
            return
        for key in command[3 : 3 + int(command[2])] if name in _SCRIPTS else command[1:]:
            if isinstance(key, (str, bytes)):
                text = _text(key)
                kind = kind_of(text)
                if kind is not None and not text.startswith(self._left_alone):
                    yield key, kind

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Execute a command; see redis.Redis."""
        if next(self.kinds(args), None) is None:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        with self.pipeline(transaction=False) as pipe:
            pipe.execute_command(*args, **options)  # type: ignore[no-untyped-call]
            return pipe.execute()[0]

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:
        """Return a pipeline whose keys are checked as it is executed."""
        return _GuardedPipeline(self, transaction, shard_hint)


class _GuardedPipeline(Pipeline):
    """A pipeline that begins with a check of its keys."""

    def __init__(self, client: GuardedRedis, transaction: bool, shard_hint: Any) -> None:
        super().__init__(client.connection_pool, client.response_callbacks, transaction, shard_hint)
        self._guarded = client

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Execute all commands; see redis.client.Pipeline."""
        stack = cast("list[Command]", self.command_stack)
        cut: dict[str | bytes, Kind] = {}
        whole: dict[str | bytes, Kind] = {}
        for command, _ in stack:
            (cut if command[0] in _SCRIPTS else whole).update(self._guarded.kinds(command))
        checked = [kinds for kinds in (cut, whole) if kinds]
        checks: list[Command] = [
            (("EVAL", *check_arguments(kinds, whole=kinds is whole)), {}) for kinds in checked
        ]
        self.command_stack = [*checks, *stack]
        answers = super().execute(raise_on_error=False)
        found, answers = answers[: len(checks)], answers[len(checks) :]
        for kinds, wrong in zip(checked, found, strict=True):
            self._guarded.take_all(list(kinds), wrong)
        for (command, _), answer in zip(stack, answers, strict=True):
            if command[0] == "XADD" and _EXHAUSTED in str(answer):
                self._guarded.set_aside(_text(command[1]), str(answer))
        if raise_on_error:
            self.raise_first_error(stack, answers)  # type: ignore[no-untyped-call]
        return answers


def connect_guarded(
    address: str | RedisAddress, *, registry: CollectorRegistry, left_alone: Collection[str] = ()
) -> GuardedRedis:
    """Return a client as connect() does that sets aside what is wrong; see GuardedRedis.guard."""
    client = cast("GuardedRedis", connect(address, client_type=GuardedRedis))
    plain = redis.Redis(connection_pool=client.connection_pool)
    client.guard(Quarantine(plain, registry=registry), left_alone)
    return client


def set_aside(client: redis.Redis, key: str, reason: str) -> bool:
    """Set aside a key that has what cannot be; return whether it was. May raise redis.RedisError.

    A client without a quarantine, as that of a command, leaves it: then an error is logged.
    """
    if isinstance(client, GuardedRedis):
        return client.set_aside(key, reason)
    log.error("wrong key in Redis ignored", key=key, reason=reason)
    return False


def took(client: redis.Redis, key: str) -> bool:
    """Return whether this client has set this key aside since the last call."""
    return isinstance(client, GuardedRedis) and client.took(key)


def set_field_aside(client: redis.Redis, key: str, field: str, reason: str, text: str) -> None:
    """Delete the field of a hash that has what cannot be, unless it has changed, and record it.

    May raise redis.RedisError. A client without a quarantine leaves it: then an error is logged.
    """
    named = f"{field[:MAX_QUOTED_CHARACTERS]}: {reason}"
    if not isinstance(client, GuardedRedis):
        log.error("wrong field in Redis ignored", key=key, reason=named)
    elif client.eval(_DELETE_FIELD, 1, key, field, text):
        client.take(key, named, text)


def record_wrong(client: redis.Redis, key: str, reason: str, was: str) -> None:
    """Record that what could not be was found in a key, and was replaced."""
    if isinstance(client, GuardedRedis):
        client.take(key, reason, was)


def _text(key: "str | bytes") -> str:
    return key if isinstance(key, str) else key.decode(errors="backslashreplace")
