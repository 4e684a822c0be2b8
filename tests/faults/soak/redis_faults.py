"""Faults of Redis: it is away, empty, behind, or refuses."""

import contextlib
import shutil
import signal
from collections.abc import Callable
from typing import Any, cast

import redis

from services.contract.names import PAUSED_KEY
from tests.faults.soak.faulting import Fault, Kinds
from tests.faults.soak.layout import HOSTS

EMPTIED_S = 60.0
"""N of docs/faults.md for a Redis that has lost its data."""
RESTARTING_S = 5.0
SERVICES_USER = "default"
RIGHTS = ("-@all", "-@write", "-@read", "-@scripting", "-brpop", "-@pubsub", "-@transaction")


class RedisFaults(Kinds):
    """See the module."""

    def redis(self) -> Fault:
        """Redis is killed, frozen or emptied."""
        kinds = (self.restart, self.freeze, self.emptied, self._flush_while_restarting)
        return self.chance.choice(kinds)()

    def restart(self) -> Fault:
        """It is killed, and comes back with its data (R1)."""
        part = self.world.redis
        return self.central("Redis is killed", "redis", part.end, part.start)

    def freeze(self) -> Fault:
        """It is frozen (R5)."""
        part = self.world.redis
        return self.central("Redis is frozen", "redis", part.freeze, part.thaw)

    def emptied(self) -> Fault:
        """It loses all data (R2)."""
        return self.at_once("Redis is emptied", "redis", self._flush)

    def restart_empty(self) -> Fault:
        """It is killed, and comes back without its data (R2)."""
        part = self.world.redis

        def come() -> None:
            shutil.rmtree(part.log.parent / "appendonlydir")
            part.start()
            self.recover(EMPTIED_S)

        return self.central("Redis is killed and loses its data", "redis", part.end, come)

    def failover(self) -> Fault:
        """All that was written since a moment is lost: a replica that lagged takes over (R3)."""
        world = self.world
        lagging: list[tuple[bytes, int, bytes]] = []

        def keep() -> None:
            lagging.extend(world.command(_copy))

        def take_over() -> None:
            world.command(lambda client: _restore(client, lagging))
            self.recover(EMPTIED_S)

        return Fault("a replica of Redis takes over", frozenset({"redis"}), keep, take_over, self.seconds())

    def out_of_memory(self) -> Fault:
        """It has no memory for what is written (R4)."""
        return self._refusing("Redis is out of memory", self._memory)

    def password(self) -> Fault:
        """The services' password is wrong for a time (R6)."""
        return self._refusing("the password of Redis is another one", self._password)

    def no_permission(self) -> Fault:
        """The services may not do something (R7)."""
        return self._refusing("Redis permits something no more", self._rights)

    def misconf(self) -> Fault:
        """It cannot save, and refuses writes (R8)."""
        return self._refusing("Redis cannot save", self._saving)

    def read_only(self) -> Fault:
        """It has become a replica, and refuses writes (R3)."""
        return self._refusing("Redis is read-only", self._replica)

    def cut(self) -> Fault:
        """All connections are cut, again and again (R5)."""
        world, label = self.world, "Redis cuts all connections"

        def begin() -> None:
            world.repeated[label] = lambda: world.command(_cut)

        return self.central(label, "redis", begin, lambda: world.repeated.pop(label))

    def refusing_start(self) -> Fault:
        """It refuses while everything starts (R19)."""
        how = self.chance.choice((self._memory, self._password, self._rights, self._saving, self._replica))
        refuse, allow = how()
        parts = [
            self.world.watcher,
            self.world.updater,
            *(prober.part for prober in self.world.probers.values()),
        ]

        def begin() -> None:
            self.world.command(refuse)
            for part in parts:
                part.end(signal.SIGTERM)
                part.start()

        fault = self.central(
            "Redis refuses while all start", "redis", begin, lambda: self.world.command(allow)
        )
        claims = fault.claims | {"watcher", "updater", *(f"prober {host}" for host in HOSTS)}
        return Fault(fault.label, claims, fault.begin, fault.heal, self.chance.choice((10.0, 20.0)))

    def pause(self) -> Fault:
        """An operator pauses."""

        def begin() -> None:
            with contextlib.suppress(redis.RedisError):
                self.world.client.set(PAUSED_KEY, "{}")

        def heal() -> None:
            with contextlib.suppress(redis.RedisError):
                self.world.client.delete(PAUSED_KEY)

        return self.central("an operator has paused", "redis", begin, heal)

    def _refusing(self, label: str, how: Callable[[], "_Refusing"]) -> Fault:
        refuse, allow = how()
        command = self.world.command
        return self.central(label, "redis", lambda: command(refuse), lambda: command(allow))

    def _memory(self) -> "_Refusing":
        return (
            lambda client: client.config_set("maxmemory", "1"),
            lambda client: client.config_set("maxmemory", "0"),
        )

    def _password(self) -> "_Refusing":
        def rotate(client: redis.Redis) -> None:
            _set_user(client, "resetpass", ">rotated")
            _cut(client)

        return rotate, lambda client: _set_user(client, "nopass")

    def _rights(self) -> "_Refusing":
        right = self.chance.choice(RIGHTS)
        return (lambda client: _set_user(client, right), lambda client: _set_user(client, "+@all"))

    def _saving(self) -> "_Refusing":
        # Where the file of the snapshot would be is a folder.
        obstacle = self.world.redis.log.parent / "dump.rdb"

        def refuse(client: redis.Redis) -> None:
            (obstacle / "full").mkdir(parents=True, exist_ok=True)
            client.config_set("save", "3600 1")
            with contextlib.suppress(redis.ResponseError):
                client.bgsave()

        def allow(client: redis.Redis) -> None:
            client.config_set("save", "")
            shutil.rmtree(obstacle, ignore_errors=True)

        return refuse, allow

    def _replica(self) -> "_Refusing":
        # Of a server that is not there; what it knows it keeps.
        return (lambda client: client.replicaof("127.0.0.1", 1), lambda client: client.replicaof("NO", "ONE"))

    def _flush_while_restarting(self) -> Fault:
        """What this host found is lost, and the others report first: what they see must not decide."""
        host = self.chance.choice(HOSTS)
        part = self.world.probers[host].part

        def begin() -> None:
            part.end(signal.SIGTERM)
            self._flush()

        label = f"Redis is emptied while the prober of {host} restarts"
        return Fault(label, frozenset({"redis", f"prober {host}"}), begin, part.start, RESTARTING_S)

    def _flush(self) -> None:
        with contextlib.suppress(redis.RedisError):
            self.world.client.flushall()
        self.recover(EMPTIED_S)


