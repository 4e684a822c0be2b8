"""The announcement of this host in Redis: renewed while the process runs, and expires soon after."""

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address

import redis
import structlog

from services.contract.messages import MAX_DEFAULT_GATEWAYS, HostAnnouncement
from services.contract.names import HOST_RENEWAL_S, host_key
from services.prober.host_lock import HostLock
from services.prober.sockets.routes import read_default_gateways
from services.prober.uplinks import Uplinks
from services.runtime.clock import Clock
from services.runtime.redis_client import delete_if_equal
from services.runtime.repeating import RepeatingThread

log = structlog.get_logger(__name__)

POLL_S = 2.0
"""Interval at which uplinks and default routes are polled: Harvester may create a bond after its pod has
started."""


class Heartbeat(RepeatingThread):
    """Announces this host, its uplinks and its default gateways.

    start() may be called again: Celery signals "ready" after each reconnect.
    """

    def __init__(
        self,
        *,
        client: redis.Redis,
        lock: HostLock,
        announcement: HostAnnouncement,
        uplinks: Uplinks,
        clock: Clock,
        default_gateways: Callable[[], Sequence[IPv4Address]] = read_default_gateways,
    ) -> None:
        """lock: nothing is announced without it. announcement: the first one; uplinks, default gateways and
        incarnation are updated as they change.
        """
        super().__init__("prober-heartbeat", self._beat, clock=clock, interval_s=min(POLL_S, HOST_RENEWAL_S))
        self._client = client
        self._lock = lock
        self._key = host_key(announcement.host)
        self._announcement = announcement
        self._uplinks = uplinks
        self._default_gateways = default_gateways
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
        changed = self._poll_network() | self._is_new_incarnation()
        now = self._clock.monotonic()
        if changed or now >= self._due_at:
            self._due_at = now + HOST_RENEWAL_S
            self._announce()

    def _poll_network(self) -> bool:
        """Poll the uplinks and the default routes; return whether they changed."""
        before = self._announcement
        try:
            self._uplinks.refresh()
        except OSError as error:
            log.warning("uplinks not polled", error=str(error))
        try:
            gateways = tuple(self._default_gateways()[:MAX_DEFAULT_GATEWAYS])
        except OSError as error:
            log.warning("default routes not polled", error=str(error))
            gateways = before.default_gateways
        # Compare with the announcement: another thread may have refreshed the uplinks in between.
        uplinks = dict(self._uplinks.current())
        if (uplinks, gateways) == (before.uplinks, before.default_gateways):
            return False
        if uplinks != before.uplinks:
            log.info("uplinks changed", uplinks=uplinks, before=before.uplinks)
        self._announcement = before.model_copy(update={"uplinks": uplinks, "default_gateways": gateways})
        return True

    def _is_new_incarnation(self) -> bool:
        if self._lock.incarnation == self._announcement.incarnation:
            return False
        update = {"incarnation": self._lock.incarnation}
        self._announcement = self._announcement.model_copy(update=update)
        return True

    def _announce(self) -> None:
        try:
            self._lock.set_if_held(self._key, self._text())
        except redis.RedisError as error:
            log.warning("announcement not renewed", error=str(error))
