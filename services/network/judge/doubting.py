"""The doubts about one network: when they open, when the evidence is complete, when they close, who is asked.

Pure functions of one assessment and of what the last one remembered.
"""

import math
from collections.abc import Collection, Sequence
from typing import Any

from services.contract.doubts import Doubt, DoubtKind
from services.contract.open_doubts import ALL_CARRIERS, NO_DOUBTS, Doubts, OpenDoubt
from services.contract.outcomes import State
from services.contract.verdicts import AgedVerdict
from services.network.judge.evidence import (
    UNDECIDED,
    Case,
    asked_since,
    askers_needed,
    heard_since,
    newest_offer_ms,
    says_no_offer,
)
from services.network.judge.reduction import Conclusion
from services.network.paced import confirmers
from services.network.parse.status import Status

REPEATED_MS = 10_000
"""After this time a doubt that is still open is published again: a frame or a report may have been lost."""
ANSWER_MS = 5_000
"""How long the others have to find that a silent gateway answers them too: three ARP probes, and the way
there and back. A host that is answered says so within a tenth of a second, or a second where it says what its
last verdict said: a repeat waits for others."""
LATE_MS = 5_000
"""Time from a verdict's arrival after which its assessment is late."""


def is_over(case: Case, doubt: OpenDoubt) -> bool:
    """Whether the slowest host has had its time to report."""
    return case.verdicts.now_ms >= doubt.since_ms + case.carriers.bound_ms


def is_silent(status: Status | None) -> bool:
    """Whether it says that the gateway answers on the VLAN from no host."""
    return status is not None and status.state in (State.UNREACHABLE, State.OFF_VLAN)


def awaits_answers(case: Case, doubt: OpenDoubt) -> bool:
    """Whether other hosts may still find that a gateway answers them too."""
    return not doubt.is_complete and case.verdicts.now_ms < doubt.since_ms + ANSWER_MS


def advance(case: Case, doubts: Doubts) -> Doubts:
    """Complete the doubts whose evidence is there or whose time is over; drop what no longer matters."""
    if doubts is NO_DOUBTS or doubts.digest != case.intent.digest:
        return NO_DOUBTS
    if doubts.no_offer is not None and doubts.no_offer.since_ms <= newest_offer_ms(case):
        # Before it begins anew with observed time: from then on it would be newer than that offer.
        doubts = changed(doubts, no_offer=None)
    doubts = changed(
        doubts,
        reach=_resumed(case, doubts.reach),
        offer=_asked(case, _resumed(case, doubts.offer)),
        no_offer=_asked(case, _resumed(case, doubts.no_offer)),
    )
    reach = doubts.reach
    if reach is not None and case.carriers.is_settled:
        doubts = changed(doubts, reach=_reported(case, reach))
    elif doubts.watermark_ms and reach is None:
        is_needed = not case.carriers.hosts.isdisjoint(doubts.unheard)
        if not (is_needed or _has_former(case, doubts.watermark_ms)):
            doubts = changed(doubts, watermark_ms=0, unheard=())
    return doubts


def _reported(case: Case, doubt: OpenDoubt) -> OpenDoubt:
    """Complete a doubt about the gateway once enough carriers have reported since, or had their time.

    It begins anew where its result could not be told before another carrier came, which may contradict.
    """
    heard = heard_since(case, doubt.since_ms, could_tell=True)
    missing = case.carriers.hosts - heard
    if not doubt.is_complete:
        is_complete = len(heard) >= (doubt.enough or len(case.carriers.hosts)) or is_over(case, doubt)
        passed = tuple(sorted(missing))
        return doubt.model_copy(update={"is_complete": True, "passed": passed}) if is_complete else doubt
    if doubt.kind is DoubtKind.SILENT and doubt.enough == ALL_CARRIERS and not missing <= set(doubt.passed):
        return OpenDoubt(kind=doubt.kind, since_ms=case.verdicts.now_ms)
    return doubt


def _asked(case: Case, doubt: OpenDoubt | None) -> OpenDoubt | None:
    """Complete a doubt about DHCP once enough hosts have asked it since, or had their time."""
    if doubt is None or doubt.is_complete or not case.carriers.is_settled:
        return doubt
    is_asked = len(asked_since(case, doubt.since_ms)) >= askers_needed(case)
    return doubt.model_copy(update={"is_complete": True}) if is_asked or is_over(case, doubt) else doubt


