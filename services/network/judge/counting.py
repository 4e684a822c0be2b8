"""Which verdicts count in the judgement of a network, and what they say."""

from dataclasses import replace

from services.contract.open_doubts import Doubts
from services.contract.outcomes import Reason
from services.contract.verdicts import AgedVerdict
from services.network.judge.address_findings import find_addresses
from services.network.judge.answering import with_answers
from services.network.judge.doubting import is_over
from services.network.judge.evidence import UNDECIDED, Case, newest_offer_ms, says_no_offer
from services.network.judge.half_trunks import with_half_trunks
from services.network.judge.reduction import DHCP_FRESHNESS, Conclusion, reduce
from services.network.judge.senders import with_own_answers
from services.network.judge.servers import offers_in


def reduce_counting(case: Case, doubts: Doubts) -> Conclusion:
    """Reduce the verdicts that count."""
    latest, asked = case.verdicts.latest, case.verdicts.asked_dhcp
    if doubts.watermark_ms:
        latest = _arrived_since(case, latest, doubts.watermark_ms)

    if case.senders.needs_address:
        held = tuple(seen for seen in asked if seen.age_s < DHCP_FRESHNESS * case.fresh_s)
        held = _arrived_since(case, held, doubts.watermark_ms)
        latest = with_own_answers(latest, held, case.intent.digest)

    if offered_ms := newest_offer_ms(case):
        # What an offer has refuted stays so, although the host that received it is gone.
        asked = _arrived_since(case, asked, offered_ms + 1, or_offered=True)

    since_ms = doubts.unconfirmed_since_ms
    unconfirmed_s = (case.verdicts.now_ms - since_ms) / 1000 if since_ms else 0.0

    def reduced(**more: int) -> Conclusion:
        return reduce(
            case.intent,
            latest,
            asked,
            hosts=case.carriers.hosts,
            fresh_s=case.fresh_s,
            policy=case.policy,
            unconfirmed_s=unconfirmed_s,
            **more,
        )

    found = reduced()
    if found.unoffered:
        is_out = says_no_offer(case.standing)
        if case.verdicts.resumed_ms and not is_out:
            # A server that was missing before observed time stood still may be back.
            asked = _arrived_since(case, asked, case.verdicts.resumed_ms, or_offered=True)
            found = reduced()
        is_late = (
            doubts.no_offer is not None
            and doubts.no_offer.since_ms > newest_offer_ms(case)
            and is_over(case, doubts.no_offer)
        )
        if found.is_confirming and (is_late or is_out):
            # What is reported needs no confirmation again, and mute hosts hide nothing for ever.
            found = reduced(dhcp_confirmations=0)
    if doubts.offers_after_ms and not says_no_offer(found) and newest_offer_ms(case) < doubts.offers_after_ms:
        # The host without an offer is gone. That brings no server back.
        asked = _arrived_since(case, asked, doubts.offers_after_ms)
        found = reduced()
    found = with_unheard(case, found, doubts)
    if beside := _find_beside(case):
        found = replace(found, findings={**found.findings, **beside})
    return with_half_trunks(case, with_answers(case, found, doubts))


def _find_beside(case: Case) -> dict[str, str]:
    """Return the findings that rest on no answer to DHCP."""
    counting = (
        [seen for seen in seen_by_all if seen.age_s < limit_s and seen.verdict.host in case.carriers.hosts]
        for seen_by_all, limit_s in (
            (case.verdicts.latest, case.fresh_s),
            (case.verdicts.asked_dhcp, DHCP_FRESHNESS * case.fresh_s),
        )
    )
    return find_addresses(case.intent, *counting, needs_address=case.senders.is_known)


def _arrived_since(
    case: Case, verdicts: tuple[AgedVerdict, ...], since_ms: int, *, or_offered: bool = False
) -> tuple[AgedVerdict, ...]:
    return tuple(
        seen
        for seen in verdicts
        if case.verdicts.arrived_ms(seen) >= since_ms or (or_offered and offers_in(seen.verdict))
    )


def with_unheard(case: Case, found: Conclusion, doubts: Doubts) -> Conclusion:
    """Name the hosts that had their time and did not report."""
    if not doubts.unheard or found.state in UNDECIDED:
        return found
    unheard = dict.fromkeys(case.carriers.hosts.intersection(doubts.unheard), Reason.NOT_HEARD.value)
    return replace(found, hosts={**(found.hosts or {}), **unheard})
