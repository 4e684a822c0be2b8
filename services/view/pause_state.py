"""The global pause as it stands in Redis: since when, by whom, and why."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from services.contract.names import PAUSED_KEY
from services.runtime.redis_client import time_ms
from services.view.durations import describe_age

if TYPE_CHECKING:
    import redis

MAX_TOLD_CHARACTERS = 200


@dataclass(frozen=True)
class Pause:
    """While it stands nothing is probed and nothing is written. Empty where the key does not say."""

    since_ms: int | None = None
    """Redis' time."""
    by: str = ""
    reason: str = ""

    def dump(self) -> str:
        """The key's value."""
        return json.dumps({"since_ms": self.since_ms, "by": self.by, "reason": self.reason})

    @classmethod
    def parse(cls, text: str) -> "Pause":
        """Tolerant: that the key is there pauses, whatever is in it."""
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            return cls()
        if not isinstance(body, dict):
            return cls()
        since, by, reason = (body.get(key) for key in ("since_ms", "by", "reason"))
        return cls(
            since if type(since) is int and since >= 0 else None,
            by[:MAX_TOLD_CHARACTERS] if isinstance(by, str) else "",
            reason[:MAX_TOLD_CHARACTERS] if isinstance(reason, str) else "",
        )

    def describe(self, now_ms: int) -> str:
        """One sentence for people."""
        ago = "" if self.since_ms is None else f" for {describe_age((now_ms - self.since_ms) / 1_000)}"
        by = f" by {self.by}" if self.by else ""
        why = f": {self.reason}" if self.reason else ""
        return f"paused{ago}{by}{why}; nothing is probed or written until `nadroute resume`"


def read_pause(client: "redis.Redis") -> Pause | None:
    """None where all is going on."""
    # MGET takes a key of another type for none, where GET would fail; EXISTS is what the services look at.
    (text,) = cast("list[str | None]", client.mget([PAUSED_KEY]))
    if text is not None:
        return Pause.parse(text)
    return Pause() if client.exists(PAUSED_KEY) else None


def describe_pause(client: "redis.Redis") -> str | None:
    """The pause in a sentence; None where there is none."""
    pause = read_pause(client)
    return None if pause is None else pause.describe(time_ms(client))


def set_pause(client: "redis.Redis", *, by: str, reason: str) -> Pause | None:
    """Pause; the pause that stood there before, which then stays, or None where there was none."""
    pause = Pause(time_ms(client), by, reason[:MAX_TOLD_CHARACTERS])
    if client.set(PAUSED_KEY, pause.dump(), nx=True):
        return None
    return read_pause(client)


def lift_pause(client: "redis.Redis") -> bool:
    """Whether there was one."""
    return bool(client.delete(PAUSED_KEY))
