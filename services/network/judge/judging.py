"""Judge one network: what to report now, and what stays in doubt until the evidence is complete.

Pure: what was remembered of the network is an argument, and what to remember part of the result.
docs/states.md tells the rules.
"""

from dataclasses import replace
from typing import NamedTuple, TypeGuard

from services.contract.doubts import DoubtKind
from services.contract.names import HOST_TTL_S
from services.contract.open_doubts import ALL_CARRIERS, NO_DOUBTS, Doubts, OpenDoubt
from services.contract.outcomes import BESIDE_VERDICTS, OF_THE_GATEWAY, Reason, State
from services.network.judge.answering import track_answerers
from services.network.judge.counting import reduce_counting, with_unheard
from services.network.judge.doubting import (
    advance,
    awaits_answers,
    changed,
    close,
    is_over,
    is_silent,
    open_offer,
    open_reach,
    since_first_answer,
    track_confirmation,
    track_offers,
    without_heard,
)
from services.network.judge.evidence import (
    UNDECIDED,
    Case,
    Difference,
    accused_unheard,
    compare,
    heard_since,
    offers_ms,
    only_dhcp_tells,
    says_no_offer,
    unheard_since,
)
from services.network.judge.reduction import Conclusion
from services.network.parse.status import Status

_NOT_PROBED_YET = Conclusion(State.PENDING, Reason.NOT_PROBED_YET)


class Judgement(NamedTuple):
    """The result of one assessment."""

    found: Conclusion
    """What the verdicts that count say."""
    told: Conclusion | None
    """What to report; None while what is reported is to stand."""
    doubts: Doubts
    """What to remember."""


def judge(case: Case, doubts: Doubts) -> Judgement:
    """Judge a network. doubts: what its last judgement remembered, on whatever intent."""
    # First, since time that stands still hides who is gone.
    doubts = without_heard(case, doubts)
    if not case.verdicts.time_runs:
        # Nobody probes: as after the start, only what is better is reported.
        case = case._replace(carriers=replace(case.carriers, is_settled=False))
    doubts = track_answerers(case, advance(case, doubts))
    found = reduce_counting(case, doubts)
    if found.unoffered:
        doubts = track_offers(case, found, doubts)
        if found.is_confirming and doubts.no_offer is not None and is_over(case, doubts.no_offer):
            found = reduce_counting(case, doubts)
            doubts = track_offers(case, found, doubts)
    evidence = found
    reach = doubts.reach
    if _is_complete_silence(reach) and doubts.watermark_ms != reach.since_ms:
        # Verdicts from before the doubt count no more, if those since then give a state.
        restricted = changed(doubts, watermark_ms=reach.since_ms, unheard=())
        evidence = reduce_counting(case, restricted)
        if not _is_undecided(case, evidence):
            found, doubts = evidence, restricted
    doubts = track_confirmation(case, found, doubts)
    if _is_undecided(case, found):
        return _undecided(case, found, doubts)
    difference = compare(_comparable(case, found), found, case.intent)
    if difference is Difference.WORSE and evidence is not found:
        return _undecided(case, evidence, doubts)
    doubts = changed(doubts, undecided_since_ms=0)
    match difference:
        case Difference.NONE:
            return _same(case, found, doubts)
        case Difference.BETTER if not accused_unheard(case, doubts.watermark_ms):
            return _better(case, found, doubts)
        case Difference.WORSE:
            return _worse(case, found, doubts)
        case _:
            return _detail(case, found, doubts)


def _is_complete_silence(doubt: OpenDoubt | None) -> TypeGuard[OpenDoubt]:
    return doubt is not None and doubt.is_complete and doubt.kind is DoubtKind.SILENT


def _comparable(case: Case, found: Conclusion) -> Status | None:
    """Return what is reported, if it can be compared: a conclusion or, with Unknown, Unknown."""
    reported = case.reported
    if found.state is State.UNKNOWN and reported is not None and reported.state == State.UNKNOWN:
        return reported
    return case.standing


def _is_undecided(case: Case, found: Conclusion) -> bool:
    """Whether it says less than what is reported, or nothing."""
    if found.state is State.UNKNOWN:
        # Before all hosts are known, those that can tell may be missing.
        return case.standing is not None or not case.carriers.is_settled
    return found.state is State.PENDING


def _same(case: Case, found: Conclusion, doubts: Doubts) -> Judgement:
    if doubts is not NO_DOUBTS:
        doubts = close(found, doubts)
        if says_no_offer(found):
            doubts = changed(doubts, no_offer=None)
        if doubts.offers_after_ms and all(at >= doubts.offers_after_ms for at in offers_ms(case)):
            doubts = changed(doubts, offers_after_ms=0)
    return _tell(case, found, doubts)


def _better(case: Case, found: Conclusion, doubts: Doubts) -> Judgement:
    is_recovery = is_silent(case.standing)
    doubts = close(found, doubts, keep_answered=is_recovery)
    if is_recovery and doubts.reach is None:
        # What the other hosts found is old: it counts no more, and they have a moment to look again.
        return judge(case, open_reach(case, since_first_answer(case, found, doubts), DoubtKind.ANSWERED))
    if doubts.reach is not None and awaits_answers(case, doubts.reach):
        return _hold(case, found, doubts)
    if is_recovery and found.state is not State.ACTIVE and not case.verdicts.time_runs:
        # It could not be written in time, and what it says of the other hosts may be outdated.
        return _hold(case, found, doubts)
    return _tell(case, found, doubts)


