"""Finding the fewest causes that explain all symptoms (weighted set cover, greedily).

Deterministic. A symptom that no candidate explains stays with its network.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from services.contract.outcomes import Fault
from services.network.causes.candidates import propose
from services.network.causes.evidence import Evidence, Symptom, symptoms_of
from services.network.causes.kinds import RANK, Candidate, CauseKind


class Alternative(NamedTuple):
    """Another cause that explains the same, so that the evidence cannot tell the two apart."""

    kind: CauseKind
    subject: str


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is broken, and what follows from it."""

    kind: CauseKind
    subject: str
    networks: tuple[str, ...]
    """The networks that it explains, as namespace/name, in order."""
    hosts: tuple[str, ...]
    """The hosts that it is about; empty if it is not about hosts."""
    vlans: tuple[int, ...]
    cluster_network: str = ""
    """Empty if it may concern several."""
    fault: Fault | None = None
    """What the host says itself."""
    alternatives: tuple[Alternative, ...] = ()


def explain_site(rows: Sequence[Evidence]) -> tuple[Cause, ...]:
    """Return the fewest causes that explain what is wrong with these networks, the largest first."""
    symptoms = list(
        chain.from_iterable(symptoms_of(i, row) for i, row in enumerate(rows) if not row.is_clean)
    )
    if not symptoms:
        return ()
    chosen = _cover(propose(rows, symptoms))
    causes = [_cause(rows, pick) for pick in chosen]
    causes.sort(key=lambda cause: (-len(cause.networks), RANK[cause.kind], cause.subject))
    return tuple(causes)


class _Pick(NamedTuple):
    candidate: Candidate
    alternatives: tuple[Candidate, ...]


def _cover(candidates: Sequence[Candidate]) -> list[_Pick]:
    """Choose candidates until nothing more is explained; what the others explain anyway is dropped."""
    covered: set[Symptom] = set()
    explaining: dict[int, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        for row in {symptom.row for symptom in candidate.explains}:
            explaining[row].append(candidate)
    heap = [_entry(candidate, len(candidate.explains)) for candidate in candidates]
    heapq.heapify(heap)
    picks: list[_Pick] = []
    while heap:
        candidate = heapq.heappop(heap)[-1]
        gain = candidate.explains - covered
        if not gain:
            continue
        entry = _entry(candidate, len(gain))
        if heap and heap[0] < entry:
            # What it explains has become less since it was put there.
            heapq.heappush(heap, entry)
            continue
        some = next(iter(gain))
        rivals = [
            other
            for other in explaining[some.row]
            if other is not candidate and gain <= other.explains and other.explains - covered == gain
        ]
        picks.append(_Pick(candidate, tuple(sorted(rivals, key=_preference))))
        covered |= gain
    return _without_redundant(picks)


def _preference(candidate: Candidate) -> tuple[int, str]:
    return RANK[candidate.kind], candidate.subject


def _entry(candidate: Candidate, gain: int) -> tuple[float, int, str, int, Candidate]:
    # The identity decides only between two that look the same to everybody.
    return -gain / candidate.cost, *_preference(candidate), id(candidate), candidate


def _without_redundant(picks: Sequence[_Pick]) -> list[_Pick]:
    """Drop those of which everything is explained by the others, those that explain least first."""
    times = Counter(chain.from_iterable(pick.candidate.explains for pick in picks))
    kept = list(picks)
    for pick in sorted(picks, key=lambda pick: len(pick.candidate.explains)):
        if all(times[symptom] > 1 for symptom in pick.candidate.explains):
            times.subtract(pick.candidate.explains)
            kept.remove(pick)
    return kept


def _cause(rows: Sequence[Evidence], pick: _Pick) -> Cause:
    candidate = pick.candidate
    of_rows = {symptom.row for symptom in candidate.explains}
    return Cause(
        candidate.kind,
        candidate.subject,
        tuple(sorted({name for row in of_rows for name in rows[row].networks})),
        candidate.hosts,
        tuple(sorted({rows[row].vlan for row in of_rows})),
        candidate.cluster_network,
        candidate.fault,
        tuple(Alternative(other.kind, other.subject) for other in pick.alternatives),
    )
