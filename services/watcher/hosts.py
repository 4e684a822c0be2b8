"""What the watcher reads in Redis once a second: which hosts are announced, and whether all is paused."""

import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import redis
import structlog

from services.contract.messages import HostAnnouncement
from services.contract.names import PAUSED_KEY, WATCHED_KEY
from services.runtime import announcements, dead_letters
from services.runtime.announcements import RefusedEntry
from services.runtime.clock import Clock
from services.runtime.repeating import RepeatingThread

REMEMBERED_JUNK = announcements.MAX_REFUSED
"""With less room, more junk than that would be recorded again at every look."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Look:
    """What one look at Redis shows."""

    hosts: tuple[HostAnnouncement, ...]
    """All that are announced."""
    paused: bool = False
    """Whether an operator has paused all probing."""
    lost: bool = False
    """Whether Redis has lost, since the look before, what was in it: queues, marks of what is on its way."""


class HostReader:
    """Reads all announcements; what is refused of them is recorded once and otherwise ignored."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._junk: OrderedDict[str, str] = OrderedDict()
        self._mark: str | None = None

    def look(self) -> Look:
        """All of it; raises redis.RedisError: that hosts cannot be seen does not say that there are none."""
        lost = self._has_lost()
        return Look(self.read(), bool(self._client.exists(PAUSED_KEY)), lost)

    def read(self) -> tuple[HostAnnouncement, ...]:
        """The announced hosts, by name; raises redis.RedisError."""
        found = announcements.read(self._client)
        for entry in found.refused:
            self._record_once(entry)
        return found.hosts

    def _has_lost(self) -> bool:
        before, mark = self._mark, cast("str | None", self._client.get(WATCHED_KEY))
        if mark is None:
            mark = uuid.uuid4().hex
            try:
                self._client.set(WATCHED_KEY, mark, nx=True)
                mark = cast("str | None", self._client.get(WATCHED_KEY))
            except redis.ResponseError:
                # Its memory is full; what can be read is true all the same.
                mark = None
        self._mark = mark
        return before is not None and mark != before

    def _record_once(self, entry: RefusedEntry) -> None:
        if self._junk.get(entry.key) == entry.body:
            return
        self._junk[entry.key] = entry.body
        if len(self._junk) > REMEMBERED_JUNK:
            self._junk.popitem(last=False)
        dead_letters.record(self._client, where=entry.key, reason=entry.reason, body=entry.body)


class HostPoll(RepeatingThread):
    """Looks every interval_s seconds and passes on what it sees; nothing once it is stopped.

    While Redis cannot be read nothing is passed on: that hosts cannot be seen does not say that they went.
    """

    def __init__(
        self,
        reader: HostReader,
        listener: Callable[[Look], None],
        *,
        clock: Clock,
        interval_s: float,
    ) -> None:
        super().__init__("host-poll", self._look, clock=clock, interval_s=interval_s)
        self._reader = reader
        self._listener = listener
        self._readable = True

    def _look(self) -> None:
        try:
            look = self._reader.look()
        except redis.RedisError as error:
            if self._readable:
                log.warning("hosts cannot be read", error=str(error))
            self._readable = False
            return
        if not self._readable:
            log.info("hosts can be read again")
        self._readable = True
        if not self._stopping.is_set():
            self._listener(look)
