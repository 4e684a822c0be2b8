"""What follows from the facts about Redis itself, and the services that work through it."""

from collections.abc import Iterator

from services.runtime.connection.redis_client import format_time
from services.view.doctor.facts import RedisFacts
from services.view.doctor.findings import Finding, Unknown, cannot_tell, failed, ok, warning
from services.view.durations import describe_age

NO_REDIS = "Redis could not be read"
CLOCK_S = 5.0
"""A difference of clocks that is worth a word; nothing depends on it."""
BACK_MS = 5_000
"""How far stored times may be ahead of Redis' own, as after a small step of its clock."""
EXPIRES_SOON_DAYS = 14
UPDATER_S = 15.0
"""An updater counts time every second or two."""
LETTERS_S = 3_600.0


def redis_findings(facts: RedisFacts) -> Iterator[Finding]:
    """Yield the findings about Redis, in the order in which they are shown."""
    if facts.trouble is not None:
        yield failed(
            "Redis",
            f"{facts.where}: {facts.trouble}",
            _how_to_reach(facts.trouble, is_encrypted=facts.is_encrypted),
        )
        for check in (
            "Redis: user",
            "Redis: TLS",
            "Redis: clock",
            "pause",
            "watcher",
            "updater",
            "queues",
            "refused messages",
        ):
            yield cannot_tell(check, NO_REDIS)
        return
    yield _server(facts)
    yield _user(facts)
    yield _encryption(facts)
    yield _clock(facts)
    yield from _services(facts)
    yield _queues(facts)
    yield _letters(facts)


def _how_to_reach(trouble: str, *, is_encrypted: bool) -> str:
    if "username-password" in trouble or "uthentication" in trouble:
        return (
            "sign in as the user `cli` of `nadroute redis acl`: NADROUTE_REDIS_USERNAME and "
            "NADROUTE_REDIS_PASSWORD_FILE; after a rotation, have Redis load the present users.acl"
        )
    if "TLS to Redis" in trouble:
        return (
            "name the CA that signed it with NADROUTE_REDIS_CA_FILE, or mend Redis' certificate "
            "(docs/security.md)"
        )
    plain = "" if is_encrypted else "; if it speaks TLS, use rediss://"
    return (
        "see that it runs and is reached from here, or name another with --redis-url or NADROUTE_REDIS_URL"
        f"{plain}"
    )


def _server(facts: RedisFacts) -> Finding:
    version = f", version {facts.server}" if isinstance(facts.server, str) else ""
    if facts.write_error is not None:
        return failed(
            "Redis",
            f"{facts.where} answers{version}, and takes no writes: {facts.write_error}",
            "make it writable: memory (maxmemory), disk (MISCONF), or a replica in place of the primary",
        )
    return ok("Redis", f"{facts.where} answers and takes writes{version}")


def _user(facts: RedisFacts) -> Finding:
    who = f"signed in as {facts.user}" if facts.user else "signed in without user and password"
    if facts.refused:
        return failed(
            "Redis: user",
            f"{who}, who may not {', '.join(facts.refused)}",
            "sign in as the user `cli` of `nadroute redis acl`, and have Redis load the present users.acl",
        )
    if facts.excess:
        whoever = "whoever has this password" if facts.user else "whoever reaches it"
        return warning(
            "Redis: user",
            f"{who}, who may also {', '.join(facts.excess)}: {whoever} can do anything",
            "make Redis' users with `nadroute redis acl FOLDER`, one for each part (docs/security.md)",
        )
    return ok("Redis: user", f"{who}, who may do what the commands need, and not configure Redis")


def _encryption(facts: RedisFacts) -> Finding:
    if facts.is_encrypted:
        days = facts.expires_in_days
        if isinstance(days, Unknown):
            return ok("Redis: TLS", "the certificate of Redis is verified")
        if days < EXPIRES_SOON_DAYS:
            return warning(
                "Redis: TLS",
                f"the certificate of Redis is verified, and expires in {describe_age(days * 86_400)}",
                "renew it: no service connects once it has expired",
            )
        return ok("Redis: TLS", f"the certificate of Redis is verified, and valid for {days:.0f} days")
    if facts.is_local:
        return ok("Redis: TLS", "not needed: Redis is on this machine")
    return warning(
        "Redis: TLS",
        "passwords and messages cross the network in the clear",
        "give Redis a certificate, and use rediss:// with NADROUTE_REDIS_CA_FILE (docs/security.md)",
    )


