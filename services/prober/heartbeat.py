"""The announcement of this host in Redis: renewed while the process lives, and gone soon after."""

import redis
import structlog

from services.contract.messages import HostAnnouncement
from services.contract.names import HOST_RENEWAL_S, HOST_TTL_S, host_key
from services.prober.outstanding import DELETE_IF_EQUAL
from services.prober.uplinks import Uplinks
from services.runtime.clock import Clock
from services.runtime.repeating import RepeatingThread

log = structlog.get_logger(__name__)

LOOK_S = 2.0
"""Between two looks for uplinks that have come or gone: Harvester makes a bond after its pod has started."""


class Heartbeat(RepeatingThread):
    """Says that this host is there, and what it carries.

    Celery says "ready" again after a reconnect, so it may be started more than once.
    """

    def __init__(
        self,
        *,
        client: redis.Redis,
        announcement: HostAnnouncement,
        uplinks: Uplinks,
        clock: Clock,
    ) -> None:
        """announcement: what is said at first; its uplinks follow what is seen."""
        super().__init__("prober-heartbeat", self._beat, clock=clock, interval_s=min(LOOK_S, HOST_RENEWAL_S))
        self._client = client
        self._key = host_key(announcement.host)
        self._announcement = announcement
        self._uplinks = uplinks
        self._due_at = clock.monotonic()

    def stop(self) -> None:
        """Take the announcement back, unless a successor on this host has put its own there."""
        super().stop()
        try:
            self._client.eval(DELETE_IF_EQUAL, 1, self._key, self._text())
        except redis.RedisError as error:
            log.warning("announcement stays until it expires", error=str(error))

    def _text(self) -> str:
        return self._announcement.model_dump_json()

    def _beat(self) -> None:
        changed = self._look()
        now = self._clock.monotonic()
        if changed or now >= self._due_at:
            self._due_at = now + HOST_RENEWAL_S
            self._announce()

    def _look(self) -> bool:
        try:
            self._uplinks.look()
        except OSError as error:
            log.warning("uplinks not looked at", error=str(error))
            return False
        # Somebody else may have looked in between: what counts is what was announced.
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
