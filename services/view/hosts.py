"""The hosts announced in Redis, and the length of each host's queue."""

from dataclasses import dataclass, replace

import redis

from services.contract.host_claims import HostClaim
from services.contract.member_nics import MemberNIC
from services.contract.messages import HostAnnouncement
from services.contract.names import HOST_RENEWAL_S, HOST_TTL_S, host_key, probe_queue
from services.runtime.stored import announcements
from services.view.durations import describe_age

SCAN_BATCH = 500
STALE_BELOW_MS = (HOST_TTL_S - 2 * HOST_RENEWAL_S) * 1_000
"""An announcement with less time to live has missed two renewals in a row."""
PRIORITY_STEPS = ("", "\x06\x163", "\x06\x166", "\x06\x169")
"""Suffixes of the Redis lists that kombu keeps, one for each priority."""


@dataclass(frozen=True)
class HostRow:
    """A host; announcement is None if it is gone while requests still wait for it."""

    host: str
    announcement: HostAnnouncement | None
    queued: int
    """Requests that wait on probe.<host>."""
    expires_in_ms: int = 0
    holder: HostClaim | None = None
    """The prober that holds this host's name; None if that is unknown."""
    waiting: HostClaim | None = None
    """Another prober, which waits for this host's name."""

    @property
    def members(self) -> tuple[MemberNIC, ...]:
        """The NICs behind its uplinks."""
        return self.announcement.members if self.announcement else ()

    @property
    def condition(self) -> str:
        """Return live, stale (two renewals of the announcement were missed) or gone (no announcement)."""
        if self.announcement is None:
            return "gone"
        return "live" if self.expires_in_ms >= STALE_BELOW_MS else "stale"


def host_rows(client: redis.Redis) -> list[HostRow]:
    """Return all announced hosts and all hosts with waiting requests, by name."""
    announced = announcements.read(client).hosts
    with client.pipeline(transaction=False) as pipe:
        for announcement in announced:
            pipe.pttl(host_key(announcement.host))
        left_ms = pipe.execute()
    rows = {
        announcement.host: HostRow(
            announcement.host, announcement, _queued(client, announcement.host), max(0, expires_in_ms)
        )
        for announcement, expires_in_ms in zip(announced, left_ms, strict=True)
    }
    prefix = probe_queue("")
    for queue in client.scan_iter(match=f"{prefix}*", count=SCAN_BATCH, _type="list"):
        host = queue.removeprefix(prefix).partition("\x06")[0]
        if host not in rows:
            rows[host] = HostRow(host, None, _queued(client, host))
    holders = announcements.read_holders(client, rows.keys())
    waiting = announcements.read_waiting(client, rows.keys())
    return [replace(rows[host], holder=holders.get(host), waiting=waiting.get(host)) for host in sorted(rows)]


def describe_conflict(waiting: HostClaim, holder: HostClaim | None, now_ms: int) -> str:
    """Describe in one sentence that another prober waits for a host's name.

    holder: the one that has the name, if that is known. now_ms: Redis' time.
    """
    age = describe_age((now_ms - waiting.since_ms) / 1_000)
    at_work = f"{holder}, the one at work," if holder else "the one at work"
    return (
        f"{waiting.host}: another prober waits for this name, {waiting}, for {age}; it starts when {at_work} "
        f"ends, or {HOST_TTL_S} s after a crash of that one. If both are to work, give each a host name of "
        "its own"
    )


def _queued(client: redis.Redis, host: str) -> int:
    with client.pipeline(transaction=False) as pipe:
        for step in PRIORITY_STEPS:
            pipe.llen(f"{probe_queue(host)}{step}")
        # A queue of another type has no length: the worker sets it aside.
        return sum(length for length in pipe.execute(raise_on_error=False) if isinstance(length, int))
