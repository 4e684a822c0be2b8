"""Backoff for changes that admission denied: when the same change may be tried again.

Another change may be at once, and the same one soon after somebody has changed the object. The webhook's
answer may change too, and nothing tells of that: of all networks that it denies with the same words, one is
tried within a minute, again and again, and the others once that one is accepted.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from services.network.parse import nad
from services.network.parse.nad import Network
from services.network.parse.status import Status
from services.network.write.writing import Change
from services.runtime.process.clock import Clock

FIRST_PAUSE_S = 15.0
ONE_PAUSE_S = 50.0
"""Longest pause of the one that is tried for all: what is denied no more is written within a minute."""
LONGEST_PAUSE_S = 600.0
"""Pause of the others, for a webhook that has the same words for different reasons."""
EDITED_PAUSE_S = 5.0
"""Pause after which a changed object is tried: it may be changed fifty times a second."""
PER_REASON_S = 2.0
"""Added for each reason: where each network is denied with other words, one in two seconds is tried."""

Content = tuple[str | None, Status]


@dataclass(frozen=True)
class _Denied:
    content: Content
    version: str
    """Of the object."""
    error: str
    reason: str
    """The error without what differs from network to network."""
    attempts: int
    at: float


class DeniedBackoff:
    """The last denied change of each object, by uid. Thread-safe."""

    def __init__(self, clock: Clock, *, look_again: Callable[[str], None]) -> None:
        """look_again: has a network reviewed, since it may be its turn."""
        self._clock = clock
        self._look_again = look_again
        self._lock = threading.Lock()
        self._denied: dict[str, _Denied] = {}
        self._by_reason: dict[str, dict[str, None]] = {}
        """Uids by reason; the first of each is tried for all."""

    def record(self, network: Network, change: Change, error: str) -> bool:
        """Record a denied change; return whether it is denied for the first time, to post that once."""
        content, uid = _content(change), network.uid
        reason = error.replace(network.ref.name, "").replace(network.ref.namespace, "")
        with self._lock:
            before = self._denied.get(uid)
            again = before is not None and before.content == content
            attempts = before.attempts + 1 if again and before is not None else 1
            if before is not None and before.reason != reason:
                self._leave(uid, before.reason)
            self._by_reason.setdefault(reason, {}).setdefault(uid)
            now = self._clock.monotonic()
            self._denied[uid] = _Denied(content, network.resource_version, error, reason, attempts, now)
        return not again

    def blocked_s(self, network: Network, change: Change) -> float:
        """Return the seconds for which this very change must not be tried; 0 if it may."""
        with self._lock:
            denied = self._denied.get(network.uid)
            if denied is None or denied.content != _content(change):
                return 0.0
            pause_s = self._pause_s(network, denied)
        return max(0.0, denied.at + pause_s - self._clock.monotonic())

    def _pause_s(self, network: Network, denied: _Denied) -> float:
        if denied.version != network.resource_version:
            return EDITED_PAUSE_S
        if next(iter(self._by_reason[denied.reason])) != network.uid:
            return LONGEST_PAUSE_S
        grown_s = FIRST_PAUSE_S * 2.0 ** min(denied.attempts - 1, 10)
        return min(LONGEST_PAUSE_S, max(min(ONE_PAUSE_S, grown_s), PER_REASON_S * len(self._by_reason)))

    def refusal(self, uid: str, change: Change) -> str | None:
        """Return the error with which this very change was denied; None if it was not."""
        with self._lock:
            denied = self._denied.get(uid)
        return denied.error if denied is not None and denied.content == _content(change) else None

    def accepted(self, uid: str) -> None:
        """Record that a change of this network was accepted: others denied for the same reason may be too."""
        with self._lock:
            denied = self._denied.pop(uid, None)
            others = {} if denied is None else self._leave(uid, denied.reason)
            for other in others:
                self._denied[other] = replace(self._denied[other], at=float("-inf"))
        self._look(others)

    def unwanted(self, uid: str) -> None:
        """Record that nothing is to be written to this network at present: another is tried for all."""
        with self._lock:
            denied = self._denied.get(uid)
            peers = {} if denied is None else self._by_reason[denied.reason]
            if len(peers) < 2 or next(iter(peers)) != uid:
                return
            del peers[uid]
            peers[uid] = None
            turn = next(iter(peers))
        self._look_again(turn)

    def forget(self, uid: str) -> None:
        """Forget a network that is gone."""
        with self._lock:
            denied = self._denied.pop(uid, None)
            others = {} if denied is None else self._leave(uid, denied.reason)
        self._look(list(others)[:1])

    def _leave(self, uid: str, reason: str) -> dict[str, None]:
        """Take the network from those of this reason; return them."""
        others = self._by_reason[reason]
        others.pop(uid, None)
        if not others:
            del self._by_reason[reason]
        return dict(others)

    def _look(self, uids: dict[str, None] | list[str]) -> None:
        for uid in uids:
            self._look_again(uid)


def _content(change: Change) -> Content:
    """What a change writes, without the time at which it was computed."""
    return change.annotations.get(nad.ROUTE), replace(change.after, since="")
