"""Polling Redis once a second: which hosts are announced, and whether probing is paused."""

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

REMEMBERED_REFUSED = announcements.MAX_REFUSED
"""With a lower limit, more refused entries than that would be recorded again at every poll."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class PollResult:
    """The result of one poll of Redis."""

    hosts: tuple[HostAnnouncement, ...]
    """The announced hosts."""
    paused: bool = False
    """Whether an operator has paused all probing."""
    lost: bool = False
    """Whether Redis lost its data since the previous poll: queues, marks of outstanding requests."""


class HostReader:
    """Reads all announcements. A refused one is recorded once and otherwise ignored."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._refused: OrderedDict[str, str] = OrderedDict()
        self._mark: str | None = None

    def poll(self) -> PollResult:
        """Poll Redis once; raise redis.RedisError: unreadable is not the same as no hosts."""
        lost = self._has_lost()
        return PollResult(self.read(), bool(self._client.exists(PAUSED_KEY)), lost)

    def read(self) -> tuple[HostAnnouncement, ...]:
        """Return the announced hosts, by name; raise redis.RedisError."""
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
                # Redis is out of memory; what can be read is still valid.
                mark = None
        self._mark = mark
        return before is not None and mark != before

    def _record_once(self, entry: RefusedEntry) -> None:
        if self._refused.get(entry.key) == entry.body:
            return
        self._refused[entry.key] = entry.body
        if len(self._refused) > REMEMBERED_REFUSED:
            self._refused.popitem(last=False)
        dead_letters.record(self._client, where=entry.key, reason=entry.reason, body=entry.body)


class HostPoll(RepeatingThread):
    """Polls every interval_s seconds and passes the results to a listener, until stopped.

    While Redis cannot be read nothing is passed on: unreadable is not the same as no hosts.
    """

    def __init__(
        self,
        reader: HostReader,
        listener: Callable[[PollResult], None],
        *,
        clock: Clock,
        interval_s: float,
    ) -> None:
        super().__init__("host-poll", self._poll, clock=clock, interval_s=interval_s)
        self._reader = reader
        self._listener = listener
        self._readable = True

    def _poll(self) -> None:
        try:
            result = self._reader.poll()
        except redis.RedisError as error:
            if self._readable:
                log.warning("hosts cannot be read", error=str(error))
            self._readable = False
            return
        if not self._readable:
            log.info("hosts are readable again")
        self._readable = True
        if not self._stopping.is_set():
            self._listener(result)
