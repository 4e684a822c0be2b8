"""Maintenance windows in Redis: of a host, of a cluster network, or of one on the other."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from services.contract.names import maintenance_key, maintenance_subject
from services.runtime.stored.open_maintenance import find_windows
from services.view.durations import describe_age
from services.view.pause_state import Pause

if TYPE_CHECKING:
    import redis

NO_DETAILS = Pause()


@dataclass(frozen=True)
class Window:
    """A window; an empty name is every host, or every cluster network."""

    host: str
    cluster_network: str
    pause: Pause = NO_DETAILS
    left_ms: int = 0
    """Until it ends by itself; -1 for never."""

    @property
    def subject(self) -> str:
        """What is paused."""
        if not self.host:
            return f"cluster network {self.cluster_network}"
        return f"{self.host}, cluster network {self.cluster_network}" if self.cluster_network else self.host

    def describe(self) -> str:
        """Describe it in one sentence."""
        left = f" for another {describe_age(self.left_ms / 1_000)}" if self.left_ms >= 0 else ""
        by = f" by {self.pause.by}" if self.pause.by else ""
        why = f": {self.pause.reason}" if self.pause.reason else ""
        return f"{self.subject} is in maintenance{left}{by}{why}"


def read_windows(client: "redis.Redis") -> list[Window]:
    """Return the windows, by host and cluster network; a key of any content is one."""
    keys = find_windows(client)
    if not keys:
        return []
    bodies = cast("list[str | None]", client.mget(keys))
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.pttl(key)
        left = cast("list[int]", pipe.execute())
    windows = []
    for key, body, left_ms in zip(keys, bodies, left, strict=True):
        host, cluster_network = maintenance_subject(key)
        # -2: it has just ended.
        if (host or cluster_network) and left_ms != -2:
            windows.append(Window(host, cluster_network, Pause.parse(body or ""), left_ms))
    return windows


def describe_windows(client: "redis.Redis") -> list[str]:
    """Return each window as a sentence."""
    return [window.describe() for window in read_windows(client)]


def open_window(client: "redis.Redis", window: Window) -> None:
    """Open it for as long as it says, in place of one that is open."""
    key = maintenance_key(window.host, window.cluster_network)
    client.set(key, window.pause.dump(), px=window.left_ms)


def close_windows(client: "redis.Redis", windows: Iterable[Window]) -> int:
    """End them; return how many there were."""
    keys = [maintenance_key(window.host, window.cluster_network) for window in windows]
    return int(client.delete(*keys)) if keys else 0
