"""Where other threads leave what happened, for the one thread that decides.

It holds only the newest version of each network, and the newest doubt of each kind about a segment. So a
storm of edits or doubts costs no memory and one evaluation.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from services.contract.conclusions import ConclusionRecord
from services.contract.doubts import Doubt, DoubtKind
from services.contract.messages import Segment
from services.contract.names import DOUBTS_KEPT
from services.network.parse.nad import Network
from services.runtime.process.clock import Clock
from services.watcher.hosts import PollResult


@dataclass(frozen=True)
class Mail:
    """What happened since the last take()."""

    networks: Mapping[str, Network | None]
    """The newest version of each changed network, by uid; None for one that is gone."""
    poll: PollResult | None
    """The newest poll of Redis; None without a new one."""
    doubts: tuple[Doubt, ...] = ()
    """The newest doubt of each kind about each segment."""
    unwritten: Mapping[str, ConclusionRecord] | None = None
    """The records of all networks with something that is not written, by uid; None without news."""
    routers: Mapping[Segment, frozenset[str]] = field(default_factory=dict)
    """The MAC addresses that answer for the gateways on these segments."""


class Mailbox:
    """A NetworkListener that also takes polls of Redis. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._arrived = threading.Event()
        self._networks: dict[str, Network | None] = {}
        self._poll: PollResult | None = None
        self._doubts: dict[tuple[Segment, DoubtKind], Doubt] = {}
        self._unwritten: Mapping[str, ConclusionRecord] | None = None
        self._routers: dict[Segment, frozenset[str]] = {}

    def upserted(self, network: Network) -> None:
        """Take a new or changed network."""
        with self._lock:
            self._networks[network.uid] = network
            self._arrived.set()

    def deleted(self, uid: str) -> None:
        """Take the deletion of a network."""
        with self._lock:
            self._networks[uid] = None
            self._arrived.set()

    def polled(self, poll: PollResult) -> None:
        """Take a poll of Redis; a data loss seen by an earlier one stays noted until it is taken."""
        with self._lock:
            lost = poll.lost or (self._poll is not None and self._poll.lost)
            by_hand = self._poll.by_hand if self._poll is not None else ()
            self._poll = replace(poll, lost=lost, by_hand=by_hand + poll.by_hand)
            self._arrived.set()

    def doubted(self, doubts: Iterable[Doubt]) -> None:
        """Take doubts; at most as many as Redis keeps, however many segments others invent."""
        with self._lock:
            for doubt in doubts:
                key = (doubt.segment, doubt.kind)
                if key in self._doubts or len(self._doubts) < DOUBTS_KEPT:
                    self._doubts[key] = doubt
            self._arrived.set()

    def take_unwritten(self, records: Mapping[str, ConclusionRecord]) -> None:
        """Take the records of all networks with something that is not written, by uid."""
        with self._lock:
            self._unwritten = records
            self._arrived.set()

    def take_routers(self, routers: Mapping[Segment, frozenset[str]]) -> None:
        """Take the MAC addresses that answer on these segments; nothing is due because of them."""
        with self._lock:
            self._routers |= routers

    def wake(self) -> None:
        """End a wait in take()."""
        self._arrived.set()

    def take(self, timeout_s: float) -> Mail:
        """Wait until something arrives or the time is over, and take all of it."""
        if timeout_s > 0:
            self._clock.wait(self._arrived, timeout_s)
        with self._lock:
            self._arrived.clear()
            mail = Mail(
                self._networks, self._poll, tuple(self._doubts.values()), self._unwritten, self._routers
            )
            self._networks, self._poll, self._doubts, self._unwritten = {}, None, {}, None
            self._routers = {}
            return mail
