"""Following a stream in Redis from now on, also after Redis has lost it."""

from collections.abc import Sequence
from typing import cast

import redis

BATCH = 256
"""Entries per command: bounded, so that no reply blocks the server for long."""
START = "0-0"
"""A position before every entry."""


class StreamTail:
    """Reads the entries that come after the first read. Not thread-safe."""

    def __init__(self, client: redis.Redis, key: str) -> None:
        self._client = client
        self._key = key
        self.after: str | None = None
        """The position of the last entry that counts as read; None before the first read."""

    def read(self, *, count: int = BATCH, block_ms: int | None = None) -> list[dict[str, str]]:
        """Return the fields of the next entries, at most so many. May raise redis.RedisError.

        block_ms: how long Redis holds the read open while there are none; not at all without it.
        """
        if self.after is None:
            self.after = self._newest()
        answer = self._client.xread({self._key: self.after}, count=count, block=block_ms)
        streams = cast("Sequence[tuple[str, Sequence[tuple[str, dict[str, str]]]]]", answer)
        entries = [entry for _, found in streams for entry in found]
        if entries:
            self.after = entries[-1][0]
        elif _position(self._newest()) < _position(self.after):
            # Redis lost its data, and the new stream begins earlier: perhaps its clock was set back.
            self.after = START
        return [fields for _, fields in entries]

    def _newest(self) -> str:
        """Return the position of the newest entry."""
        newest = cast("Sequence[tuple[str, object]]", self._client.xrevrange(self._key, count=1))
        return newest[0][0] if newest else START


def _position(entry: str) -> tuple[int, int]:
    """Return an entry's place in the stream: Redis' time in milliseconds, and a number within that."""
    milliseconds, _, number = entry.partition("-")
    return int(milliseconds), int(number)
