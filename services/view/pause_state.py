"""The global pause in Redis: since when, by whom and why, and until when."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from services.contract.names import PAUSED_KEY
from services.runtime.connection.redis_client import time_ms
from services.view.durations import describe_age

if TYPE_CHECKING:
    import redis

MAX_CHARACTERS = 200


@dataclass(frozen=True)
class Pause:
    """The global pause, during which nothing is probed or written. Fields are empty if unknown."""

    since_ms: int | None = None
    """By Redis' clock."""
    by: str = ""
    reason: str = ""

    def dump(self) -> str:
        """Return the key's value."""
        return json.dumps({"since_ms": self.since_ms, "by": self.by, "reason": self.reason})

    @classmethod
    def parse(cls, text: str) -> "Pause":
        """Parse the key's value. Never raises: a key with any content means a pause."""
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            return cls()
        if not isinstance(body, dict):
            return cls()
        since, by, reason = (body.get(key) for key in ("since_ms", "by", "reason"))
        return cls(
            since if type(since) is int and since >= 0 else None,
            by[:MAX_CHARACTERS] if isinstance(by, str) else "",
            reason[:MAX_CHARACTERS] if isinstance(reason, str) else "",
        )

    def describe(self, now_ms: int, left_ms: int = -1) -> str:
        """Describe the pause in one sentence. left_ms: until it ends by itself; negative for never."""
        ago = "" if self.since_ms is None else f" for {describe_age((now_ms - self.since_ms) / 1_000)}"
        by = f" by {self.by}" if self.by else ""
        why = f": {self.reason}" if self.reason else ""
        end = f", or for another {describe_age(left_ms / 1_000)}" if left_ms >= 0 else ""
        return f"paused{ago}{by}{why}; nothing is probed or written until `nadroute resume`{end}"


def read_pause(client: "redis.Redis") -> Pause | None:
    """Return the pause; None if there is none."""
    # MGET returns nothing for a key of another type, where GET would fail; the services check EXISTS.
    (text,) = cast("list[str | None]", client.mget([PAUSED_KEY]))
    if text is not None:
        return Pause.parse(text)
    return Pause() if client.exists(PAUSED_KEY) else None


def describe_pause(client: "redis.Redis") -> str | None:
    """Return the pause as a sentence; None if there is none."""
    pause = read_pause(client)
    return None if pause is None else pause.describe(time_ms(client), client.pttl(PAUSED_KEY))


def set_pause(client: "redis.Redis", *, by: str, reason: str, for_ms: int | None = None) -> Pause | None:
    """Pause unless paused already; return the pause that existed before, or None.

    for_ms: after which it ends by itself; None for never.
    """
    pause = Pause(time_ms(client), by, reason[:MAX_CHARACTERS])
    if client.set(PAUSED_KEY, pause.dump(), nx=True, px=for_ms):
        return None
    return read_pause(client)


def lift_pause(client: "redis.Redis") -> bool:
    """End the pause; return whether there was one."""
    return bool(client.delete(PAUSED_KEY))