def without_heard(case: Case, doubts: Doubts) -> Doubts:
    """Return the doubts without those hosts as not heard that have reported since, or are gone.

    A host was heard even if Redis loses its report, and one that comes back has its time anew.
    """
    if not doubts.unheard:
        return doubts
    heard = heard_since(case, doubts.watermark_ms, fresh_s=math.inf)
    gone = frozenset(doubts.unheard) - case.carriers.hosts if case.carriers.is_settled else frozenset()
    return changed(doubts, unheard=tuple(host for host in doubts.unheard if host not in heard | gone))


def _has_former(case: Case, watermark_ms: int) -> bool:
    """Whether a host, which may come back, has a fresh result from before the watermark."""
    return any(
        seen.age_s < case.fresh_s and case.verdicts.arrived_ms(seen) < watermark_ms
        for seen in case.verdicts.latest
    )


def _resumed(case: Case, doubt: OpenDoubt | None) -> OpenDoubt | None:
    """Begin the doubt anew if observed time stood still since: the evidence may be long outdated."""
    resumed_ms = case.verdicts.resumed_ms
    if doubt is None or doubt.since_ms >= resumed_ms:
        return doubt
    return OpenDoubt(kind=doubt.kind, since_ms=resumed_ms, enough=doubt.enough)


def open_reach(case: Case, doubts: Doubts, kind: DoubtKind) -> Doubts:
    """Open a doubt about the gateway, in which every carrier is asked, or two where much is in doubt."""
    carriers = len(case.carriers.hosts)
    asked = confirmers(case.open_doubts, carriers, pace=case.carriers.pace)
    doubt = OpenDoubt(
        kind=kind,
        since_ms=_since(case, doubts, case.verdicts.latest),
        enough=ALL_CARRIERS if asked == carriers else asked,
    )
    return advance(case, changed(doubts, digest=case.intent.digest, reach=doubt))


def since_first_answer(case: Case, found: Conclusion, doubts: Doubts) -> Doubts:
    """Let no result count from before the gateway answered a host on the VLAN."""
    answers = [
        case.verdicts.arrived_ms(seen)
        for seen in case.verdicts.latest
        if seen.verdict.host in found.answering
    ]
    return changed(doubts, digest=case.intent.digest, watermark_ms=min(answers, default=doubts.watermark_ms))


def open_offer(case: Case, doubts: Doubts) -> Doubts:
    """Open a doubt about what an offer says."""
    since_ms = _since(case, doubts, case.verdicts.asked_dhcp)
    doubt = OpenDoubt(kind=DoubtKind.OFFER, since_ms=since_ms)
    return advance(case, changed(doubts, digest=case.intent.digest, offer=doubt))


def track_offers(case: Case, found: Conclusion, doubts: Doubts) -> Doubts:
    """Open a doubt with the first host that receives no offer; remember which offers no longer count."""
    doubt = doubts.no_offer
    is_begun = doubt is not None and doubt.since_ms > newest_offer_ms(case)
    if not is_begun and not says_no_offer(case.standing):
        asked = asked_since(case, 0)
        # A host that asks once more must not prolong it: it began with the first answer.
        since_ms = min((asked[host] for host in found.unoffered if host in asked), default=0)
        doubt = OpenDoubt(kind=DoubtKind.NO_OFFER, since_ms=since_ms)
        doubts = advance(case, changed(doubts, digest=case.intent.digest, no_offer=doubt))
    if says_no_offer(found) and doubt is not None and case.carriers.is_settled:
        return changed(doubts, offers_after_ms=doubt.since_ms)
    return doubts


def track_confirmation(case: Case, found: Conclusion, doubts: Doubts) -> Doubts:
    """Remember since when nothing confirms the gateway that DHCP named; what is undecided changes nothing."""
    if found.state in UNDECIDED or found.forgotten:
        return doubts
    since_ms = doubts.unconfirmed_since_ms
    is_named = found.has_dhcp_news and not found.dhcp_out
    if is_named or found.answering:
        since_ms = 0
    elif found.dhcp_out:
        since_ms = since_ms or case.verdicts.now_ms
    if since_ms == doubts.unconfirmed_since_ms:
        return doubts
    return changed(doubts, digest=case.intent.digest, unconfirmed_since_ms=since_ms)


