"""What the watcher reads in Redis once a second: which hosts are announced, and whether all is paused."""

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import redis
import structlog

from services.contract import dead_letters
from services.contract.clock import Clock
from services.contract.errors import MessageRefused
from services.contract.messages import HostAnnouncement
from services.contract.names import HOST_KEY_PREFIX, PAUSED_KEY, WATCHED_KEY, host_key
from services.telemetry.health import lives

MAX_HOSTS = 1_000
REMEMBERED_JUNK = 1_000
STOP_TIMEOUT_S = 5.0

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
    """Reads all announcements; what is not one is recorded once and otherwise ignored."""

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
        pattern = f"{HOST_KEY_PREFIX}*"
        # SCAN may give a key twice while the table is resized.
        keys = sorted(set(self._client.scan_iter(match=pattern, count=500)))[:MAX_HOSTS]
        if not keys:
            return ()
        values = cast("Sequence[str | None]", self._client.mget(keys))
        announcements = []
        for key, value in zip(keys, values, strict=True):
            if value is None:
                # Run out between the two commands, or of a type that is no string.
                continue
            try:
                announcements.append(_read(key, value))
            except MessageRefused as error:
                self._record_once(key, value, str(error))
        return tuple(announcements)

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

    def _record_once(self, key: str, value: str, reason: str) -> None:
        if self._junk.get(key) == value:
            return
        self._junk[key] = value
        if len(self._junk) > REMEMBERED_JUNK:
            self._junk.popitem(last=False)
        dead_letters.record(self._client, where=key, reason=reason, body=value)


def _read(key: str, value: str) -> HostAnnouncement:
    announcement = HostAnnouncement.from_wire(value)
    if host_key(announcement.host) != key:
        raise MessageRefused(f"HostAnnouncement: host: {announcement.host!r} under the key of another host")
    return announcement


class HostPoll:
    """Looks every interval_s seconds, in a thread of its own, and passes on what it sees.

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
        self._reader = reader
        self._listener = listener
        self._clock = clock
        self._interval_s = interval_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="host-poll", daemon=True)

    @property
    def lives(self) -> bool:
        """Whether its thread does what it should."""
        return lives(self._thread, self._stopping)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; nothing is passed on afterwards."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        readable = True
        while not self._stopping.is_set():
            try:
                look = self._reader.look()
            except redis.RedisError as error:
                if readable:
                    log.warning("hosts cannot be read", error=str(error))
                readable = False
            else:
                if not readable:
                    log.info("hosts can be read again")
                readable = True
                if not self._stopping.is_set():
                    self._listener(look)
            self._clock.wait(self._stopping, self._interval_s)
