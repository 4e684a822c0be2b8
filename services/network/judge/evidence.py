"""Which evidence a difference from the reported state needs, and whether it is complete.

Pure functions of one assessment. docs/states.md tells the rules.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

from services.contract.limits import FRAMES_PER_S, REPORT_WITHIN_S
from services.contract.outcomes import BESIDE_VERDICTS, OF_THE_GATEWAY, Reason, State
from services.contract.verdicts import SegmentVerdicts
from services.network.judge.dhcp import is_conclusive
from services.network.judge.reach import is_unclear
from services.network.judge.reduction import CONFIRMATIONS, DHCP_FRESHNESS, Conclusion, is_on
from services.network.judge.senders import Senders, learn, without_probes
from services.network.judge.servers import offers_in
from services.network.paced import fresh_s
from services.network.parse.intent import Intent
from services.network.parse.status import Status
from services.network.policy import Policy

ANSWERING = frozenset({State.ACTIVE, State.PARTIAL, State.ISOLATED, State.OFF_VLAN})
"""States in which the gateway answers somewhere."""
SILENT = frozenset({State.UNREACHABLE, State.DHCP_FAILED})
UNDECIDED = frozenset({State.PENDING, State.UNKNOWN})
"""States without a conclusion."""
NO_ACCUSATION = frozenset({Reason.INCONCLUSIVE, Reason.NOT_HEARD, Reason.ARP_NEEDS_ADDRESS})
"""Why a host is named of which nothing is known to be wrong."""


class Difference(Enum):
    """How what the verdicts say differs from what is reported."""

    NONE = "none"
    BETTER = "better"
    """It is reported at once."""
    DETAIL = "detail"
    """Hosts less, servers, findings: it is reported once every carrier has a verdict."""
    WORSE = "worse"
    """Another state, or a host is accused: it is in doubt until every carrier has reported since."""


@dataclass(frozen=True, slots=True)
class Carriers:
    """The hosts that carry a cluster network."""

    hosts: frozenset[str]
    """Those that are announced, and those that restart."""
    bound_ms: int = round(REPORT_WITHIN_S * 1000)
    """How long the slowest of them may take to report after it was asked."""
    is_settled: bool = True
    """Whether every live host has had the time to announce itself since the updater's start."""
    pace: float = FRAMES_PER_S
    """Frames a second that the watcher allows them all together; 0 for no limit."""
    sweep_s: float = 0.0
    """Seconds between two sweeps of each, where the pace allows fewer than are set; else 0."""

    def fresh_s(self, set_s: float) -> float:
        """Return for how many seconds a result counts: set_s where the pace allows the sweeps as set."""
        return max(set_s, fresh_s(self.sweep_s))


class Case(NamedTuple):
    """What one assessment of a network knows."""

    intent: Intent
    before: Status | None
    """What was reported last, on this intent or another one."""
    verdicts: SegmentVerdicts
    carriers: Carriers
    policy: Policy
    fresh_s: float
    looked_ms: int
    """When the network was assessed last (observed time); 0 for the first time."""
    open_doubts: int = 0
    """Doubts about other networks of the cluster network."""
    senders: Senders = Senders()
    """Which addresses ARP is answered to; see as_asked()."""

    @property
    def reported(self) -> Status | None:
        """What was reported on this very intent."""
        return self.before if self.before is not None and self.before.digest == self.intent.digest else None

    @property
    def standing(self) -> Status | None:
        """The same, if it is a conclusion."""
        reported = self.reported
        return None if reported is None or reported.state in UNDECIDED else reported


