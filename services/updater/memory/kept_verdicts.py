"""The newest verdicts of all hosts in memory, so that a judgement reads nothing in Redis.

Redis decides which verdict is newer, and has it before anything follows from it. What changes there is read
again with the next judgement; what merely comes once more is only younger here.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import redis

from services.contract.messages import Segment, Verdict
from services.contract.reports import Repeats
from services.contract.verdicts import Confirmed, ObservedTime, SegmentVerdicts
from services.network.judge.moments import Lasts, lasts_ms
from services.updater.memory.kept_segments import Changes, KeptSegment
from services.updater.memory.moments import Moments


class Store(Protocol):
    """The verdict store; see runtime.verdict_store. Every method may raise redis.RedisError."""

    def put(self, verdicts: Iterable[Verdict]) -> frozenset[Segment]:
        """Store the new verdicts; return the segments that changed."""
        ...

    def confirm(self, host: str, repeats: Repeats) -> Confirmed:
        """Take what a host repeats of its stored verdicts."""
        ...

    def read(self, segments: Collection[Segment]) -> Mapping[Segment, SegmentVerdicts]:
        """Return the verdicts of each of these segments."""
        ...

    def time(self) -> ObservedTime:
        """Return the observed time."""
        ...

    def tick(self) -> ObservedTime:
        """Count observed time; return it."""
        ...


class KeptVerdicts:
    """A Store that keeps what it read. Thread-safe. Every method that reads or writes Redis may raise
    redis.RedisError."""

    def __init__(self, store: Store, *, fresh_s: Callable[[str], float]) -> None:
        """fresh_s: returns the age from which a verdict on a cluster network does not count."""
        self.losses = 0
        """How often Redis has lost its data."""
        self._store = store
        self._fresh_s = fresh_s
        self._lock = threading.Lock()
        self._kept: dict[Segment, KeptSegment] = {}
        self._changes = Changes()
        self._loading = Counter[Segment]()
        """Segments that are being read."""
        self._moments = Moments[Segment]()
        self._now_ms = self._resumed_ms = 0
        self._state = 0
        """Another number after whatever may make news of what was none."""

    def tick(self) -> None:
        """Count observed time; forget what Redis has lost."""
        time = self._store.tick()
        if time.is_lost:
            self.losses += 1
            self.reload()

    def time(self) -> ObservedTime:
        """Return the observed time."""
        time = self._store.time()
        self._now_ms, self._resumed_ms = max(self._now_ms, time.now_ms), time.resumed_ms
        return time

    def reload(self) -> None:
        """Read everything again with the next judgement."""
        with self._lock:
            self._state += 1
            self._changes.number += 1
            self._changes.all_at = self._changes.number
            self._changes.contents |= self._kept.keys()

    def forget_others(self, segments: Collection[Segment]) -> None:
        """Keep nothing of other segments."""
        with self._lock:
            self._state += 1
            self._kept = {segment: self._kept[segment] for segment in segments if segment in self._kept}
            self._changes.forget_others(self._kept)

    def put(self, verdicts: Collection[Verdict]) -> tuple[frozenset[Segment], frozenset[Segment]]:
        """Store the new verdicts; return the segments that changed, and those with news for a judgement."""
        with self._lock:
            # Before Redis has them: from then on they may be read for another network of the segment.
            told = self._news(verdicts)
        with self._unless_lost({verdict.segment for verdict in verdicts}):
            changed = self._store.put(verdicts)
        with self._lock:
            # And after: an older one of the same host may have been stored, and judged, in between.
            told |= self._news(verdicts)
            for verdict in verdicts:
                if verdict.segment in changed:
                    self._take(verdict, is_same=verdict.segment not in told)
        return changed, changed & told

    def confirm(self, host: str, repeats: Repeats) -> tuple[Confirmed, frozenset[Segment]]:
        """Take what a host repeats; also return the segments where that is news for a judgement.

        A repeat says nothing new, except where the host's newest verdict said something else, or did not
        count any more, and where it becomes the newest answer to DHCP.
        """
        same: dict[Segment, tuple[KeptSegment, Verdict, bool]] = {}
        news = set[Segment]()
        segments, lasts = repeats.segments, self._lasts(repeats.cluster_network)
        with self._lock:
            before = self._state, self._resumed_ms
            for segment, (_, _, fingerprint, is_asked) in zip(segments, repeats.verdicts, strict=True):
                kept = self._kept.get(segment)
                if kept is None:
                    continue
                meant = kept.meant(host, fingerprint, is_asked=is_asked)
                if meant is not None and self._says(meant, kept, lasts):
                    same[segment] = kept, meant, is_asked
        with self._unless_lost(segments):
            confirmed = self._store.confirm(host, repeats)
        with self._lock:
            self._now_ms = max(self._now_ms, confirmed.now_ms)
            if before != (self._state, self._resumed_ms):
                # As with put(): another one may have been judged in between.
                same = self._still_same(same, lasts)
            for segment in confirmed.gaps_s:
                found = same.get(segment)
                if found is None:
                    news.add(segment)
                    self._change(segment, is_same=False)
                    continue
                kept, meant, is_asked = found
                if segment in confirmed.partly:
                    self._take(meant, is_same=True)
                else:
                    kept.repeat(meant, is_asked, now_ms=confirmed.now_ms)
                    self._changes.add(segment, is_same=True, is_kept=True)
        return confirmed, frozenset(news)

    def _still_same(
        self, same: Mapping[Segment, tuple[KeptSegment, Verdict, bool]], lasts: Lasts
    ) -> dict[Segment, tuple[KeptSegment, Verdict, bool]]:
        """Return those of these repeats that are no news by what is kept now."""
        return {
            segment: (kept, meant, is_asked)
            for segment, (_, meant, is_asked) in same.items()
            if (kept := self._kept.get(segment)) is not None and self._says(meant, kept, lasts)
        }

    @contextmanager
    def _unless_lost(self, segments: Iterable[Segment]) -> Iterator[None]:
        """Where Redis fails, take that it may have stored what it was given."""
        try:
            yield
        except redis.RedisError:
            with self._lock:
                for segment in segments:
                    self._change(segment, is_same=False)
            raise

    def _news(self, verdicts: Iterable[Verdict]) -> set[Segment]:
        """Return the segments of those verdicts that may be news for a judgement."""
        return {
            segment
            for verdict in verdicts
            if not self._says(
                verdict, self._kept.get(segment := verdict.segment), self._lasts(segment.cluster_network)
            )
        }

    def _says(self, verdict: Verdict, kept: KeptSegment | None, lasts: Lasts) -> bool:
        """Whether it is known that the verdict is no news for a judgement. kept: of its segment."""
        if kept is None or (self._changes.contents and verdict.segment in self._changes.contents):
            return False
        return kept.says(verdict, lasts=lasts, resumed_ms=self._resumed_ms)

    def _lasts(self, cluster_network: str) -> Lasts:
        return lasts_ms(self._fresh_s(cluster_network))

    def _change(self, segment: Segment, *, is_same: bool) -> None:
        """Note a change, unless nothing is kept of the segment: anybody may report on any."""
        self._state += 1
        if segment in self._kept or segment in self._loading:
            self._changes.add(segment, is_same=is_same)

    def _take(self, verdict: Verdict, *, is_same: bool) -> None:
        self._change(verdict.segment, is_same=is_same)
        if is_same and verdict.segment in self._kept:
            self._kept[verdict.segment].replace(verdict)

    def read(self, segments: Collection[Segment]) -> Mapping[Segment, SegmentVerdicts]:
        """Return the verdicts of each of these segments; from Redis what may have changed there."""
        while True:
            self._load(segments)
            time = self.time()
            with self._lock:
                # Nothing is forgotten that a network is on, unless that has appeared a moment ago.
                if all(segment in self._kept for segment in segments):
                    return {segment: self._kept[segment].at(time) for segment in segments}

    def expired(self, now_ms: int) -> set[Segment]:
        """Return the segments of which a verdict counts no more since the last call."""
        due = self._moments.take(now_ms)
        try:
            self._load([segment for segment in due if segment in self._kept])
        except redis.RedisError:
            for segment in due:
                self._moments.put(segment, now_ms)
            raise
        found = set[Segment]()
        with self._lock:
            self._state += 1
            for segment in due:
                if (kept := self._kept.get(segment)) is None:
                    continue
                fresh_s = self._fresh_s(segment.cluster_network)
                expires_ms = kept.expires_ms(fresh_s)
                if expires_ms is not None and expires_ms <= now_ms:
                    found.add(segment)
                kept.checked_ms = now_ms
                self._moments.put(segment, kept.expires_ms(fresh_s))
        return found

    def known(self, segments: Collection[Segment]) -> Iterator[tuple[Segment, SegmentVerdicts]]:
        """Yield what is kept of each of these segments, with its ages when observed time was read last."""
        time = ObservedTime(self._now_ms)
        with self._lock:
            kept = [(segment, self._kept[segment]) for segment in segments if segment in self._kept]
        # Not under the lock, which reports wait for: thousands of segments take their time. And one by one:
        # with tens of hosts, all of them take as much memory as what is kept.
        for segment, each in kept:
            yield segment, each.at(time)

    def _load(self, segments: Collection[Segment]) -> None:
        with self._lock:
            number = self._changes.number
            missing = [s for s in segments if s not in self._kept or self._changes.has(s)]
            self._loading.update(missing)
        if not missing:
            return
        try:
            found = self._store.read(missing)
        except BaseException:
            with self._lock:
                self._loading -= Counter(missing)
            raise
        with self._lock:
            self._state += 1
            self._loading -= Counter(missing)
            for segment, read in found.items():
                self._kept[segment] = kept = KeptSegment.of(read, self._kept.get(segment))
                self._now_ms = max(self._now_ms, read.now_ms)
                self._moments.put(segment, kept.expires_ms(self._fresh_s(segment.cluster_network)))
            self._changes.read(found, number)
