"""Identities of causes: the same trouble keeps its own, however sharp its explanation becomes."""

from collections.abc import Sequence
from hashlib import sha256
from itertools import islice

from services.contract.causes import (
    MAX_CAUSES,
    MAX_CHARACTERS,
    MAX_NETWORKS,
    AlternativeRecord,
    CauseRecord,
    CausesRecord,
)
from services.network.causes.finding import Cause

_ID_DIGITS = 12


def record_causes(causes: Sequence[Cause], before: CausesRecord, *, now: str) -> CausesRecord:
    """Return the record of these causes; now: the time, RFC 3339.

    A cause continues the one before with which it shares the most networks, if those are at least half of
    either one's: then it keeps id and since.
    """
    kept = causes[:MAX_CAUSES]
    continued = _continued(kept, before.causes)
    found, used = list[CauseRecord](), {former.id for former in continued.values()}
    for at, cause in enumerate(kept):
        former = continued.get(at)
        name = former.id if former is not None else _new_id(cause, now, used)
        used.add(name)
        found.append(_record(cause, name, now if former is None else former.since))
    return CausesRecord(causes=tuple(found), omitted=len(causes) - len(kept))


def _continued(causes: Sequence[Cause], before: Sequence[CauseRecord]) -> dict[int, CauseRecord]:
    """Return by the index of a cause the one that it continues; each is continued once at most."""
    formers = [frozenset(former.networks) for former in before]
    shared = sorted(
        (-overlap, cause.kind.value != former.kind, cause.subject != former.subject, at, was)
        for at, cause in enumerate(causes)
        for was, former in enumerate(before)
        if (overlap := len(formers[was].intersection(cause.networks)))
        and 2 * overlap >= min(len(cause.networks), len(former.networks))
    )
    found: dict[int, CauseRecord] = {}
    taken = set[int]()
    for *_, at, was in shared:
        if at not in found and was not in taken:
            found[at] = before[was]
            taken.add(was)
    return found


def _new_id(cause: Cause, now: str, used: set[str]) -> str:
    text = f"{cause.kind}\n{cause.subject}\n{now}"
    candidates = (sha256(f"{text}\n{n}".encode()).hexdigest()[:_ID_DIGITS] for n in range(len(used) + 1))
    return next(name for name in candidates if name not in used)


def _record(cause: Cause, name: str, since: str) -> CauseRecord:
    return CauseRecord(
        id=name,
        kind=cause.kind.value,
        subject=cause.subject[:MAX_CHARACTERS],
        since=since,
        networks=tuple(islice(cause.networks, MAX_NETWORKS)),
        hosts=cause.hosts,
        vlans=cause.vlans,
        cluster_network=cause.cluster_network,
        fault=cause.fault,
        alternatives=tuple(
            AlternativeRecord(kind=other.kind.value, subject=other.subject[:MAX_CHARACTERS])
            for other in cause.alternatives[:MAX_CAUSES]
        ),
    )