def as_asked(case: Case) -> Case:
    """Return the case with what silence means there: it proves nothing to a host that needs an address."""
    reported, verdicts, digest = case.reported, case.verdicts, case.intent.digest
    latest, asked = (
        [seen for seen in seen_by_all if seen.verdict.host in case.carriers.hosts]
        for seen_by_all in (verdicts.latest, verdicts.asked_dhcp)
    )
    senders = learn(
        digest,
        latest,
        asked,
        fresh_s=case.fresh_s,
        answer_s=DHCP_FRESHNESS * case.fresh_s,
        was_known=reported is not None and Reason.ARP_NEEDS_ADDRESS in reported.findings,
    )
    if not senders.needs_address:
        return case
    seen = replace(
        verdicts,
        latest=without_probes(verdicts.latest, digest),
        asked_dhcp=without_probes(verdicts.asked_dhcp, digest),
    )
    return case._replace(verdicts=seen, senders=senders)


def compare(reported: Status | None, found: Conclusion, intent: Intent) -> Difference:
    """Compare what the verdicts say with what is reported on the same intent, None if nothing is."""
    is_new = _names_new_gateway(reported, found, intent)
    if is_new and (intent.known_gateway or (reported and reported.gateway)):
        # Another server must not take the place of a gateway that other hosts still reach.
        return Difference.WORSE
    accuses_all = _accuses_all(reported, found)
    if reported is None:
        at_once = found.state is State.ACTIVE or (is_new and found.state in ANSWERING)
        return Difference.BETTER if at_once and not accuses_all else Difference.WORSE
    is_same = reported.state == found.state and reported.connectivity == (found.connectivity or "")
    if is_same and _has_details(reported, found):
        return Difference.NONE
    if not accuses_all and (_is_better(reported, found) or _names_new_cidr(found, intent)):
        return Difference.BETTER
    shown = _shown(found)
    if not is_same or _accused(shown.hosts) - _accused(reported.hosts):
        return Difference.WORSE
    return Difference.NONE if _details(shown, found) == _details(reported, found) else Difference.DETAIL


def _accuses_all(reported: Status | None, found: Conclusion) -> bool:
    """Whether it says of every host that the VLAN is silent there, and what is reported did not.

    That takes the word of every host, whatever else got better.
    """
    return found.state is State.OFF_VLAN and (
        reported is None or reported.state not in (State.OFF_VLAN, State.UNREACHABLE)
    )


def _is_better(reported: Status, found: Conclusion) -> bool:
    if found.state is State.ACTIVE and reported.state != State.ACTIVE:
        return True
    if found.connectivity == "true" and reported.connectivity != "true":
        return True
    return reported.state in SILENT and found.state in ANSWERING


def _names_new_gateway(reported: Status | None, found: Conclusion, intent: Intent) -> bool:
    """Whether DHCP names a gateway that is neither the known one nor the one reported on."""
    if found.gateway is None or found.gateway == intent.known_gateway:
        return False
    return reported is None or reported.gateway != str(found.gateway)


def _names_new_cidr(found: Conclusion, intent: Intent) -> bool:
    """Whether DHCP names another subnet for the known gateway, which answers."""
    is_known = found.gateway is not None and found.gateway == intent.known_gateway
    return is_known and found.cidr != intent.known_cidr and found.state in ANSWERING


def _has_details(reported: Status, found: Conclusion) -> bool:
    """Whether the details are the same. Quick; where it says no, _details() decides."""
    return (
        reported.reason == found.reason
        and reported.detail == found.detail
        and reported.hosts == (found.hosts or {})
        and reported.servers == found.servers
        and reported.dhcp_out == found.dhcp_out
        and reported.findings == found.findings
        and reported.gateway_mac == found.gateway_mac
    )


def _shown(found: Conclusion) -> Status:
    return Status(
        found.state,
        found.reason,
        detail=found.detail,
        hosts=found.hosts or {},
        servers=found.servers,
        dhcp_out=found.dhcp_out,
        findings=found.findings,
        gateway_mac=found.gateway_mac,
    ).limited()


def _details(status: Status, found: Conclusion) -> tuple[object, ...]:
    of_gateway = {code: text for code, text in status.findings.items() if code in OF_THE_GATEWAY}
    of_hosts = (status.reason, status.detail, status.hosts, status.hosts_omitted)
    checked = (*of_hosts, status.gateway_mac, of_gateway)
    if not found.has_dhcp_news:
        return checked
    findings = {code: text for code, text in status.findings.items() if code not in BESIDE_VERDICTS}
    return (*checked, status.servers, status.dhcp_out, findings)


