"""The table of docs/states.md, read plainly: what these verdicts say of one network."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

from services.contract.messages import Offer, ReachVerdict, TargetVerdict, Verdict
from services.contract.outcomes import BridgeFault, DHCPOutcome, Fault, ReachOutcome, Reason, State
from services.network.parse.intent import Intent
from tests.reference.senders import UNTELLING
from tests.reference.words import Arrival, Word

PROBES_UNTIL_SILENT = 3
ENOUGH_BESIDES_THE_FIRST = 2
"""Further hosts that must get no offer."""
NEVER = float("-inf")
UP, DOWN, UNCLEAR, UNTRIED = "up", "down", "unclear", "untried"


@dataclass(frozen=True)
class Evidence:
    """What is looked at: the hosts that count, their newest verdicts, and their newest that asked DHCP."""

    now: int
    carriers: Collection[str]
    latest: Mapping[str, Arrival]
    asked: Mapping[str, Arrival]
    offers_since: float
    """Older offers do not refute that DHCP offers nothing."""
    in_vain_since: float
    """Before that, a host without an offer proves nothing."""
    fresh_ms: int
    active_when: str
    offered: Collection[Offer]
    """Whatever was offered on this segment since the first network."""
    is_out: bool
    """Whether one host without an offer is enough to say that DHCP offers nothing."""

    def counting(self, digest: str) -> dict[str, Verdict]:
        """Return by host the verdicts that say something about this intent now."""
        return {
            host: arrival.verdict
            for host, arrival in sorted(self.latest.items())
            if host in self.carriers
            and self.now - arrival.at < self.fresh_ms
            and _is_about(arrival.verdict, digest)
        }


def reduce(intent: Intent, evidence: Evidence) -> Word:
    """Say what the evidence says."""
    said = evidence.counting(intent.digest)
    if not said:
        once = any(_is_about(arrival.verdict, intent.digest) for arrival in evidence.latest.values())
        reason = Reason.NO_FRESH_VERDICT if once else Reason.NOT_PROBED_YET
        state = State.UNKNOWN if once else State.PENDING
        return Word(state, reason if evidence.carriers else Reason.NO_HOST)
    faults = {host: verdict.fault.value for host, verdict in said.items() if verdict.fault is not None}
    if len(faults) == len(said):
        return Word(State.UNKNOWN, Reason.CANNOT_PROBE, hosts=faults)
    if intent.mode == "manual":
        return _reach(intent, said, faults, intent.gateway, evidence)
    dhcp = _ask_dhcp(intent, evidence)
    if dhcp.gateway is not None:
        word = _reach(intent, said, faults, dhcp.gateway, evidence)
        offer = dhcp.offer
        return replace(
            word,
            gateway="" if offer is None else str(offer.gateway),
            cidr="" if offer is None else _cidr_of(offer),
            servers=dhcp.servers,
            dhcp_out=dhcp.is_out,
            in_vain=dhcp.in_vain,
            all_in_vain=dhcp.all_in_vain,
        )
    if dhcp.is_out:
        word = Word(
            State.DHCP_FAILED, Reason.NO_DHCP_OFFER, hosts=faults, servers=dhcp.servers,
            in_vain=dhcp.in_vain, all_in_vain=dhcp.all_in_vain,
        )  # fmt: skip
        return failed(word)
    if dhcp.is_confirming:
        return Word(State.PENDING, Reason.CONFIRMING_NO_OFFER, hosts=faults)
    unclear = any(v.dhcp is not None and v.dhcp.outcome is DHCPOutcome.INCONCLUSIVE for v in said.values())
    return Word(State.PENDING, Reason.INCONCLUSIVE if unclear else Reason.NOT_PROBED_YET, hosts=faults)


def failed(word: Word) -> Word:
    """Say that DHCP failed, and on which hosts because the VLAN is untagged there."""
    return replace(
        word,
        state=State.DHCP_FAILED,
        reason=Reason.NATIVE_VLAN if word.all_in_vain else Reason.NO_DHCP_OFFER,
        connectivity="DHCP failed",
        hosts={**word.in_vain, **{host: why for host, why in word.hosts.items() if why in set(Fault)}},
    )


def _cidr_of(offer: Offer) -> str:
    """A client's own /32 is not the network's: the gateway's stands for it."""
    return f"{offer.gateway}/32" if str(offer.cidr).endswith("/32") else str(offer.cidr)


