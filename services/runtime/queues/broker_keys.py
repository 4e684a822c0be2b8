"""The keys that kombu keeps beside a worker's queue, each of one type: another type stops it, or goes unseen.

Whoever reaches Redis can write to them. kombu ends the worker at most of them; at a lock of another type, it
never again restores what a killed worker has not acknowledged; at a binding that it cannot read, it sends no
event any more.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import redis
from kombu.transport.virtual.exchange import TopicExchange

SetAside = Callable[[str, str], None]
"""Takes a key and what is wrong with it, and puts it where nobody reads it. May raise redis.RedisError."""
Record = Callable[[str, str, bytes], None]
"""Takes the key of a set, what is wrong with a member of it, and the member."""
BINDINGS_READ = 1_000
"""More than a site has: one for each queue and for each page of Flower's that is open."""


class BrokerKeys:
    """Checks the keys of one worker, in its main thread."""

    def __init__(
        self,
        expected: Mapping[str, str],
        *,
        separator: str,
        longest_lock_s: int,
        set_aside: SetAside,
        record: Record,
    ) -> None:
        """expected: the type of each key, as Redis names it: a string is a lock, a set has bindings.

        separator: between the three fields of a binding: routing key, pattern, queue.
        """
        self._expected = dict(expected)
        self._locks = [key for key, kind in expected.items() if kind == "string"]
        self._separator = separator
        self._longest_lock_s = longest_lock_s
        self._set_aside = set_aside
        self._record = record
        self._topic = TopicExchange(None)

    def check(self, client: "redis.Redis") -> None:
        """Set aside each key of another type and each lock that is held too long; remove junk from bindings.

        client: one that does not decode. Raises redis.RedisError.
        """
        with client.pipeline(transaction=False) as pipe:
            for key in self._expected:
                pipe.type(key)
            for lock in self._locks:
                pipe.ttl(lock)
            answers = pipe.execute()
        found = {key: kind.decode() for key, kind in zip(self._expected, answers, strict=False)}
        for key, kind in found.items():
            expected = self._expected[key]
            if kind not in (expected, "none"):
                self._set_aside(key, f"expected a {expected}, got a {kind}")
            elif kind == "set":
                self._check_bindings(client, key)
        for lock, ttl_s in zip(self._locks, answers[len(found) :], strict=True):
            if found[lock] == "string" and (ttl_s == -1 or ttl_s > self._longest_lock_s):
                self._set_aside(lock, f"expected a lock of at most {self._longest_lock_s} s")

    def _check_bindings(self, client: "redis.Redis", key: str) -> None:
        count = client.scard(key)
        if count > BINDINGS_READ:
            self._set_aside(key, f"expected at most {BINDINGS_READ} bindings, got {count}")
            return
        junk = [member for member in cast("set[bytes]", client.smembers(key)) if not self._is_binding(member)]
        if junk:
            client.srem(key, *junk)
        for member in junk:
            self._record(key, "expected routing key, pattern and queue", member)

    def _is_binding(self, member: bytes) -> bool:
        """Whether kombu has written it: it takes the pattern for a regular expression."""
        try:
            fields: Sequence[str] = member.decode().split(self._separator)
        except UnicodeDecodeError:
            return False
        return len(fields) == 3 and fields[1] in ("", self._topic.key_to_pattern(fields[0]))
