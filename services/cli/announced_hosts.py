"""The hosts that are announced in Redis, and how much waits for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import redis

from services.contract.errors import MessageRefused
from services.contract.messages import HostAnnouncement
from services.contract.names import HOST_KEY_PREFIX, HOST_RENEWAL_S, HOST_TTL_S, probe_queue

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


def announced(client: redis.Redis) -> list[HostAnnouncement]:
    """Those that are announced now, by name."""
    return [row.announcement for row in host_rows(client, with_gone=False) if row.announcement is not None]


def host_rows(client: redis.Redis, *, with_gone: bool = True) -> list[HostRow]:
    """All hosts by name; with_gone: those as well that left requests behind."""
    rows: dict[str, HostRow] = {}
    keys = sorted(
        cast("Sequence[str]", list(client.scan_iter(match=f"{HOST_KEY_PREFIX}*", count=SCAN_BATCH)))
    )
    for key in keys:
        with client.pipeline(transaction=False) as pipe:
            # MGET takes a key of another type for none, where GET would fail.
            pipe.mget([key])
            pipe.pttl(key)
            (text,), expires_in_ms = pipe.execute()
        try:
            told = HostAnnouncement.from_wire(text) if text is not None else None
        except MessageRefused:
            # Of another version, or not an announcement at all: nothing may be sent there.
            told = None
        if told is not None and key == f"{HOST_KEY_PREFIX}{told.host}":
            rows[told.host] = HostRow(told.host, told, _queued(client, told.host), max(0, expires_in_ms))
    if with_gone:
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
