"""The doubts of all networks, in memory: what each judgement remembers, and when time alone changes one."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from services.contract.doubts import DoubtKind
from services.contract.open_doubts import NO_DOUBTS, Doubts
from services.network.judge.doubting import reported
from services.network.parse.status import Status
from services.updater.memory.moments import Moments


@dataclass(frozen=True, slots=True)
class Entry:
    """What is remembered of one network."""

    cluster_network: str
    doubts: Doubts

    @property
    def is_open(self) -> bool:
        """Whether hosts are asked because a gateway may be silent."""
        reach = self.doubts.reach
        return reach is not None and reach.kind is DoubtKind.SILENT and not reach.is_complete


class OpenDoubts:
    """Doubts by the network's uid. Thread-safe. Times are milliseconds of observed time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._due = Moments[str]()
        self._looked_ms: dict[str, int] = {}
        self._passed_ms = 0
        self._taking: dict[object, int] = {}
        self._open: Counter[str] = Counter()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is remembered of any network."""
        return not self._entries

    def of(self, uid: str) -> Doubts:
        """Return what is remembered of this network."""
        entry = self._entries.get(uid)
        return NO_DOUBTS if entry is None else entry.doubts

    def look(self, uid: str, now_ms: int) -> int:
        """Note that the network is assessed now; return when it was considered last, 0 for never."""
        before, self._looked_ms[uid] = self._looked_ms.get(uid, 0), self._considered(now_ms)
        return max(before, self._passed_ms) if before else 0

    def passed(self, now_ms: int) -> None:
        """Record that every network was considered then: what was not assessed had no reason to be."""
        self._passed_ms = self._considered(now_ms)

    @contextmanager
    def taking(self) -> Iterator[None]:
        """Mark that a report is being taken.

        Redis stamps it before memory has it. A round that runs in between has not seen it, though the round's
        time is later.
        """
        report = object()
        with self._lock:
            self._taking[report] = self._passed_ms
        try:
            yield
        finally:
            with self._lock:
                del self._taking[report]

    def _considered(self, now_ms: int) -> int:
        """Return the time until which a look at this moment has seen every report."""
        with self._lock:
            return max(1, min((now_ms, *self._taking.values())))

    def count(self, cluster_network: str) -> int:
        """Return how many networks of a cluster network have a gateway in doubt."""
        return self._open[cluster_network]

    def put(self, uid: str, entry: Entry, *, due_ms: int | None) -> None:
        """Remember this of the network. due_ms: when time alone may change it."""
        with self._lock:
            self._put(uid, entry)
            self._due.put(uid, due_ms)

    def reported(self, uid: str, status: Status) -> None:
        """Close what was in doubt: this is reported now."""
        with self._lock:
            entry = self._entries.get(uid)
            if entry is not None:
                self._put(uid, replace(entry, doubts=reported(entry.doubts, status)))

    def due(self, now_ms: int) -> list[str]:
        """Return the uids of networks to assess because time alone may have changed something; each once."""
        return self._due.take(now_ms)

    def forget(self, uid: str) -> None:
        """Forget a network that is gone."""
        with self._lock:
            self._drop(uid)
            self._due.put(uid, None)
            self._looked_ms.pop(uid, None)

    def _put(self, uid: str, entry: Entry) -> None:
        self._drop(uid)
        if entry.doubts is not NO_DOUBTS:
            self._entries[uid] = entry
            self._open[entry.cluster_network] += entry.is_open

    def _drop(self, uid: str) -> None:
        entry = self._entries.pop(uid, None)
        if entry is not None:
            self._open[entry.cluster_network] -= entry.is_open


def loaded(doubts: Doubts, *, now_ms: int) -> Doubts:
    """Return what a record remembers from before a restart; nothing if it is from the future, and forged."""
    moments = [
        doubts.differs_since_ms,
        doubts.undecided_since_ms,
        doubts.watermark_ms,
        doubts.offers_after_ms,
        doubts.unconfirmed_since_ms,
    ]
    moments += [doubt.since_ms for doubt in doubts.each.values()]
    moments += [each.at_ms for each in doubts.answerers]
    return NO_DOUBTS if doubts == NO_DOUBTS or max(moments) > now_ms else doubts
