"""Reading which router answers on which segment, from what the updater has stored of the probers' verdicts.

Only a site with several cluster networks needs it; see watcher.plan.routers. Of what a host found, nothing
but the MAC address that answered ARP is read: what a gateway's state is, the network's status tells.
"""

import json
from collections.abc import Callable, Collection, Mapping
from typing import cast

import redis
import structlog

from services.contract.errors import MessageRefused
from services.contract.messages import Segment, Verdict
from services.contract.names import verdicts_key
from services.runtime.process.clock import Clock
from services.runtime.process.repeating import RepeatingThread

INTERVAL_S = 5.0
KNOWN_S = 600.0
"""Between two looks at a segment whose router is known: it may have been replaced."""
UNKNOWN_S = 30.0
AT_ONCE = 500
"""Segments per look: some 50 ms of CPU."""
MAX_BYTES = 262_144
"""Of a stored verdict that is read."""

log = structlog.get_logger(__name__)


class RouterPoll(RepeatingThread):
    """Passes the MAC addresses that answer on segments to a listener, a few segments at a time."""

    def __init__(
        self,
        client: redis.Redis,
        segments: Callable[[], Collection[Segment]],
        listener: Callable[[Mapping[Segment, frozenset[str]]], None],
        *,
        clock: Clock,
        interval_s: float = INTERVAL_S,
    ) -> None:
        """segments: returns all whose router matters. listener: called in this thread."""
        super().__init__("routers", self.poll, clock=clock, interval_s=interval_s)
        self._client = client
        self._segments = segments
        self._listener = listener
        self._look_at: dict[Segment, float] = {}

    def poll(self) -> None:
        """Look at the segments whose time has come; Redis errors are left to the next look."""
        now = self._clock.monotonic()
        self._look_at = {segment: self._look_at.get(segment, now) for segment in self._segments()}
        due = [segment for segment, at in self._look_at.items() if at <= now][:AT_ONCE]
        if not due:
            return
        try:
            with self._client.pipeline(transaction=False) as pipe:
                for segment in due:
                    # Any host's will do: the next look takes another one's.
                    pipe.hrandfield(verdicts_key(segment), 1, True)
                answers = pipe.execute(raise_on_error=False)
        except redis.RedisError as error:
            log.debug("routers cannot be read", error=str(error))
            return
        found = {}
        for segment, answer in zip(due, answers, strict=True):
            routers = _routers(segment, answer)
            self._look_at[segment] = now + (KNOWN_S if routers else UNKNOWN_S)
            if routers:
                found[segment] = routers
        if found and not self._stopping.is_set():
            self._listener(found)


def _routers(segment: Segment, answer: object) -> frozenset[str]:
    """Return the MAC addresses in one host's stored verdict; none where it is no verdict on this segment."""
    if not isinstance(answer, list) or len(answer) != 2 or len(answer[1]) > MAX_BYTES:
        return frozenset()
    try:
        stored = json.loads(cast("str", answer[1]))
        verdict = Verdict.from_wire(stored.get("verdict") if isinstance(stored, dict) else None)
    except (ValueError, RecursionError, MessageRefused):
        # The updater, who has written it, sets it aside.
        return frozenset()
    if verdict.segment != segment:
        return frozenset()
    return frozenset(str(target.vlan.mac) for target in verdict.targets if target.vlan.mac is not None)
