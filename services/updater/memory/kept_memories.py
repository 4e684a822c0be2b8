"""What this process remembers of networks whatever Redis loses: it falls back on it, and puts it back."""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import structlog

from services.contract.conclusions import NO_RESULT, ConclusionRecord, Result
from services.network.write.disputes import MAX_CORRECTIONS, Written
from services.runtime.process.clock import Clock
from services.runtime.process.outside_log import tell
from services.runtime.stored.conclusion_store import is_unwritten
from services.updater.memory.memories import CORRECTIONS_COUNT_S, Memories

CHECK_CALLS = 30
"""A forged record is replaced after so many looks, which come once a second."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Kept:
    """What is kept of one network. Times are monotonic seconds."""

    is_read: bool = False
    """Whether its record is as Redis has it, or should have it."""
    record: ConclusionRecord | None = None
    content: str = ""
    digest: str = ""
    result: Result = NO_RESULT
    corrected_at: tuple[float, ...] = ()
    """The last MAX_CORRECTIONS; of most networks none."""
    told_at: float = float("-inf")


class KeptMemories:
    """Memories that are as Redis has them, and where it lost them, as this process knew them. Thread-safe.

    Every method that reads or writes Redis may raise redis.RedisError.
    """

    def __init__(
        self,
        memories: Memories,
        clock: Clock,
        *,
        concluded: Callable[[Collection[str]], None] = lambda _: None,
    ) -> None:
        """concluded: called with the uids of networks whose record is replaced."""
        self._memories = memories
        self._concluded = concluded
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._unstored: dict[str, str] = {}
        """What was written to networks, by uid, and is not in Redis yet."""
        self._stored_at = float("-inf")
        self._storing = threading.Lock()
        """While records are compared with Redis, none is stored there."""
        self._unchecked: list[str] = []
        self._check_size = 1

    def conclusions(self, uids: Collection[str]) -> Mapping[str, ConclusionRecord]:
        """Return the present records of these networks, by uid; Redis is read once for each."""
        with self._lock:
            unread = [uid for uid in uids if uid not in self._kept or not self._kept[uid].is_read]
        if unread:
            self.reload(unread)
        with self._lock:
            kept = {uid: self._kept[uid].record for uid in uids if uid in self._kept}
        return {uid: record for uid, record in kept.items() if record is not None}

    def reload(self, uids: Collection[str]) -> None:
        """Read those of these networks' records that are not known; store the others where Redis differs.

        Only this process writes them. What Redis lost is stored with what was written.
        """
        with self._storing:
            found, lost = self._memories.conclusions(uids), list[ConclusionRecord]()
            contents: dict[str, str] = {}
            with self._lock:
                for uid in uids:
                    kept, there = self._of(uid), found.get(uid)
                    if not kept.is_read or kept.record is None:
                        kept.is_read, kept.record = True, there
                    elif there is kept.record:
                        continue
                    elif there is not None and _are_equal(there, kept.record):
                        # The store returns the same one again for the same text: nothing is compared then.
                        kept.record = there
                    else:
                        lost.append(kept.record)
                        if kept.content:
                            contents[uid] = kept.content
                        if there is not None:
                            tell(log, "record of another writer replaced", uid=uid)
            if lost:
                self._memories.conclude(lost)
        if contents:
            self._memories.remember_written(contents)

    def check_some(self) -> None:
        """Compare the next ones of the known records with Redis: all of them in CHECK_CALLS calls.

        The set that names those with something unwritten is filled again.
        """
        with self._lock:
            if not self._unchecked:
                self._unchecked = [uid for uid, kept in self._kept.items() if kept.record is not None]
                self._check_size = 1 + len(self._unchecked) // CHECK_CALLS
            uids = self._unchecked[-self._check_size :]
            del self._unchecked[-self._check_size :]
            records = {uid: kept.record for uid in uids if (kept := self._kept.get(uid)) is not None}
        if records:
            self.reload(records)
        if unwritten := [uid for uid, record in records.items() if record and is_unwritten(record)]:
            self._memories.name_unwritten(unwritten)

    def conclude(self, records: Collection[ConclusionRecord]) -> None:
        """Replace the records of these networks."""
        with self._storing:
            self._memories.conclude(records)
            with self._lock:
                for record in records:
                    kept = self._of(record.uid)
                    kept.is_read, kept.record = True, record
        if records:
            self._concluded([record.uid for record in records])

    def renew(self, uids: Collection[str]) -> None:
        """Keep the records of these networks in Redis, which still exist."""
        self._memories.renew(uids)

    def forget(self, uids: Collection[str]) -> None:
        """Forget networks that are gone, here and in Redis."""
        with self._lock:
            for uid in uids:
                self._kept.pop(uid, None)
                self._unstored.pop(uid, None)
        self._memories.forget(uids)

    def written(self, uids: Collection[str]) -> Mapping[str, Written]:
        """Return what is remembered of the writes to these networks, by uid."""
        found = self._memories.written(uids)
        with self._lock:
            for uid, written in found.items():
                if written.content:
                    # An earlier process wrote it: Redis may lose it before it stands again.
                    kept = self._of(uid)
                    kept.content = kept.content or written.content
            return {uid: self._with_kept(uid, written) for uid, written in found.items()}

    def remember_written(
        self, uid: str, content: str, digest: str, result: Result, *, is_correction: bool
    ) -> None:
        """Remember what was written now, and count it if it corrects another writer.

        digest: of the intent that the result is about. Redis has a correction when this returns, and all else
        after store_written().
        """
        with self._lock:
            kept = self._of(uid)
            kept.content, kept.digest, kept.result = content, digest, result
            if is_correction:
                kept.corrected_at = (*kept.corrected_at, self._clock.monotonic())[-MAX_CORRECTIONS:]
            self._unstored[uid] = content
        if is_correction:
            self._memories.remember_correction(uid, content)
            self._stored({uid: content})

    def store_written(self, *, every_s: float = 0.0) -> None:
        """Store what was written since the last time: thousands of networks may be written at once.

        every_s: do nothing if that was less long ago.
        """
        with self._lock:
            now = self._clock.monotonic()
            unstored = dict(self._unstored) if now - self._stored_at >= every_s else {}
            if unstored:
                self._stored_at = now
        if unstored:
            self._memories.remember_written(unstored)
            self._stored(unstored)

    def _stored(self, contents: Mapping[str, str]) -> None:
        with self._lock:
            for uid, content in contents.items():
                if self._unstored.get(uid) == content:
                    del self._unstored[uid]

    def remember_told(self, uid: str) -> None:
        """Remember that it is being told now that another writer is corrected no more."""
        with self._lock:
            self._of(uid).told_at = self._clock.monotonic()
        self._memories.remember_told(uid)

    def stands(self, uid: str, content: str, digest: str, result: Result) -> None:
        """Record that this content is in the annotations, whoever wrote it. Known to this process alone."""
        with self._lock:
            kept = self._of(uid)
            kept.content, kept.digest, kept.result = content, digest, result

    def named(self, uid: str, digest: str, result: Result) -> None:
        """Record that the route annotation names the gateway of this result, whatever the status says."""
        with self._lock:
            kept = self._of(uid)
            kept.digest, kept.result = digest, result

    def _of(self, uid: str) -> _Kept:
        return self._kept.setdefault(uid, _Kept())

    def _with_kept(self, uid: str, written: Written) -> Written:
        kept = self._kept.get(uid)
        if kept is None:
            return written
        now = self._clock.monotonic()
        if now - kept.told_at < CORRECTIONS_COUNT_S:
            written = replace(written, is_told=True)
        recent = [at for at in kept.corrected_at if now - at < CORRECTIONS_COUNT_S]
        if len(recent) > written.corrections:
            room_in_s = CORRECTIONS_COUNT_S - (now - recent[0])
            written = replace(written, corrections=len(recent), room_in_s=room_in_s)
        # A Redis that was replaced by its replica has what was written before.
        content = kept.content or written.content
        return replace(written, content=content, digest=kept.digest, result=kept.result)


def _are_equal(one: ConclusionRecord, other: ConclusionRecord) -> bool:
    return one == other or one.to_json() == other.to_json()