def _worse(case: Case, found: Conclusion, doubts: Doubts) -> Judgement:
    by_dhcp = only_dhcp_tells(found, case.intent)
    if by_dhcp and says_no_offer(found):
        # As many hosts as can contradict have asked in vain, or had their time.
        return _tell(case, found, doubts) if case.carriers.is_settled else _hold(case, found, doubts)
    doubt = doubts.offer if by_dhcp else doubts.reach
    if doubt is None or doubt.kind is DoubtKind.ANSWERED:
        doubts = open_offer(case, doubts) if by_dhcp else open_reach(case, doubts, DoubtKind.SILENT)
        doubt = doubts.offer if by_dhcp else doubts.reach
        if doubt is not None and doubt.is_complete:
            return judge(case, doubts)
    if doubt is None or not doubt.is_complete or not case.carriers.is_settled:
        # A complete one may be from before time stood still: what could not be written then may be outdated.
        return _hold(case, found, doubts)
    if not by_dhcp and doubt.enough == ALL_CARRIERS and found.state not in UNDECIDED:
        doubts = changed(doubts, unheard=unheard_since(case, doubts.watermark_ms))
        found = with_unheard(case, found, doubts)
    return _tell(case, found, doubts)


def _detail(case: Case, found: Conclusion, doubts: Doubts) -> Judgement:
    now_ms = case.verdicts.now_ms
    since_ms = doubts.differs_since_ms or now_ms
    doubts = changed(doubts, digest=case.intent.digest, differs_since_ms=since_ms)
    if doubts.reach is not None and doubts.reach.is_complete:
        # All had their time, and nothing worse is left: the next difference needs its own evidence.
        doubts = changed(doubts, reach=None)
    if says_no_offer(found) and doubts.no_offer is not None:
        # The same hosts were waited for until now.
        since_ms = min(since_ms, doubts.no_offer.since_ms)
    is_late = now_ms >= since_ms + case.carriers.bound_ms
    if not case.carriers.is_settled or doubts.reach is not None:
        # While others are asked, one report at the end replaces one for each of their answers.
        return _hold(case, found, doubts)
    has_all = case.carriers.hosts <= heard_since(case, doubts.watermark_ms)
    is_complete = is_late or (has_all and not accused_unheard(case, doubts.watermark_ms))
    return _tell(case, found, doubts) if is_complete else _hold(case, found, doubts)


def _undecided(case: Case, found: Conclusion, doubts: Doubts) -> Judgement:
    """Hold a conclusion that is reported for a while, then report that the state is unknown."""
    if case.standing is None:
        doubts = changed(doubts, undecided_since_ms=0)
        stands = case.reported is not None or not case.carriers.is_settled
        return Judgement(found, None if stands else found, doubts)
    if not case.carriers.is_settled:
        return Judgement(found, None, doubts)
    now_ms = case.verdicts.now_ms
    since_ms = doubts.undecided_since_ms or now_ms
    doubts = changed(doubts, digest=case.intent.digest, undecided_since_ms=since_ms)
    if now_ms - since_ms < _held_ms(case, found, doubts):
        return Judgement(found, None, doubts)
    reason = Reason.NO_FRESH_VERDICT if found.reason is Reason.NOT_PROBED_YET else found.reason
    return Judgement(found, replace(found, state=State.UNKNOWN, reason=reason), doubts)


def _held_ms(case: Case, found: Conclusion, doubts: Doubts) -> float:
    if found.reason is Reason.NO_HOST:
        # The last host was waited for already, while it might have restarted.
        return 0
    awaited = case.carriers.hosts.difference(doubts.unheard)
    if found.reason is Reason.CANNOT_PROBE and not awaited <= heard_since(case, doubts.watermark_ms):
        # A host that has not reported may be able to; Redis may just have lost what it found.
        return case.carriers.bound_ms
    return 1000 * (HOST_TTL_S if found.state is State.UNKNOWN else case.fresh_s)


def _hold(case: Case, found: Conclusion, doubts: Doubts) -> Judgement:
    """Let what is reported stand; a report on another intent gives way to Pending."""
    is_void = case.before is not None and case.reported is None and case.carriers.is_settled
    return Judgement(found, _NOT_PROBED_YET if is_void else None, doubts)


def _tell(case: Case, found: Conclusion, doubts: Doubts) -> Judgement:
    standing = case.standing
    if standing is None or found.has_dhcp_news:
        return Judgement(found, found, doubts)
    return Judgement(found, _with_reported_dhcp(found, standing), doubts)


def _with_reported_dhcp(found: Conclusion, standing: Status) -> Conclusion:
    """Keep what is reported of DHCP: nothing was learned about it."""
    of_dhcp = standing.findings.keys() - BESIDE_VERDICTS - OF_THE_GATEWAY
    of_gateway = found.findings.keys() & OF_THE_GATEWAY
    findings = {code: standing.findings[code] for code in of_dhcp}
    findings |= {code: found.findings[code] for code in of_gateway}
    return replace(found, servers=standing.servers, dhcp_out=standing.dhcp_out, findings=findings)
