"""The users of Redis, each with the keys, channels and commands of its part of nadroute, and no others.

The one place that states them: `nadroute redis acl` writes Redis' ACL file from here. The names of the
queues' keys and channels are kombu's and Celery's. docs/security.md says what this bounds, and what not.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.contract.names import (
    BY_HAND_KEY,
    CHECK_KEY,
    DEAD_LETTERS_KEY,
    LEASE_CONFLICT_KEY_PREFIX,
    MAINTENANCE_KEY_PREFIX,
    OBSERVED_TIME_KEY,
    PAUSED_KEY,
    QUARANTINE_KEY_PREFIX,
    REPORT_QUEUE,
    SENDING_KEY,
    host_key,
    host_lock_key,
    host_waiting_key,
    probe_queue,
    running_key,
    worker_name,
)

_SIGN_IN = "+auth +hello +ping +select +quit +reset +client|setinfo +client|setname"
_BASE = f"{_SIGN_IN} +multi +exec +discard +watch +unwatch +publish"
_SCRIPTS = "+eval +eval_ro +evalsha +script|load +script|exists +time"
_SUBSCRIBE = "+subscribe +unsubscribe +psubscribe +punsubscribe"
_SET_ASIDE = "+type +ttl +strlen +scard +getrange +memory|usage +incr +rename +unlink"
"""What setting aside a key takes beside what else a prober needs: Redis checks what a script calls, too."""
_PROBER = (
    f"{_BASE} {_SCRIPTS} +get +set +setex +del +exists +expire +pexpire +pttl +brpop +lpush +rpush +llen "
    "+ltrim +hget +hset +hdel +hmget +zadd +zrem +zrange +zrangebyscore +zrevrangebyscore +sadd +srem "
    f"+smembers {_SET_ASIDE}"
)
_FLOWER = (
    f"{_BASE} {_SCRIPTS} {_SUBSCRIBE} +set +brpop +llen +lpush +del +exists +expire +pexpire +pttl +sadd "
    "+srem +smembers +zadd +zrem +zrangebyscore"
)
_SERVICE = f"{_BASE} {_SCRIPTS} +@read +@write -@dangerous -function"
"""@dangerous has KEYS, FLUSHALL, CONFIG, MONITOR, SHUTDOWN, SWAPDB, RESTORE and MIGRATE, among others."""

_STEP = "[^-.0-9A-Za-z][^-.0-9A-Za-z][0-9]"
"""What kombu appends to the name of a queue for a priority; no host's name has such characters."""
_REPLIES = "reply.celery.pidbox"
_RESULTS = "celery-task-meta-*"


@dataclass(frozen=True)
class RedisUser:
    """A user without password. rules: as ACL SETUSER takes them."""

    name: str
    rules: str

    @property
    def is_open(self) -> bool:
        """Whether the user needs no password."""
        return "nopass" in self.rules.split()

    def line(self, passwords: Iterable[str]) -> str:
        """Return the user's line of an ACL file, in which passwords are SHA-256 digests."""
        digests = " ".join(f"#{hashlib.sha256(password.encode()).hexdigest()}" for password in passwords)
        return f"user {self.name} reset on {digests} {self.rules}"


def prober_name(host: str) -> str:
    """Return the name of the user of one host's prober."""
    return f"prober-{host}"


