"""The announcement of this host in Redis: renewed while the process lives, and gone soon after."""

import threading

import redis
import structlog

from services.contract.clock import Clock
from services.contract.messages import HostAnnouncement
from services.contract.names import HOST_RENEWAL_S, HOST_TTL_S, host_key
from services.prober.outstanding import DELETE_IF_EQUAL
from services.prober.uplinks import Uplinks

log = structlog.get_logger(__name__)

LOOK_S = 2.0
"""Between two looks for uplinks that have come or gone: Harvester makes a bond after its pod has started."""
_STOP_TIMEOUT_S = 5.0


class Heartbeat:
    """A thread that says that this host is there, and what it carries."""

    def __init__(
        self,
        *,
        client: redis.Redis,
        announcement: HostAnnouncement,
        uplinks: Uplinks,
        clock: Clock,
    ) -> None:
        """announcement: what is said at first; its uplinks follow what is seen."""
        self._client = client
        self._key = host_key(announcement.host)
        self._announcement = announcement
        self._uplinks = uplinks
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prober-heartbeat", daemon=True)

    def start(self) -> None:
        """Announce, from now on; harmless the second time: Celery says "ready" again after a reconnect."""
        if not self._thread.is_alive() and not self._stopping.is_set():
            self._thread.start()

    def stop(self) -> None:
        """Take the announcement back, unless a successor on this host has put its own there."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_TIMEOUT_S)
        try:
            self._client.eval(DELETE_IF_EQUAL, 1, self._key, self._text())
        except redis.RedisError as error:
            log.warning("announcement stays until it expires", error=str(error))

    def _text(self) -> str:
        return self._announcement.model_dump_json()

    def _run(self) -> None:
        due = self._clock.monotonic()
        while True:
            changed = self._look()
            now = self._clock.monotonic()
            if changed or now >= due:
                due = now + HOST_RENEWAL_S
                self._announce()
            if self._clock.wait(self._stopping, min(LOOK_S, HOST_RENEWAL_S)):
                return

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
