"""The stream of doubts in Redis: the updater appends, the watcher reads as they come.

The stream is capped, so it costs a bounded amount of memory when nobody reads. Anyone with access to Redis
can write to it: an entry that is no doubt is recorded as a dead letter.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import redis
import structlog

from services.contract.doubts import Doubt
from services.contract.errors import MessageRefused
from services.contract.names import DOUBTS_KEPT, DOUBTS_KEY
from services.runtime.process.clock import Clock
from services.runtime.process.repeating import RepeatingThread
from services.runtime.stored import dead_letters
from services.runtime.stored.stream_tail import BATCH, StreamTail

FIELD = "doubt"
"""The field of an entry that holds the doubt."""
BLOCK_MS = 1_000
"""How long Redis holds a read open that finds nothing: shorter than the client's timeout and its stop()."""
RETRY_S = 1.0
"""Between two reads while Redis is away."""

log = structlog.get_logger(__name__)


class DoubtLog:
    """Appends doubts to the stream. Thread-safe."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def publish(self, doubts: Iterable[Doubt]) -> None:
        """Append the doubts. Never raises for Redis: without them the same checks come later."""
        remaining = iter(doubts)
        try:
            while batch := list(islice(remaining, BATCH)):
                with self._client.pipeline(transaction=False) as pipe:
                    for doubt in batch:
                        text = json.dumps(doubt.to_wire(), separators=(",", ":"))
                        pipe.xadd(DOUBTS_KEY, {FIELD: text}, maxlen=DOUBTS_KEPT, approximate=False)
                    pipe.execute()
        except redis.RedisError as error:
            log.warning("doubts not published", key=DOUBTS_KEY, error=str(error))


class DoubtReader(RepeatingThread):
    """Passes the doubts that are published from its start on to a listener, until it is stopped.

    Older ones are left out: a watcher that starts has everything checked anyway.
    """

    def __init__(
        self, client: redis.Redis, listener: Callable[[Sequence[Doubt]], None], *, clock: Clock
    ) -> None:
        """listener: called in this thread, with at least one doubt."""
        super().__init__("doubts", self.read, clock=clock, interval_s=0.0)
        self._client = client
        self._tail = StreamTail(client, DOUBTS_KEY)
        self._listener = listener
        self.read_at: float | None = None
        """When doubts were read last, or the first time to no avail (monotonic seconds); None before that."""
        self._readable = True

    def read(self) -> None:
        """Wait for entries, for up to BLOCK_MS, and pass on their doubts. Redis errors are logged."""
        if self.read_at is None:
            self.read_at = self._clock.monotonic()
        try:
            doubts = self._read()
        except redis.RedisError as error:
            if self._readable:
                log.warning("doubts cannot be read", key=DOUBTS_KEY, error=str(error))
            self._readable = False
            self._clock.wait(self._stopping, RETRY_S)
            return
        if not self._readable:
            log.info("doubts are readable again")
        self._readable = True
        self.read_at = self._clock.monotonic()
        if doubts and not self._stopping.is_set():
            self._listener(doubts)

    def _read(self) -> list[Doubt]:
        entries = self._tail.read(block_ms=BLOCK_MS)
        return [doubt for fields in entries if (doubt := self._parse(fields)) is not None]

    def _parse(self, fields: dict[str, str]) -> Doubt | None:
        try:
            return Doubt.from_wire(fields.get(FIELD))
        except MessageRefused as error:
            dead_letters.record(self._client, where=DOUBTS_KEY, reason=str(error), body=fields)
            return None