_Ask = Callable[[redis.Redis], Any]
_Refusing = tuple[_Ask, _Ask]
"""What makes Redis refuse, and what ends that."""


def _set_user(client: redis.Redis, *rules: str) -> None:
    client.execute_command("ACL", "SETUSER", SERVICES_USER, *rules)  # type: ignore[no-untyped-call]


def _cut(client: redis.Redis) -> None:
    client.execute_command("CLIENT", "KILL", "USER", SERVICES_USER)  # type: ignore[no-untyped-call]


def _copy(client: redis.Redis) -> list[tuple[bytes, int, bytes]]:
    """Return each key with its time to live in milliseconds, 0 for none, and its value."""
    found = []
    for key in cast("list[bytes]", client.execute_command("KEYS", "*", NEVER_DECODE=True)):  # type: ignore[no-untyped-call]
        value = client.execute_command("DUMP", key, NEVER_DECODE=True)  # type: ignore[no-untyped-call]
        if value is not None:
            found.append((key, max(0, client.pttl(key)), value))
    return found


def _restore(client: redis.Redis, copy: list[tuple[bytes, int, bytes]]) -> None:
    """Put these keys in the place of all, at once, and cut the connections as a failover does."""
    with client.pipeline() as pipe:
        pipe.flushall()
        for key, left_ms, value in copy:
            pipe.restore(key, left_ms, value)
        pipe.execute()
    _cut(client)
