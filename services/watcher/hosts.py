"""Polling Redis once a second: which hosts are announced, and whether probing is paused."""

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import redis
import structlog

from services.contract.by_hand import ByHand
from services.contract.messages import HostAnnouncement
from services.contract.names import PAUSED_KEY, WATCHED_KEY, host_key
from services.runtime.connection.outages import Outage
from services.runtime.process.clock import Clock
from services.runtime.process.repeating import RepeatingThread
from services.runtime.stored import dead_letters
from services.runtime.stored.announcements import AnnouncementReader, RefusedEntry
from services.runtime.stored.guarded_redis import set_aside, took
from services.watcher.by_hand import ByHandReader

_MARK = re.compile(r"[0-9a-f]{32}", re.ASCII)

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
    by_hand: tuple[ByHand, ...] = ()
    """What was probed by hand since the previous poll."""


class HostReader:
    """Polls Redis. A refused announcement is recorded once as a dead letter and otherwise ignored."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._announcements = AnnouncementReader(client)
        self._mark: str | None = None
        self._by_hand = ByHandReader(client)

    def poll(self) -> PollResult:
        """Poll Redis once; raise redis.RedisError: unreadable is not the same as no hosts."""
        lost = self._has_lost()
        found = self._announcements.read()
        for entry in found.refused:
            if _is_of_another_version(entry) or not set_aside(self._client, entry.key, entry.reason):
                dead_letters.record(self._client, where=entry.key, reason=entry.reason, body=entry.body)
        return PollResult(found.hosts, bool(self._client.exists(PAUSED_KEY)), lost, self._by_hand.read())

    def _has_lost(self) -> bool:
        before, mark = self._mark, cast("str | None", self._client.get(WATCHED_KEY))
        if mark is not None and not _MARK.fullmatch(mark):
            set_aside(self._client, WATCHED_KEY, f"expected 32 hexadecimal digits, got {mark[:40]!r}")
            mark = self._put_back(before)
        elif mark is None and took(self._client, WATCHED_KEY):
            mark = self._put_back(before)
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

    def _put_back(self, mark: str | None) -> str | None:
        """Put back what stood there before somebody wrote something else: nothing was lost."""
        if mark is not None:
            self._client.set(WATCHED_KEY, mark, nx=True)
        return mark


def _is_of_another_version(entry: RefusedEntry) -> bool:
    """Whether it may be the announcement of a newer prober, which a newer watcher can read."""
    try:
        body = json.loads(entry.body)
    except (ValueError, RecursionError):
        return False
    return isinstance(body, dict) and host_key(str(body.get("host"))) == entry.key


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
        self.polled_at: float | None = None
        """When Redis was polled last, or the first time to no avail (monotonic seconds); None before that."""
        self._outage = Outage(log, "hosts cannot be read", over="hosts are readable again")

    def problem(self) -> str | None:
        """Return why the hosts cannot be read; None while they can."""
        return self._outage.problem()

    def _poll(self) -> None:
        if self.polled_at is None:
            self.polled_at = self._clock.monotonic()
        try:
            result = self._reader.poll()
        except redis.RedisError as error:
            self._outage.failed(error)
            return
        self._outage.succeeded()
        self.polled_at = self._clock.monotonic()
        if not self._stopping.is_set():
            self._listener(result)