def _is_about(verdict: Verdict, digest: str) -> bool:
    return verdict.fault is not None or any(target.digest == digest for target in verdict.targets)


@dataclass(frozen=True)
class _DHCP:
    """What DHCP says: the gateway to judge, and by whose word."""

    gateway: IPv4Address | None
    offer: Offer | None = None
    """The offer that names it; None: it is known from before."""
    servers: tuple[str, ...] = ()
    is_out: bool = False
    is_confirming: bool = False
    in_vain: Mapping[str, str] = field(default_factory=dict)
    all_in_vain: bool = False


def _ask_dhcp(intent: Intent, evidence: Evidence) -> _DHCP:
    offered, in_vain = _answers(evidence, intent.digest)
    offers: dict[IPv4Address, Offer] = {}
    for arrival in offered:
        assert arrival.verdict.dhcp is not None
        offers |= {offer.server: offer for offer in arrival.verdict.dhcp.servers}
    servers = tuple(str(server) for server in sorted(offers))
    enough = askers(evidence)
    known = intent.known_gateway
    if in_vain and (evidence.is_out or len(in_vain) >= enough):
        untagged = {a.host: Reason.NATIVE_VLAN.value for a in in_vain if a.verdict.untagged is not None}
        hosts = {arrival.host for arrival in in_vain}
        return _DHCP(
            known, servers=servers, is_out=True, in_vain=untagged, all_in_vain=hosts == set(untagged)
        )
    newest = max((a.at for a in _heard_from_dhcp(evidence, intent.digest) if _is_offer(a)), default=NEVER)
    if offered and newest >= evidence.offers_since:
        # What an offer has refuted stays so, although the host that received it is gone.
        chosen = _choose([offer for _, offer in sorted(offers.items())], intent, evidence)
        return _DHCP(known if chosen is None else chosen.gateway, offer=chosen, servers=servers)
    return _DHCP(known, is_confirming=bool(in_vain))


def _choose(offers: Sequence[Offer], intent: Intent, evidence: Evidence) -> Offer | None:
    """Return the offer that counts; None where the known gateway stays, although none names it."""
    known = intent.known_gateway
    confirming = [offer for offer in offers if offer.gateway == known]
    own = [offer for offer in offers if any(_is_of(before, offer, known) for before in evidence.offered)]
    checks = [
        _read(check.vlan)
        for verdict in evidence.counting(intent.digest).values()
        if verdict.fault is None and (check := _check_of(verdict, intent.digest, known)) is not None
    ]
    is_silent = DOWN in checks and UP not in checks
    others = offers if known is None or is_silent else ()
    return next(iter((*confirming, *own, *others)), None)


def _is_of(before: Offer, offer: Offer, known: IPv4Address | None) -> bool:
    """Whether it is from the same server, which named the known gateway before."""
    return before.gateway == known and (before.server, before.mac) == (offer.server, offer.mac)


def askers(evidence: Evidence) -> int:
    """Return how many hosts must get no offer: one, and two others that can ask."""
    faulty = {
        host
        for host, arrival in evidence.latest.items()
        if host in evidence.carriers
        and arrival.verdict.fault is not None
        and evidence.now - arrival.at < evidence.fresh_ms
    }
    return 1 + max(0, min(ENOUGH_BESIDES_THE_FIRST, len(evidence.carriers) - len(faulty) - 1))


