"""The announcement of this host in Redis: renewed while the process runs, and expires soon after."""

import redis
import structlog

from services.contract.messages import HostAnnouncement
from services.contract.names import HOST_RENEWAL_S, HOST_TTL_S, host_key
from services.prober.uplinks import Uplinks
from services.runtime.clock import Clock
from services.runtime.redis_client import delete_if_equal
from services.runtime.repeating import RepeatingThread

log = structlog.get_logger(__name__)

POLL_S = 2.0
"""Interval at which uplinks are polled: Harvester may create a bond after its pod has started."""


class Heartbeat(RepeatingThread):
    """Announces this host and its uplinks.

    start() may be called again: Celery signals "ready" after each reconnect.
    """

    def __init__(
        self,
        *,
        client: redis.Redis,
        announcement: HostAnnouncement,
        uplinks: Uplinks,
        clock: Clock,
    ) -> None:
        """announcement: the first one; its uplinks are updated as they change."""
        super().__init__("prober-heartbeat", self._beat, clock=clock, interval_s=min(POLL_S, HOST_RENEWAL_S))
        self._client = client
        self._key = host_key(announcement.host)
        self._announcement = announcement
        self._uplinks = uplinks
        self._due_at = clock.monotonic()

    def stop(self) -> None:
        """Stop, and delete the announcement, unless a successor on this host has written its own."""
        super().stop()
        try:
            delete_if_equal(self._client, self._key, self._text())
        except redis.RedisError as error:
            log.warning("announcement not deleted; it expires", error=str(error))

    def _text(self) -> str:
        return self._announcement.model_dump_json()

    def _beat(self) -> None:
        changed = self._poll_uplinks()
        now = self._clock.monotonic()
        if changed or now >= self._due_at:
            self._due_at = now + HOST_RENEWAL_S
            self._announce()

    def _poll_uplinks(self) -> bool:
        try:
            self._uplinks.refresh()
        except OSError as error:
            log.warning("uplinks not polled", error=str(error))
            return False
        # Compare with the announcement: another thread may have refreshed the uplinks in between.
        uplinks = dict(self._uplinks.current())
        if uplinks == self._announcement.uplinks:
            return False
        log.info("uplinks changed", uplinks=uplinks, before=self._announcement.uplinks)
        self._announcement = self._announcement.model_copy(update={"uplinks": uplinks})
        return True

    def _announce(self) -> None:
        try:
            self._client.set(self._key, self._text(), ex=HOST_TTL_S)
        except redis.RedisError as error:
            log.warning("announcement not renewed", error=str(error))
