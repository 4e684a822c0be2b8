"""Backoff for changes that admission denied: repeated only when the change differs or a pause is over."""

import threading
from dataclasses import dataclass, replace

from services.network.parse import nad
from services.network.parse.status import Status
from services.network.write.writing import Change
from services.runtime.clock import Clock

FIRST_PAUSE_S = 60.0
LONGEST_PAUSE_S = 3_600.0
MAX_DOUBLINGS = 10

Content = tuple[str | None, Status]


@dataclass(frozen=True)
class _Denied:
    content: Content
    error: str
    attempts: int
    until: float


class DeniedBackoff:
    """The last denied change of each object, by uid. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._denied: dict[str, _Denied] = {}

    def record(self, uid: str, change: Change, error: str) -> bool:
        """Record a denied change; return whether it is denied for the first time, to post that once."""
        content = _content(change)
        with self._lock:
            before = self._denied.get(uid)
            again = before is not None and before.content == content
            attempts = before.attempts + 1 if again and before is not None else 1
            pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempts - 1, MAX_DOUBLINGS))
            self._denied[uid] = _Denied(content, error, attempts, self._clock.monotonic() + pause_s)
        return not again

    def blocked_s(self, uid: str, change: Change) -> float:
        """Return the seconds for which this very change must not be tried; 0 if it may."""
        denied = self._find(uid, change)
        return 0.0 if denied is None else max(0.0, denied.until - self._clock.monotonic())

    def refusal(self, uid: str, change: Change) -> str | None:
        """Return the error with which this very change was denied; None if it was not."""
        denied = self._find(uid, change)
        return None if denied is None else denied.error

    def clear(self, uid: str) -> None:
        """Forget an object: it was written, or is gone."""
        with self._lock:
            self._denied.pop(uid, None)

    def _find(self, uid: str, change: Change) -> _Denied | None:
        with self._lock:
            denied = self._denied.get(uid)
        return denied if denied is not None and denied.content == _content(change) else None


def _content(change: Change) -> Content:
    """What a change writes, without the time at which it was computed."""
    return change.annotations.get(nad.ROUTE), replace(change.after, since="")