def conclusive(evidence: Evidence, digest: str, since: float) -> int:
    """Return how many hosts heard from DHCP since then, or waited for it in vain."""
    offered, in_vain = _answers(evidence, digest)
    return sum(arrival.at >= since for arrival in (*offered, *in_vain))


def is_unclear(verdict: Verdict, digest: str) -> bool:
    """Whether it cannot tell if the gateway answers the VMs, or through routing, without a fault."""
    if verdict.bridge is BridgeFault.UNSETTLED:
        return verdict.fault is None
    checks = [target for target in verdict.targets if target.digest == digest]
    found = [_read(path) for target in checks for path in (target.vlan, target.routed)]
    return verdict.fault is None and UNCLEAR in found


def answered(evidence: Evidence, digest: str, gateway: str) -> list[int]:
    """Return when the hosts reported that this gateway answers on the VLAN."""
    checks = {
        host: _check_of(verdict, digest, IPv4Address(gateway))
        for host, verdict in evidence.counting(digest).items()
        if gateway and verdict.fault is None
    }
    return [
        evidence.latest[host].at
        for host, check in checks.items()
        if check is not None and _read(check.vlan) == UP
    ]


def answerers(evidence: Evidence, digest: str, gateway: str) -> set[str]:
    """Return the MAC addresses by which this gateway answers the hosts on the VLAN."""
    checks = [
        _check_of(verdict, digest, IPv4Address(gateway))
        for verdict in evidence.counting(digest).values()
        if gateway and verdict.fault is None
    ]
    return {c.vlan.mac for c in checks if c is not None and _read(c.vlan) == UP and c.vlan.mac is not None}


def in_vain_since(evidence: Evidence, digest: str) -> tuple[float | None, float]:
    """Return when the first host asked in vain since the newest offer, and when that came."""
    _, in_vain = _answers(evidence, digest)
    offered = [a for a in _heard_from_dhcp(evidence, digest) if _is_offer(a)]
    return (in_vain[0].at if in_vain else None), max((a.at for a in offered), default=NEVER)


def _answers(evidence: Evidence, digest: str) -> tuple[list[Arrival], list[Arrival]]:
    """Return what carriers heard from DHCP: offers, and answers in vain since the newest to any host."""
    heard = _heard_from_dhcp(evidence, digest)
    answers = [arrival for arrival in heard if arrival.host in evidence.carriers]
    known = [arrival for arrival in heard if _is_offer(arrival)]
    last = max((a.at for a in known if a.at >= evidence.offers_since), default=NEVER)
    since = evidence.in_vain_since
    in_vain = [a for a in answers if not _is_offer(a) and a.at > last and a.at >= since]
    return [a for a in answers if _is_offer(a)], in_vain


def _is_offer(arrival: Arrival) -> bool:
    return arrival.verdict.dhcp is not None and arrival.verdict.dhcp.outcome is DHCPOutcome.OFFERED


def _heard_from_dhcp(evidence: Evidence, digest: str) -> list[Arrival]:
    """Return what hosts, gone ones too, heard from DHCP or waited for in vain; the oldest first."""
    return sorted(
        (
            arrival
            for arrival in evidence.asked.values()
            if evidence.now - arrival.at < 2 * evidence.fresh_ms
            and arrival.verdict.dhcp is not None
            and arrival.verdict.dhcp.outcome in (DHCPOutcome.OFFERED, DHCPOutcome.NO_OFFER)
            and any(target.digest == digest for target in arrival.verdict.targets)
        ),
        key=lambda arrival: arrival.at,
    )


