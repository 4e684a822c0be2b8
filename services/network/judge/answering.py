"""Who answers for the gateway on the VLAN: its MAC address, when that has changed, and whether it has a twin.

Pure functions of one assessment and of what the last one remembered. Of redundant routers one may answer for
another (contract.macs), and leaves of a fabric each answer their own hosts: neither is a duplicate.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from typing import NamedTuple

from services.contract.limits import MAX_ANSWERS
from services.contract.macs import macs_in, named, protocol_of, router_of
from services.contract.open_doubts import MAX_ANSWERERS, Answerer, Doubts
from services.contract.outcomes import ReachOutcome, Reason, State
from services.network.judge.doubting import changed
from services.network.judge.evidence import UNDECIDED, Case
from services.network.judge.reduction import Conclusion, check_of
from services.network.judge.servers import offers_in

ALTERNATES_MS = 1_800_000
"""Two take turns if they do so as often as Doubts remembers within this time."""
_MORE = " and others"


class _Answer(NamedTuple):
    """What one host was answered."""

    first_ms: int
    """Since when it says so, in observed time."""
    at_ms: int
    mac: str
    macs: tuple[str, ...]
    """All that answered one question, if they are not one router."""


def track_answerers(case: Case, doubts: Doubts) -> Doubts:
    """Remember the last changes of who answers, as far as they are recent."""
    gateway, now_ms = case.intent.gateway or case.intent.known_gateway, case.verdicts.now_ms
    recent = tuple(each for each in doubts.answerers if now_ms - each.at_ms < ALTERNATES_MS)
    current = recent[-1].mac if recent else _told(case, gateway)
    if gateway is not None and current:
        for answer in sorted(_answers(case, gateway)):
            since_ms = recent[-1].at_ms + case.carriers.bound_ms if recent else now_ms - ALTERNATES_MS
            # What another host reports a little later may be from before.
            if answer.macs or answer.first_ms <= since_ms or router_of(answer.mac) == router_of(current):
                continue
            current = answer.mac
            recent = (*recent, Answerer(mac=current, at_ms=answer.first_ms))[-MAX_ANSWERERS:]
    return (
        changed(doubts, digest=case.intent.digest, answerers=recent) if recent or doubts.answerers else doubts
    )


def with_answers(case: Case, found: Conclusion, doubts: Doubts) -> Conclusion:
    """Add the gateway's MAC address, and the finding that it has a twin.

    Another MAC address takes the place of the one that was told once every host is answered with it.
    """
    gateway = found.gateway or case.intent.gateway or case.intent.known_gateway
    if gateway is None or found.state is State.DHCP_FAILED:
        return found
    told = _told(case, gateway)
    # Without a conclusion nothing is learned of it.
    answers = [] if found.state in UNDECIDED else _answers(case, gateway, since_ms=doubts.watermark_ms)
    twins = {mac for answer in answers for mac in answer.macs}
    if not twins and len(doubts.answerers) == MAX_ANSWERERS and answers:
        twins = {each.mac for each in doubts.answerers}
    newest = max(answers, key=lambda answer: (answer.at_ms, answer.mac)).mac if answers else told
    is_agreed = not twins and len({router_of(answer.mac) for answer in answers}) == 1
    is_other = is_agreed and router_of(newest) != router_of(told)
    found = replace(found, gateway_mac=newest if is_other or not told else told)
    if not twins:
        return found
    text = _describe(gateway, twins, _told_twins(case, gateway))
    return replace(found, findings={**found.findings, Reason.DUPLICATE_GATEWAY.value: text})


def _told(case: Case, gateway: IPv4Address | None) -> str:
    """Return the MAC address of this gateway that was told last; empty without one."""
    before = case.reported
    return before.gateway_mac if before is not None and before.gateway == str(gateway) else ""


def _told_twins(case: Case, gateway: IPv4Address) -> str:
    before = case.reported
    is_same = before is not None and before.gateway == str(gateway)
    return before.findings.get(Reason.DUPLICATE_GATEWAY, "") if before is not None and is_same else ""


def _answers(case: Case, gateway: IPv4Address, *, since_ms: int = 0) -> list[_Answer]:
    """Return what the hosts were answered that count; since_ms: what arrived before does not."""
    found: list[_Answer] = []
    for seen in case.verdicts.latest:
        verdict, at_ms = seen.verdict, case.verdicts.arrived_ms(seen)
        if (
            verdict.fault is not None
            or verdict.host not in case.carriers.hosts
            or seen.age_s >= case.fresh_s
            or at_ms < since_ms
        ):
            continue
        check = check_of(verdict, case.intent.digest, gateway)
        if check is None or check.vlan.outcome is not ReachOutcome.REACHABLE or check.vlan.mac is None:
            continue
        first_ms = min(at_ms, case.verdicts.now_ms - round(seen.full_age_s * 1000))
        macs = check.vlan.macs
        found.append(
            _Answer(first_ms, at_ms, check.vlan.mac, macs if macs and _are_several(case, macs) else ())
        )
    return found


def _are_several(case: Case, macs: Sequence[str]) -> bool:
    """Whether these are more than one router.

    Beside the MAC address of a virtual router, one through which DHCP is relayed is that router's own.
    """
    own: set[str | None] = set()
    if any(map(protocol_of, macs)):
        own = {
            o.mac for seen in case.verdicts.asked_dhcp for o in offers_in(seen.verdict) if o.relay is not None
        }
    return len({router_of(mac) for mac in macs if mac not in own or protocol_of(mac)}) > 1


def _describe(gateway: IPv4Address, macs: Iterable[str], told: str) -> str:
    """Return the finding's text. told: as it stands; whom it names stays named as long as there is a finding.

    A tenant can answer with another MAC address each time, and each new text would be a write.
    """
    known = macs_in(told)[:MAX_ANSWERS]
    listed = [*known, *sorted(set(macs) - set(known))]
    text = f"{gateway} is answered by " + ", ".join(map(named, sorted(listed[:MAX_ANSWERS])))
    return text + (_MORE if len(listed) > MAX_ANSWERS or told.endswith(_MORE) else "")