def redis_users(hosts: Sequence[str] = (), *, database: int = 0) -> tuple[RedisUser, ...]:
    """Return the users: of each of these hosts' probers, or one `prober` for all of them without a host.

    database: its number is part of the channels' names.
    """
    events, commands = f"&/{database}.celeryev/*", f"&/{database}.celery.pidbox"
    # They take the broadcasts that Flower sends, and may not send any.
    working = f"~{_RESULTS} {events} &{_RESULTS} ({_SUBSCRIBE} {commands}) (+lpush %W~*.{_REPLIES})"
    # It may add a report, and not take or delete those of others.
    sending = f"(+lpush %W~{REPORT_QUEUE}) (+llen %R~{REPORT_QUEUE} %R~{REPORT_QUEUE}{_STEP})"
    report = f"~{REPORT_QUEUE} ~{REPORT_QUEUE}{_STEP}"
    pidbox = f"~{worker_name('updater', '*')}.celery.pidbox*"
    all_queues = f"{_queue('*')} ~_kombu.binding*"
    updater = (
        f"{_SERVICE} {_SUBSCRIBE} ~nadroute:* {all_queues} {report} ~unacked*:updater {pidbox} {working}"
    )
    # What scripts take, which need both rights; the pause; and what was probed by hand.
    scripts = (
        f"~{PAUSED_KEY} ~{MAINTENANCE_KEY_PREFIX}* ~{DEAD_LETTERS_KEY} ~{OBSERVED_TIME_KEY} ~{SENDING_KEY} "
        f"~{BY_HAND_KEY}"
    )
    reports = f"%R~{REPORT_QUEUE} %R~{REPORT_QUEUE}{_STEP}"
    # A rotation needs ACL LOAD. It reads the file of users again, which no client can write.
    commands_of_cli = f"{_SERVICE} +acl|load {_SUBSCRIBE}"
    cli = f"{commands_of_cli} %R~nadroute:* {scripts} {reports} {all_queues} ~{_RESULTS} &{_RESULTS}"
    listening = f"~_kombu.binding* ~celeryev.* ~*.{_REPLIES}* {events} {commands}"
    running = f"~{running_key('flower', '*')}"
    flower = f"{_FLOWER} {running} %R~probe.* %R~{REPORT_QUEUE}* {listening}"
    probers = {prober_name(host): host for host in hosts} or {"prober": "*"}
    return (
        RedisUser("watcher", f"{_SERVICE} ~nadroute:* {all_queues}"),
        RedisUser("updater", updater),
        *(
            RedisUser(name, f"{_PROBER} {_prober_keys(host)} {working} {sending}")
            for name, host in probers.items()
        ),
        RedisUser("flower", flower),
        RedisUser("cli", cli),
        # Checks whether Redis answers, without a secret.
        RedisUser("health", "nopass -@all +ping"),
    )


def _queue(host: str) -> str:
    """Return the keys of a queue; a host of * has those of all."""
    queue = probe_queue(host)
    return f"~{queue}" if host == "*" else f"~{queue} ~{queue}{_STEP}"


def _prober_keys(host: str) -> str:
    own = [host_key(host), host_lock_key(host), host_waiting_key(host), f"nadroute:outstanding:{host}:*"]
    own += [f"unacked{kind}:{host}" for kind in ("", "_index", "_mutex")]
    commands = f"{worker_name('prober', host)}.celery.pidbox"
    own += [commands, f"{commands}{_STEP}", "_kombu.binding_deadlines"]
    # Not the bindings of other hosts' queues, by which their requests could be sent elsewhere.
    for queue in (probe_queue(host), REPORT_QUEUE, "celeryev", "celery.pidbox", _REPLIES):
        own += [f"_kombu.binding{kind}.{queue}" for kind in ("", "_permanent")]
    # A conflict on a segment is every host's business: it only keeps them from leasing there for a while.
    shared = [CHECK_KEY, DEAD_LETTERS_KEY, f"{QUARANTINE_KEY_PREFIX}*", f"{LEASE_CONFLICT_KEY_PREFIX}*"]
    keys = " ".join(f"~{key}" for key in [*own, *shared])
    return f"{_queue(host)} {keys} %R~{PAUSED_KEY} %R~{MAINTENANCE_KEY_PREFIX}*"


def acl_file(users: Iterable[RedisUser], passwords: "dict[str, list[str]]") -> str:
    """Return the ACL file. passwords: of each user by name, several while one is being replaced.

    The user `default`, as which a client without a name signs in, is off.
    """
    lines = ["user default reset off"]
    lines += [" ".join(user.line(passwords.get(user.name, [])).split()) for user in users]
    return "\n".join(lines) + "\n"