def _since(case: Case, doubts: Doubts, verdicts: Sequence[AgedVerdict]) -> int:
    """Return when the newest verdict that counts arrived; now, if it came before the last assessment.

    Then no verdict made the difference, but age or a lost host. It is also now where the assessment is late:
    the time that the other hosts have must not be over before they are asked.
    """
    counting = heard_since(case, doubts.watermark_ms)
    newest = max((case.verdicts.arrived_ms(s) for s in verdicts if s.verdict.host in counting), default=0)
    now_ms = case.verdicts.now_ms
    is_news = 0 < case.looked_ms <= newest and newest >= now_ms - LATE_MS
    return newest if is_news else now_ms


def close(found: Conclusion, doubts: Doubts, *, keep_answered: bool = False) -> Doubts:
    """Close what is no longer in doubt, now that the verdicts say what is reported, or better.

    keep_answered: whether other hosts are still asked if the gateway answers them too.
    """
    is_kept = keep_answered and doubts.reach is not None and doubts.reach.kind is DoubtKind.ANSWERED
    return changed(
        doubts,
        reach=doubts.reach if is_kept else None,
        offer=None,
        no_offer=doubts.no_offer if found.is_confirming or found.dhcp_out else None,
        differs_since_ms=0,
        undecided_since_ms=0,
    )


def reported(doubts: Doubts, status: Status) -> Doubts:
    """Close the doubts that are complete, once their result is reported: the next one needs new evidence.

    status: what is reported. What it does not say of DHCP is still to be confirmed.
    """
    is_over = dict.fromkeys(doubts.each.keys() - doubts.incomplete.keys())
    if status.state != State.UNKNOWN and not says_no_offer(status):
        is_over.pop("no_offer", None)
    if doubts.reach is not None and doubts.reach.kind is DoubtKind.ANSWERED:
        is_over["reach"] = None
    return changed(doubts, **is_over, differs_since_ms=0, undecided_since_ms=0)


def changed(doubts: Doubts, **changes: Any) -> Doubts:
    """Return the doubts with these fields; NO_DOUBTS if nothing is left to remember."""
    if all(getattr(doubts, name) == value for name, value in changes.items()):
        return doubts
    after = doubts.model_copy(update=changes)
    return NO_DOUBTS if after.model_copy(update={"digest": None}) == NO_DOUBTS else after


def publish_due(case: Case, found: Conclusion, doubts: Doubts) -> tuple[Doubts, list[Doubt]]:
    """Return the open doubts that the watcher should be told of now, and what to remember of that."""
    asked: list[Doubt] = []
    for name, doubt in doubts.incomplete.items():
        now_ms = case.verdicts.now_ms
        if doubt.published_ms and now_ms - doubt.published_ms < REPEATED_MS:
            continue
        if doubt.kind.asks_dhcp:
            unoffered = found.unoffered if doubt.kind is DoubtKind.NO_OFFER else ()
            heard: Collection[str] = unoffered or asked_since(case, doubt.since_ms)
            if unoffered and doubt.published_ms:
                # The others have not confirmed it: it may be over for those that asked long ago.
                heard = asked_since(case, doubt.published_ms)
            wanted = askers_needed(case)
        else:
            heard = heard_since(case, doubt.since_ms, could_tell=True)
            wanted = doubt.enough or len(case.carriers.hosts)
        if wanted > len(heard):
            ask = wanted - len(heard)
            named = tuple(sorted(heard))
            asked.append(Doubt(segment=case.intent.segment, kind=doubt.kind, heard=named, ask=ask))
            if case.senders.needs_address and doubt.kind is DoubtKind.SILENT and case.intent.mode == "auto":
                # Without an address they cannot tell: at depth lease, asking DHCP gives them one.
                asked.append(asked[-1].model_copy(update={"kind": DoubtKind.OFFER}))
        doubts = changed(doubts, **{name: doubt.model_copy(update={"published_ms": now_ms})})
    return doubts, asked
