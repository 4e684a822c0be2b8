"""What is kept in memory of one segment's verdicts, and what may have changed in Redis since it was read."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Self

from services.contract.messages import Segment, Verdict
from services.contract.verdicts import AgedVerdict, ObservedTime, SegmentVerdicts
from services.network.judge.moments import Lasts, expires_ms
from services.network.judge.reach import found_by


@dataclass(slots=True)
class Seen:
    """A verdict, and when it came last and in full, in milliseconds of observed time."""

    verdict: Verdict
    at_ms: int
    full_ms: int

    def aged(self, now_ms: int) -> AgedVerdict:
        return AgedVerdict(
            self.verdict, max(0, now_ms - self.at_ms) / 1000, max(0, now_ms - self.full_ms) / 1000
        )


@dataclass(slots=True)
class KeptSegment:
    """What is kept of a segment, by host."""

    latest: dict[str, Seen]
    asked: dict[str, Seen]
    checked_ms: int
    """Until then it is known which verdicts count no more."""

    @classmethod
    def of(cls, read: SegmentVerdicts, before: Self | None) -> Self:
        """Keep what was read. before: what was kept until now."""

        def by_host(verdicts: Iterable[AgedVerdict]) -> dict[str, Seen]:
            return {
                seen.verdict.host: Seen(
                    seen.verdict, read.arrived_ms(seen), read.now_ms - round(seen.full_age_s * 1000)
                )
                for seen in verdicts
            }

        checked_ms = read.now_ms if before is None else before.checked_ms
        return cls(by_host(read.latest), by_host(read.asked_dhcp), checked_ms)

    def at(self, time: ObservedTime) -> SegmentVerdicts:
        """Return the verdicts with their ages at this time."""
        return SegmentVerdicts(
            tuple(seen.aged(time.now_ms) for seen in self.latest.values()),
            tuple(seen.aged(time.now_ms) for seen in self.asked.values()),
            now_ms=time.now_ms,
            resumed_ms=time.resumed_ms,
            time_runs=time.runs,
        )

    def expires_ms(self, fresh_s: float) -> int | None:
        """Return when the next verdict counts no more."""
        latest, asked = ([seen.at_ms for seen in kept.values()] for kept in (self.latest, self.asked))
        return expires_ms(latest, asked, fresh_s=fresh_s, after_ms=self.checked_ms)

    def meant(self, host: str, fingerprint: str, *, is_asked: bool) -> Verdict | None:
        """Return the host's verdict that a repeat names: its newest one, or its newest answer to DHCP."""
        seen = (self.asked if is_asked else self.latest).get(host)
        return seen.verdict if seen is not None and seen.verdict.fingerprint == fingerprint else None

    def says(self, verdict: Verdict, *, lasts: Lasts, resumed_ms: int) -> bool:
        """Whether a judgement would take the same from this verdict as from the host's newest, which counts.

        Of several answers to DHCP the newest counts, so that one has to be this host's already. resumed_ms:
        when observed time went on; what came before may not count.
        """
        host, checked_ms = verdict.host, self.checked_ms
        latest = self.latest.get(host)
        if latest is None or latest.at_ms < resumed_ms or latest.at_ms + lasts.verdict <= checked_ms:
            return False
        # What is repeated is mostly the newest one itself.
        if latest.verdict is not verdict and found_by(latest.verdict) != found_by(verdict):
            return False
        if not verdict.is_dhcp_conclusive:
            return True
        asked = self.asked.get(host)
        if asked is None or asked.at_ms < resumed_ms or asked.at_ms + lasts.answer <= checked_ms:
            return False
        if len(self.asked) > 1 and self._newest_asked() != host:
            return False
        return asked.verdict is verdict or _answers_alike(asked.verdict, verdict)

    def repeat(self, verdict: Verdict, is_asked: bool, *, now_ms: int) -> None:
        """Record that this verdict of its host, which says what the newest does, came once more.

        is_asked: as its newest answer to DHCP; then it is its newest verdict as well.
        """
        latest = self.latest[verdict.host]
        latest.at_ms = max(latest.at_ms, now_ms)
        if is_asked:
            asked = self.asked[verdict.host]
            asked.at_ms = max(asked.at_ms, now_ms)
            latest.verdict, latest.full_ms = asked.verdict, asked.full_ms

    def replace(self, verdict: Verdict) -> None:
        """Take a verdict that says the same. Arrivals stay: a late one may be newer than one of two alone."""
        for kept in (self.latest, self.asked) if verdict.is_dhcp_conclusive else (self.latest,):
            if verdict.host in kept:
                kept[verdict.host].verdict = verdict

    def _newest_asked(self) -> str | None:
        """Return the host of the newest answer to DHCP."""
        return min(self.asked, key=lambda host: (-self.asked[host].at_ms, host), default=None)


@dataclass(slots=True)
class Changes:
    """Which segments may have changed in Redis since they were read."""

    number: int = 0
    """Of the newest change."""
    all_at: int = 0
    """The number of the newest change of everything."""
    at: dict[Segment, int] = field(default_factory=dict)
    """The number of each segment's newest change."""
    contents: set[Segment] = field(default_factory=set)
    """Segments on which another verdict may count since."""
    arrivals: set[Segment] = field(default_factory=set)
    """Segments on which the same verdicts may be younger since."""

    def add(self, segment: Segment, *, is_same: bool, is_kept: bool = False) -> None:
        """Add a change. is_same: whether the same counts as before, and was only found once more. is_kept:
        whether all of it is kept already."""
        self.number += 1
        self.at[segment] = self.number
        if not is_kept:
            (self.arrivals if is_same else self.contents).add(segment)

    def has(self, segment: Segment) -> bool:
        return segment in self.contents or segment in self.arrivals

    def forget_others(self, segments: Collection[Segment]) -> None:
        self.at = {segment: number for segment, number in self.at.items() if segment in segments}
        self.contents.intersection_update(segments)
        self.arrivals.intersection_update(segments)

    def read(self, segments: Iterable[Segment], number: int) -> None:
        """Record that these are read as they were after this change, or later."""
        if self.all_at <= number:
            current = {segment for segment in segments if self.at.get(segment, 0) <= number}
            self.contents -= current
            self.arrivals -= current


def _answers_alike(one: Verdict, other: Verdict) -> bool:
    """Whether a judgement takes the same from both answers to DHCP."""

    def answer(verdict: Verdict) -> tuple[object, ...]:
        dhcp = verdict.dhcp
        told = () if dhcp is None else (dhcp.outcome, dhcp.servers, dhcp.omitted)
        return *told, *found_by(verdict)

    return answer(one) == answer(other)
