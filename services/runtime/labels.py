"""Labels that cannot grow without bound, whoever chooses their values."""

import threading

OTHER = "other"


class BoundedLabel:
    """The first values stand for themselves, all further ones for "other". Safe to share by threads."""

    def __init__(self, limit: int = 1_000) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        """The label for this value."""
        with self._lock:
            if value in self._known:
                return value
            if len(self._known) >= self._limit:
                return OTHER
            self._known.add(value)
            return value
