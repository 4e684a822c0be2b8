"""Writes that admission refused: not tried again until something changed, or a long time has passed."""

import threading
from dataclasses import dataclass, replace

from services.network.parse import annotations as names
from services.network.parse.status import Status
from services.network.write.writing import Change
from services.runtime.clock import Clock

FIRST_PAUSE_S = 60.0
LONGEST_PAUSE_S = 3_600.0
MAX_DOUBLINGS = 10

Refused = tuple[str | None, Status]


@dataclass(frozen=True)
class _Parked:
    refused: Refused
    attempts: int
    until: float


class Parking:
    """Objects by uid, each with the one change that was refused of it. Safe to share by threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._parked: dict[str, _Parked] = {}

    def park(self, uid: str, change: Change) -> bool:
        """This change was refused; says whether it is the first time, so that it is told once."""
        refused = _essence(change)
        with self._lock:
            before = self._parked.get(uid)
            again = before is not None and before.refused == refused
            attempts = before.attempts + 1 if again and before is not None else 1
            pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempts - 1, MAX_DOUBLINGS))
            self._parked[uid] = _Parked(refused, attempts, self._clock.monotonic() + pause_s)
        return not again

    def holds(self, uid: str, change: Change) -> bool:
        """Whether this very change is not to be tried now."""
        with self._lock:
            parked = self._parked.get(uid)
        return (
            parked is not None
            and parked.refused == _essence(change)
            and self._clock.monotonic() < parked.until
        )

    def release(self, uid: str) -> None:
        """A write to it went through, or it is gone."""
        with self._lock:
            self._parked.pop(uid, None)


def _essence(change: Change) -> Refused:
    """What a change says, without the moment at which it was thought of."""
    return change.annotations.get(names.ROUTE), replace(change.after, since="")
