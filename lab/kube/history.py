"""The window of changes in which a watch can resume, and the error outside it."""

from __future__ import annotations

from collections import deque

from lab.kube.errors import expired
from lab.kube.objects import Change


class History:
    """The last `limit` changes in the order of their versions. Guarded by the store's lock."""

    def __init__(self, *, limit: int, start: int) -> None:
        """Start with `start`, the version before the first change that will be kept."""
        self._changes: deque[Change] = deque()
        self._limit = limit
        self._oldest = start

    @property
    def oldest(self) -> int:
        """Return the lowest version from which a watch may resume."""
        return self._oldest

    def append(self, change: Change) -> None:
        """Append a change; drop the oldest if there are too many."""
        self._changes.append(change)
        while len(self._changes) > self._limit:
            self._oldest = self._changes.popleft().version

    def compact(self, *, version: int) -> None:
        """Drop everything up to the present `version`."""
        self._changes.clear()
        self._oldest = version

    def since(self, version: int) -> list[Change]:
        """Return the changes after `version`, oldest first. Raises 410 if some of them were dropped."""
        if version < self._oldest:
            raise expired(f"too old resource version: {version} ({self._oldest})")
        found: list[Change] = []
        for change in reversed(self._changes):
            if change.version <= version:
                break
            found.append(change)
        found.reverse()
        return found