def _reach(
    intent: Intent,
    said: Mapping[str, Verdict],
    faults: Mapping[str, str],
    gateway: IPv4Address | None,
    evidence: Evidence,
) -> Word:
    """Say what the checks of this gateway say, host by host and path by path."""
    checks = {host: _check_of(verdict, intent.digest, gateway) for host, verdict in said.items()}
    vlan = {
        host: UNTRIED if check is None else _read(check.vlan)
        for host, check in checks.items()
        if host not in faults
    }
    routed = [_read(check.routed) for check in checks.values() if check is not None]
    up = sorted(host for host, found in vlan.items() if found == UP)
    down = sorted(host for host, found in vlan.items() if found == DOWN)
    unclear = dict.fromkeys((h for h, found in vlan.items() if found == UNCLEAR), Reason.INCONCLUSIVE.value)
    untelling = {h for h in unclear if (check := checks[h]) is not None and check.vlan == UNTELLING}
    if UP not in routed and not intent.isolated:
        lost = [
            host for host, check in checks.items() if check is not None and _read(check.routed) == UNCLEAR
        ]
        unclear |= dict.fromkeys(lost, Reason.INCONCLUSIVE.value)
    # What answers on the bond does not reach VMs behind a bridge that does not pass it on.
    bridges = {
        h: v.bridge.value for h in up if (v := said[h]).bridge and v.bridge is not BridgeFault.UNSETTLED
    }
    everywhere = bool(up) and not (down or faults or bridges)
    is_routed = everywhere if intent.isolated else UP in routed
    if not (up or down) or not (intent.isolated or UP in routed or DOWN in routed):
        unclear |= dict.fromkeys(untelling, Reason.ARP_NEEDS_ADDRESS.value)
        why = (Reason.INCONCLUSIVE, Reason.ARP_NEEDS_ADDRESS)
        reason = next((each for each in why if each in unclear.values()), Reason.NOT_PROBED_YET)
        return Word(State.PENDING, reason, hosts={**unclear, **faults, **bridges})
    # Why they cannot tell is told once, and not of each host.
    unclear = {host: why for host, why in unclear.items() if host not in untelling}
    untagged = {host for host in down if said[host].untagged is not None}
    silent = dict.fromkeys(down if up else (), Reason.GATEWAY_SILENT_ON_VLAN.value)
    state, reason = _state(bool(up), everywhere, is_routed, isolated=intent.isolated)
    if bridges and not down and not faults:
        blocked = Reason.BRIDGE_PORT_BLOCKED.value in bridges.values()
        reason = Reason.BRIDGE_PORT_BLOCKED if blocked else Reason.NOT_IN_BRIDGE
    if not up and untagged == set(down):
        reason = Reason.NATIVE_VLAN
    else:
        silent |= dict.fromkeys(untagged, Reason.NATIVE_VLAN.value)
    by_vlan = intent.isolated or evidence.active_when == "vlan"
    fine = everywhere if by_vlan else is_routed
    return Word(state, reason, "true" if fine else "false", hosts={**unclear, **silent, **faults, **bridges})


def _state(somewhere: bool, everywhere: bool, is_routed: bool, *, isolated: bool) -> tuple[State, Reason]:
    if everywhere:
        fine = State.ACTIVE, Reason.GATEWAY_ANSWERS
        return fine if is_routed else (State.ISOLATED, Reason.GATEWAY_NOT_ROUTED)
    if somewhere:
        return State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS
    if is_routed:
        return State.OFF_VLAN, Reason.GATEWAY_SILENT_ON_VLAN
    return State.UNREACHABLE, Reason.GATEWAY_SILENT_ON_VLAN if isolated else Reason.GATEWAY_SILENT


def _check_of(verdict: Verdict, digest: str, gateway: IPv4Address | None) -> TargetVerdict | None:
    for target in verdict.targets:
        if target.digest == digest and target.gateway is not None and target.gateway == gateway:
            return target
    return None


def _read(reach: ReachVerdict) -> str:
    if reach.outcome is ReachOutcome.REACHABLE:
        return UP
    if reach.outcome is ReachOutcome.SILENT:
        return DOWN if reach.attempts >= PROBES_UNTIL_SILENT else UNCLEAR
    return UNCLEAR if reach.outcome is ReachOutcome.INCONCLUSIVE else UNTRIED
