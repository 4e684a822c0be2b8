"""The record of a conclusion: what is told of a network, and what would be written where nothing is."""

from dataclasses import replace

from services.contract.conclusions import (
    MAX_DETAIL_CHARACTERS,
    NO_RESULT,
    ConclusionRecord,
    FormerResult,
    Hindrance,
    Result,
    Unwritten,
)
from services.contract.open_doubts import Doubts
from services.contract.outcomes import Reason, State
from services.network.judge.reduction import Conclusion
from services.network.parse import nad
from services.network.parse.intent import Intent
from services.network.parse.nad import Network
from services.network.parse.status import Status
from services.network.write.remembering import Memory
from services.network.write.writing import Change


def memory_of(record: ConclusionRecord | None, *, observe_only: bool) -> Memory:
    """Return what is remembered of a network; record: the present one, if it is readable."""
    if record is None:
        return Memory(observe_only=observe_only)
    is_denied = record.unwritten is not None and record.unwritten.why is Hindrance.DENIED
    told = Status.from_fields(record.status)
    return Memory(told, record.result, is_denied, observe_only=observe_only, former=record.former)


def record_of(
    network: Network, change: Change, doubts: Doubts, before: ConclusionRecord | None
) -> ConclusionRecord:
    """Return the record of this change. before: the present record, which knows of a refusal."""
    known = before.unwritten if before is not None else None
    unwritten = None
    if change.hindrance is not None:
        unwritten = _unwritten(change, change.hindrance)
    elif change.left_for_s is not None:
        unwritten = _unwritten(change, Hindrance.TAKEN_BACK)
    elif change.annotations and known is not None and known.why is Hindrance.DENIED:
        # What the API server refused stays refused until a write succeeds or there is nothing to write.
        unwritten = _unwritten(change, Hindrance.DENIED, known.detail)
    return _record(network, change.after, change.result, doubts, unwritten, before)


def refused(record: ConclusionRecord, change: Change, error: str) -> ConclusionRecord:
    """Return the record of a change that the API server refused with this error."""
    return record.model_copy(update={"unwritten": _unwritten(change, Hindrance.DENIED, error)})


def standing_record(
    network: Network,
    intent: Intent,
    found: Conclusion,
    memory: Memory,
    doubts: Doubts,
    before: ConclusionRecord | None,
    *,
    now: str,
) -> ConclusionRecord:
    """Return the record of a network about which nothing new is told. found: what the verdicts say."""
    unwritten = before.unwritten if before is not None else None
    is_observed = unwritten is not None and unwritten.why is Hindrance.OBSERVE_ONLY
    if memory.observe_only != is_observed:
        unwritten = Unwritten(why=Hindrance.OBSERVE_ONLY) if memory.observe_only else None
    status = _standing(network, intent, found, memory, now=now)
    result = _standing_result(network, intent, status, memory)
    return _record(network, status, result, doubts, unwritten, before)


def _standing(network: Network, intent: Intent, found: Conclusion, memory: Memory, *, now: str) -> Status:
    """Return what was reported or, where that is no result, why there is none."""
    reported = memory.reported(network)
    if reported is not None and reported.digest != intent.digest:
        reported = None
    if reported is not None and reported.state != State.PENDING:
        return reported
    reason, hosts = (
        (found.reason, found.hosts) if found.state is State.PENDING else (Reason.NOT_PROBED_YET, {})
    )
    pending = reported or Status(State.PENDING, reason, digest=intent.digest)
    pending = replace(pending, reason=reason, hosts=hosts or {})
    return pending.limited().following(memory.told, now=now)


def _standing_result(network: Network, intent: Intent, status: Status, memory: Memory) -> Result:
    """Return the result that was told with this status, or that stands in the annotation beside it."""
    if memory.told is not None and replace(memory.told, since="") == replace(status, since=""):
        return memory.result
    route = network.route
    if status.state == State.PENDING or route.connectivity != status.connectivity:
        return NO_RESULT
    if intent.mode == "manual" or status.gateway != route.gateway:
        return Result(connectivity=status.connectivity)
    return Result(cidr=route.cidr, gateway=route.gateway, connectivity=status.connectivity)


def _unwritten(change: Change, why: Hindrance, detail: str = "") -> Unwritten:
    # The API server may word its refusal with half of a surrogate pair, which is no JSON for others.
    text = detail.encode(errors="replace").decode()[:MAX_DETAIL_CHARACTERS]
    return Unwritten(why=why, detail=text, route=dict(change.route), status=nad.STATUS in change.annotations)


def _former(network: Network, status: Status, before: ConclusionRecord | None) -> FormerResult | None:
    """Return the former result for the record of this status. before: the present record."""
    if before is None:
        return None
    digest = before.status.get("digest", "")
    if digest == status.digest:
        return before.former
    told = "" if network.status is None else network.status.digest
    if told and digest == told:
        return None if before.result == NO_RESULT else FormerResult(digest=told, result=before.result)
    return before.former if before.former is not None and before.former.digest == told else None


def _record(
    network: Network,
    status: Status,
    result: Result,
    doubts: Doubts,
    unwritten: Unwritten | None,
    before: ConclusionRecord | None,
) -> ConclusionRecord:
    return ConclusionRecord(
        namespace=network.ref.namespace,
        name=network.ref.name,
        uid=network.uid,
        status=status.to_fields(),
        result=result,
        doubts=doubts,
        unwritten=unwritten,
        former=_former(network, status, before),
    )