def _accused(hosts: Mapping[str, str]) -> set[tuple[str, str]]:
    return {(host, why) for host, why in hosts.items() if why not in NO_ACCUSATION}


def only_dhcp_tells(found: Conclusion, intent: Intent) -> bool:
    """Whether other hosts can contradict only by asking DHCP: they know of no gateway to check."""
    if intent.mode != "auto":
        return False
    is_failed = found.state is State.DHCP_FAILED and not found.forgotten
    return is_failed or (found.gateway is not None and intent.known_gateway is None)


def says_no_offer(status: Status | Conclusion | None) -> bool:
    """Whether it says that no DHCP server answers."""
    return status is not None and (
        status.reason == Reason.NO_DHCP_OFFER or Reason.NO_DHCP_OFFER in status.findings
    )


def accused_unheard(case: Case, watermark_ms: int) -> bool:
    """Whether the report accuses a host without a verdict, or that could not tell: that acquits nobody."""
    if case.standing is None:
        return False
    accused = {host for host, _ in _accused(case.standing.hosts)}
    if case.carriers.is_settled:
        accused &= case.carriers.hosts
    return bool(accused) and not accused <= heard_since(case, watermark_ms, could_tell=True)


def heard_since(
    case: Case, since_ms: int, *, fresh_s: float | None = None, could_tell: bool = False
) -> set[str]:
    """Return the carriers whose newest verdict counts and arrived at or after this time.

    fresh_s: age from which a verdict does not count, if another than the case's. could_tell: only those that
    could tell whether the gateway answers.
    """
    digest, hosts = case.intent.digest, case.carriers.hosts
    limit_s = case.fresh_s if fresh_s is None else fresh_s
    return {
        seen.verdict.host
        for seen in case.verdicts.latest
        if seen.verdict.host in hosts
        and seen.age_s < limit_s
        and case.verdicts.arrived_ms(seen) >= since_ms
        and is_on(seen.verdict, digest)
        and not (could_tell and is_unclear(seen.verdict, digest))
    }


def unheard_since(case: Case, since_ms: int) -> tuple[str, ...]:
    """Return the carriers that have not reported since, however old that is."""
    return tuple(sorted(case.carriers.hosts - heard_since(case, since_ms, fresh_s=math.inf)))


def asked_since(case: Case, since_ms: int) -> dict[str, int]:
    """Return the carriers with a conclusive DHCP answer that arrived at or after this time, and when."""
    digest, hosts = case.intent.digest, case.carriers.hosts
    return {
        seen.verdict.host: at
        for seen in case.verdicts.asked_dhcp
        if seen.verdict.host in hosts
        and seen.age_s < DHCP_FRESHNESS * case.fresh_s
        and (at := case.verdicts.arrived_ms(seen)) >= since_ms
        and is_conclusive(seen.verdict, digest)
    }


def offers_ms(case: Case) -> list[int]:
    """Return when each host's offers arrived, also of hosts that are gone since."""
    return [
        case.verdicts.arrived_ms(seen)
        for seen in case.verdicts.asked_dhcp
        if offers_in(seen.verdict)
        and seen.age_s < DHCP_FRESHNESS * case.fresh_s
        and is_conclusive(seen.verdict, case.intent.digest)
    ]


def newest_offer_ms(case: Case) -> int:
    """Return when the newest of them arrived; 0 without one."""
    return max(offers_ms(case), default=0)


def askers_needed(case: Case) -> int:
    """Return how many hosts must ask DHCP: one, and up to CONFIRMATIONS others without a fault."""
    faulty = {
        seen.verdict.host
        for seen in case.verdicts.latest
        if seen.verdict.fault is not None and seen.age_s < case.fresh_s
    }
    return max(1, min(1 + CONFIRMATIONS, len(case.carriers.hosts - faulty)))
