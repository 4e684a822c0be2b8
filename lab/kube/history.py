"""The window of changes that a watch can resume in, and the error when it has moved on."""

from __future__ import annotations

from collections import deque

from lab.kube.errors import expired
from lab.kube.objects import Change


class History:
    """The last `limit` changes in the order of their versions. Guarded by the store's lock."""

    def __init__(self, *, limit: int, start: int) -> None:
        """`start` is the version before the first change that will be kept."""
        self._changes: deque[Change] = deque()
        self._limit = limit
        self._oldest = start

    @property
    def oldest(self) -> int:
        """The lowest version that a watch may resume from."""
        return self._oldest

    def append(self, change: Change) -> None:
        """Keep a change; the oldest goes when there are too many."""
        self._changes.append(change)
        while len(self._changes) > self._limit:
            self._oldest = self._changes.popleft().version

    def compact(self, *, version: int) -> None:
        """Forget everything up to the present `version`."""
        self._changes.clear()
        self._oldest = version

    def since(self, version: int) -> list[Change]:
        """The changes after `version`, oldest first; 410 when some of them are forgotten."""
        if version < self._oldest:
            raise expired(f"too old resource version: {version} ({self._oldest})")
        found: list[Change] = []
        for change in reversed(self._changes):
            if change.version <= version:
                break
            found.append(change)
        found.reverse()
        return found