def _clock(facts: RedisFacts) -> Finding:
    clocks = facts.clocks
    if isinstance(clocks, Unknown):
        return cannot_tell("Redis: clock", clocks.why)
    back_ms = clocks.latest_ms - clocks.now_ms
    if back_ms > BACK_MS:
        return failed(
            "Redis: clock",
            f"it was set back: times in Redis are {describe_age(back_ms / 1_000)} ahead of its clock",
            "have the machine of Redis synchronise its clock (NTP) and leave it so; hosts report again by "
            "themselves",
        )
    ahead_s = (clocks.now_ms - clocks.local_ms) / 1_000
    if abs(ahead_s) > CLOCK_S:
        return warning(
            "Redis: clock",
            f"{describe_age(abs(ahead_s))} {'ahead of' if ahead_s > 0 else 'behind'} this machine's; "
            "nothing depends on it, but logs are hard to compare",
            "synchronise both clocks (NTP)",
        )
    return ok("Redis: clock", f"{format_time(clocks.now_ms)}, as this machine's")


def _services(facts: RedisFacts) -> Iterator[Finding]:
    if isinstance(facts.paused, Unknown):
        yield cannot_tell("pause", facts.paused.why)
    elif facts.paused is not None:
        yield warning("pause", facts.paused, "end it with `nadroute resume` when the work is done")
    elif isinstance(facts.windows, tuple) and facts.windows:
        more = f"; {len(facts.windows) - 1} more" if len(facts.windows) > 1 else ""
        yield warning(
            "pause",
            f"{facts.windows[0].describe()}{more}",
            "it ends by itself, or by `nadroute resume` with --host or --cluster-network",
        )
    else:
        yield ok("pause", "nothing is paused")
    if isinstance(facts.sends, Unknown):
        yield cannot_tell("watcher", facts.sends.why)
    elif facts.sends:
        yield ok("watcher", "one leads, and sends what is due")
    elif isinstance(facts.paused, str):
        yield cannot_tell("watcher", "nothing is sent while nadroute is paused")
    else:
        yield failed(
            "watcher",
            "none sends what is due",
            "see whether a watcher runs and leads; its /readyz and its log say why it does not send",
        )
    yield _updater(facts)


def _updater(facts: RedisFacts) -> Finding:
    ago_s = facts.counted_ago_s
    if isinstance(ago_s, Unknown):
        return cannot_tell("updater", ago_s.why)
    if ago_s is not None and ago_s < UPDATER_S:
        return ok("updater", "one leads, and judges what is reported")
    if isinstance(facts.paused, str):
        return cannot_tell("updater", "nothing is judged while nadroute is paused")
    since = "none has ever run on this Redis" if ago_s is None else f"none for {describe_age(ago_s)}"
    return failed(
        "updater", since, "see whether an updater runs and leads; its /readyz and its log say why not"
    )


def _queues(facts: RedisFacts) -> Finding:
    queues = facts.queues
    if isinstance(queues, Unknown):
        return cannot_tell("queues", queues.why)
    standing = [queue for queue in queues if queue.stands_for_s > 0]
    if standing:
        named = ", ".join(f"{queue.name} ({queue.length})" for queue in standing[:3])
        more = f" and {len(standing) - 3} more" if len(standing) > 3 else ""
        return warning(
            "queues",
            f"nothing was taken within {standing[0].stands_for_s:.0f} s from: {named}{more}",
            "see that its worker runs: a prober takes probe.HOST, the updater that leads takes report",
        )
    waiting = sum(queue.length for queue in queues)
    return ok("queues", f"{waiting} messages wait, and are taken" if waiting else "empty")


def _letters(facts: RedisFacts) -> Finding:
    letters, clocks = facts.letters, facts.clocks
    if isinstance(letters, Unknown):
        return cannot_tell("refused messages", letters.why)
    if isinstance(clocks, Unknown):
        return cannot_tell("refused messages", clocks.why)
    recent = [letter for letter in letters if clocks.now_ms - letter.at_ms < LETTERS_S * 1_000]
    if recent:
        return warning(
            "refused messages",
            f"{len(recent)} within the last hour; the newest in {recent[0].where}: {recent[0].reason[:120]}",
            "`nadroute dead-letters` shows them: another version, or something else that writes to Redis",
        )
    return ok("refused messages", "none within the last hour")
