"""When time alone may change what is judged: the one place that knows every limit which time passes.

Between these moments a judgement changes only by what arrives: a verdict, a network, hosts, or observed time
that stands still or goes on. Milliseconds of observed time.
"""

from collections.abc import Iterable
from typing import NamedTuple

from services.contract.doubts import DoubtKind
from services.contract.names import HOST_TTL_S
from services.contract.open_doubts import Doubts
from services.network.judge.answering import ALTERNATES_MS
from services.network.judge.doubting import ANSWER_MS, REPEATED_MS
from services.network.judge.expiry import KEPT_FRESHNESS
from services.network.judge.reduction import DHCP_FRESHNESS


class Lasts(NamedTuple):
    """For how many milliseconds a verdict counts."""

    verdict: int
    answer: int
    """As an answer to DHCP."""


def judged_again_ms(
    doubts: Doubts, before: Doubts, *, bound_ms: int, fresh_s: float, now_ms: int
) -> int | None:
    """Return when time alone next completes or repeats something; None while it cannot.

    before: what was remembered until now. What has just changed is judged once more, until nothing changes.
    bound_ms: time of the slowest host. fresh_s: age from which a verdict does not count.
    """
    fresh_ms = round(fresh_s * 1000)
    moments = [doubt.since_ms + bound_ms for doubt in doubts.each.values()]
    for doubt in doubts.incomplete.values():
        moments.append(doubt.published_ms + REPEATED_MS)
        if doubt.kind is DoubtKind.ANSWERED:
            moments.append(doubt.since_ms + ANSWER_MS)
    if doubts.differs_since_ms:
        moments.append(doubts.differs_since_ms + bound_ms)
    if doubts.undecided_since_ms:
        moments += [doubts.undecided_since_ms + held for held in (HOST_TTL_S * 1000, bound_ms, fresh_ms)]
    if doubts.unconfirmed_since_ms:
        moments.append(doubts.unconfirmed_since_ms + KEPT_FRESHNESS * fresh_ms)
    moments += [each.at_ms + ALTERNATES_MS for each in doubts.answerers[:1]]
    if doubts != before:
        moments.append(now_ms + 1)
    return min((moment for moment in moments if moment > now_ms), default=None)


def expires_ms(latest: Iterable[int], asked: Iterable[int], *, fresh_s: float, after_ms: int) -> int | None:
    """Return when the first verdict after this time counts no more; None if none does.

    latest: when the newest verdict of each host arrived. asked: the same of those that asked DHCP.
    """
    lasts = lasts_ms(fresh_s)
    moments = [at + lasts.verdict for at in latest]
    moments += [at + lasts.answer for at in asked]
    return min((moment for moment in moments if moment > after_ms), default=None)


def lasts_ms(fresh_s: float) -> Lasts:
    """Return for how long a verdict counts from its arrival on."""
    fresh_ms = round(fresh_s * 1000)
    return Lasts(fresh_ms, DHCP_FRESHNESS * fresh_ms)
