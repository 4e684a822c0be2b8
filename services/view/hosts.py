"""The hosts that are announced in Redis, and how much waits for each."""

from dataclasses import dataclass

import redis

from services.contract.messages import HostAnnouncement
from services.contract.names import HOST_RENEWAL_S, HOST_TTL_S, host_key, probe_queue
from services.runtime import announcements

SCAN_BATCH = 500
STALE_BELOW_MS = (HOST_TTL_S - 2 * HOST_RENEWAL_S) * 1_000
"""An announcement with less time left than this was not renewed twice in a row."""
PRIORITY_STEPS = ("", "\x06\x163", "\x06\x166", "\x06\x169")
"""kombu keeps one Redis list for each step of priority."""


@dataclass(frozen=True)
class HostRow:
    """A host. One that is not announced, and for which requests wait all the same, has no announcement."""

    host: str
    announcement: HostAnnouncement | None
    queued: int
    """Requests in probe.<host> that nobody has taken yet."""
    expires_in_ms: int = 0

    @property
    def condition(self) -> str:
        """live; stale: its announcement was not renewed in time; gone: there is none."""
        if self.announcement is None:
            return "gone"
        return "live" if self.expires_in_ms >= STALE_BELOW_MS else "stale"

    def to_json(self) -> dict[str, object]:
        """The documented shape (docs/cli.md)."""
        told = self.announcement
        return {
            "host": self.host,
            "condition": self.condition,
            "uplinks": dict(sorted(told.uplinks.items())) if told else {},
            "version": told.version if told else None,
            "incarnationMs": told.incarnation if told else None,
            "queued": self.queued,
            "expiresInMs": self.expires_in_ms,
        }


def host_rows(client: redis.Redis) -> list[HostRow]:
    """All hosts by name, and those as well that are gone and left requests behind."""
    told = announcements.read(client).hosts
    with client.pipeline(transaction=False) as pipe:
        for announcement in told:
            pipe.pttl(host_key(announcement.host))
        left_ms = pipe.execute()
    rows = {
        announcement.host: HostRow(
            announcement.host, announcement, _queued(client, announcement.host), max(0, expires_in_ms)
        )
        for announcement, expires_in_ms in zip(told, left_ms, strict=True)
    }
    prefix = probe_queue("")
    for queue in client.scan_iter(match=f"{prefix}*", count=SCAN_BATCH, _type="list"):
        host = queue.removeprefix(prefix).partition("\x06")[0]
        if host not in rows:
            rows[host] = HostRow(host, None, _queued(client, host))
    return [rows[host] for host in sorted(rows)]


def _queued(client: redis.Redis, host: str) -> int:
    with client.pipeline(transaction=False) as pipe:
        for step in PRIORITY_STEPS:
            pipe.llen(f"{probe_queue(host)}{step}")
        return sum(pipe.execute())
