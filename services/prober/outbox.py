"""What a prober has to report: verdicts in full, and repeats of what the updater knows."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple

from services.contract.messages import MAX_SEGMENTS, Segment, Verdict
from services.contract.outcomes import DHCPOutcome, Fault
from services.contract.reports import MAX_CLUSTER_NETWORKS, MAX_REPEATS, Repeats, Report
from services.prober.engine.results import SegmentResult
from services.prober.fingerprints import fingerprint
from services.prober.known_verdicts import Key, KnownVerdicts
from services.prober.verdicts import verdict

MAX_WAITING = 20_000
"""Verdicts kept while Redis is down; beyond it the oldest are discarded, and the next sweep repeats them."""
REPEATS_HELD_S = 2.0
"""A repeat waits this long for others, or for the next report: it is no news, and a report costs the updater
several milliseconds, however little is in it."""
ANSWERED_WITHIN_S = 30.0
"""Age from which a repeat is not sent in full any more when the updater asks: what was found may be outdated.
The next verdict on the segment is."""


class Found(NamedTuple):
    """One result on its way."""

    result: SegmentResult
    request_id: str
    incarnation: int
    counter: int
    fingerprint: str | None = None

    @property
    def key(self) -> Key:
        """Its segment."""
        return self.result.cluster_network, self.result.vlan

    @property
    def is_dhcp_conclusive(self) -> bool:
        """Whether it tells what DHCP offers, or that it offers nothing."""
        return self.result.dhcp is not None and self.result.dhcp.outcome.is_conclusive

    @property
    def is_offered(self) -> bool:
        """Whether DHCP has made an offer."""
        return self.result.dhcp is not None and self.result.dhcp.outcome is DHCPOutcome.OFFERED

    def verdict(self, host: str) -> Verdict:
        """Return it as a verdict in full."""
        return verdict(
            self.result,
            host=host,
            request_id=self.request_id,
            incarnation=self.incarnation,
            counter=self.counter,
            fingerprint=self.fingerprint,
        )


@dataclass(frozen=True)
class Batch:
    """What one report has."""

    full: Sequence[Found]
    repeats: Sequence[Found]

    def __len__(self) -> int:
        return len(self.full) + len(self.repeats)

    def __iter__(self) -> Iterator[Found]:
        return chain(self.full, self.repeats)

    def first_half(self) -> "Batch":
        """Return the first half of what is in full, for a report that would be too large."""
        return Batch(self.full[: (len(self.full) + 1) // 2], [])

    def report(self, host: str) -> Report:
        """Return the report."""
        groups: dict[tuple[str, int], list[tuple[int, int, str, bool]]] = {}
        for found in self.repeats:
            assert found.fingerprint is not None
            cluster_network, vlan = found.key
            group = groups.setdefault((cluster_network, found.incarnation), [])
            group.append((vlan, found.counter, found.fingerprint, found.is_dhcp_conclusive))
        return Report(
            host=host,
            verdicts=tuple(found.verdict(host) for found in self.full),
            repeats=tuple(
                Repeats(cluster_network=name, incarnation=incarnation, verdicts=tuple(group))
                for (name, incarnation), group in groups.items()
            ),
        )


class Outbox:
    """Verdicts that wait to be reported. Times are monotonic seconds. Not thread-safe."""

    def __init__(self) -> None:
        self._known = KnownVerdicts()
        self._full: list[Found] = []
        self._repeats: list[Found] = []
        self._repeats_due_at = 0.0
        self._recent: OrderedDict[tuple[Key, bool], tuple[float, Found]] = OrderedDict()
        """The repeats that were sent within ANSWERED_WITHIN_S, by segment and kind."""

    def __len__(self) -> int:
        return len(self._full) + len(self._repeats)

    def add(self, found: Found, now: float) -> Found:
        """Add a result, and decide how it is reported; return it with its fingerprint."""
        if found.result.fault is Fault.STOPPED:
            # It says nothing, and the updater does not store it.
            self._full.append(found)
            return found
        found = found._replace(fingerprint=fingerprint(found.result))
        if not self._known.repeats(
            found.key, found.fingerprint, is_conclusive=found.is_dhcp_conclusive, now=now
        ):
            self._full.append(found)
            return found
        if not self._repeats:
            self._repeats_due_at = now + REPEATS_HELD_S
        self._repeats.append(found)
        return found

    def answer(self, segment: Segment, now: float) -> None:
        """Add in full what was repeated on this segment just now; if it is older, the next one is in full."""
        key = segment.cluster_network, segment.vlan
        repeated = [self._recent.pop((key, of_dhcp), None) for of_dhcp in (True, False)]
        answers = [r[1] for r in repeated if r is not None and now - r[0] <= ANSWERED_WITHIN_S]
        self._full += answers
        if not answers:
            self._known.forget(key)

    def discard(self) -> int:
        """Discard the oldest beyond MAX_WAITING; return their number."""
        discarded = 0
        for waiting in (self._full, self._repeats):
            excess = max(0, len(waiting) - MAX_WAITING)
            del waiting[:excess]
            discarded += excess
        return discarded

    def due_at(self) -> float | None:
        """Return when there is something to send; None while nothing waits."""
        if self._full or len(self._repeats) >= MAX_REPEATS:
            return float("-inf")
        return self._repeats_due_at if self._repeats else None

    def next(self) -> Batch:
        """Return what goes into the next report; it waits until sent() is called."""
        full = self._full[:MAX_SEGMENTS]
        # What they repeat comes before them.
        repeats = self._repeats[:MAX_REPEATS] if len(full) == len(self._full) else []
        groups = OrderedDict.fromkeys((found.key[0], found.incarnation) for found in repeats)
        if len(groups) > MAX_CLUSTER_NETWORKS:
            first = set(islice(groups, MAX_CLUSTER_NETWORKS))
            beyond = (i for i, f in enumerate(repeats) if (f.key[0], f.incarnation) not in first)
            repeats = repeats[: next(beyond)]
        return Batch(full, repeats)

    def sent(self, batch: Batch, now: float) -> None:
        """Record that this batch was sent."""
        del self._full[: len(batch.full)]
        del self._repeats[: len(batch.repeats)]
        for found in batch.repeats:
            place = found.key, found.is_dhcp_conclusive
            self._recent.pop(place, None)
            self._recent[place] = now, found
        while self._recent and now - next(iter(self._recent.values()))[0] > ANSWERED_WITHIN_S:
            self._recent.popitem(last=False)
