"""What one host tried, and what came back, in words."""

from dataclasses import dataclass

from services.cli.cells import UNTAGGED, servers_agree
from services.cli.terminal import BAD, FAULTY, GOOD, UNCERTAIN, UNTRIED
from services.contract.macs import named, with_mac
from services.contract.messages import DHCPVerdict, Offer, ReachVerdict
from services.contract.outcomes import BridgeFault, DHCPOutcome, LeaseOutcome, ReachOutcome
from services.network.reasons.states import BRIDGE_FAULTS, FAULTS
from services.network.reasons.texts import Facts
from services.view.durations import describe_age
from services.view.host_checks import HostCheck

SAME_S = 1.0
"""A difference of two ages that is not worth telling."""


@dataclass(frozen=True)
class PathAnswer:
    """What came back on one path. sign: one of the terminal module's."""

    path: str
    sign: str
    text: str


def answers_of(check: HostCheck, facts: Facts) -> list[PathAnswer]:
    """Return everything that the host tried, in order; empty for a host without a report."""
    answers = []
    if check.fault is not None:
        interface = check.interface or facts.interface
        text = FAULTS[check.fault].format(interface=interface, ports="the switch port")
        answers.append(PathAnswer("fault", FAULTY, f"{check.fault}: {text}"))
    if check.age_s is None:
        return answers
    answers += _dhcp(check)
    if check.gateway is None and check.fault is None:
        answers.append(PathAnswer("gateway", UNTRIED, "not known, so not asked"))
    elif check.gateway is not None:
        gateway = str(check.gateway)
        sender = " from an address there" if check.vlan.from_address else ""
        arp = f"ARP for {gateway} on the VLAN{sender}"
        routed = f"ICMP echo to {gateway} through the host's routing"
        if check.own_address:
            routed += f", on this VLAN from the host's own {check.own_address}"
        measured = _measured(check.measured_age_s, check.age_s)
        answers.append(_reach("VLAN", arp, check.vlan, measured))
        answers.append(_reach("routed", routed, check.routed, measured))
        if check.echo.outcome is not ReachOutcome.NOT_TRIED:
            answers.append(_reach("VLAN echo", f"ICMP echo to {gateway} on the VLAN", check.echo, measured))
    answers += _members(check)
    if check.bridge is not None:
        sign = UNCERTAIN if check.bridge is BridgeFault.UNSETTLED else BAD
        text = BRIDGE_FAULTS[check.bridge].format(interface=check.interface or facts.interface)
        answers.append(PathAnswer("VMs", sign, text))
    if check.untagged is not None:
        answers.append(PathAnswer("untagged", BAD, UNTAGGED[check.untagged]))
    if check.dropped_frames:
        answers.append(
            PathAnswer("losses", UNCERTAIN, f"{check.dropped_frames} frames dropped by the kernel")
        )
    return answers


def _members(check: HostCheck) -> list[PathAnswer]:
    """Return by which NICs of the bond the gateway answers; nothing where none was asked."""
    known = [member for member in check.members if member.answered is not None]
    if not known:
        return []
    texts = {True: "answers by {}", False: "does not answer by {}", None: "{} was not tested"}
    said = [texts[member.answered].format(member.nic) for member in check.members]
    sign = BAD if any(member.answered is False for member in known) else GOOD
    sign = UNCERTAIN if sign == GOOD and len(known) < len(check.members) else sign
    return [PathAnswer("members", sign, f"ARP by each NIC of the bond: {', '.join(said)}")]


def _measured(measured_age_s: float | None, age_s: float | None) -> str:
    """Return the age of a measured time; empty where it is that of the answer."""
    if measured_age_s is None or age_s is None or measured_age_s < age_s + SAME_S:
        return ""
    return f" (measured {describe_age(measured_age_s)} ago)"


def _reach(path: str, what: str, reach: ReachVerdict, measured: str) -> PathAnswer:
    times = "once" if reach.attempts == 1 else f"{reach.attempts} times"
    if reach.outcome is ReachOutcome.REACHABLE:
        who = f" by {' and '.join(map(named, reach.macs or (reach.mac,)))}" if reach.mac else ""
        rtt = "" if reach.rtt_ms is None else f" after {_ms(reach.rtt_ms)}{measured}"
        return PathAnswer(path, GOOD, f"{what}: answered{who}{rtt}")
    if reach.outcome is ReachOutcome.SILENT and reach.unproven:
        text = f"{what}: asked {times} from 0.0.0.0, which it has not answered since the prober started"
        return PathAnswer(path, BAD, text)
    if reach.outcome is ReachOutcome.SILENT:
        return PathAnswer(path, BAD, f"{what}: asked {times}, no answer")
    if reach.outcome is ReachOutcome.INCONCLUSIVE:
        why = "replies may have been lost on this host"
        return PathAnswer(path, UNCERTAIN, f"{what}: asked {times}, no answer, and {why}")
    return PathAnswer(path, UNTRIED, f"{what}: not asked")


def _dhcp(check: HostCheck) -> list[PathAnswer]:
    """Return the DHCP answers; empty if this host never asked, as in manual mode or if others ask."""
    finding = check.dhcp
    if finding is None:
        return []
    same = check.dhcp_age_s is not None and check.age_s is not None and check.dhcp_age_s <= check.age_s
    ago = "" if same or check.dhcp_age_s is None else f" {describe_age(check.dhcp_age_s)} ago"
    discover = f"DISCOVER{ago}"
    measured = _measured(check.dhcp_measured_age_s, check.dhcp_age_s)
    if finding.outcome is DHCPOutcome.OFFERED:
        sign = GOOD if servers_agree(finding) else UNCERTAIN
        answers = [
            PathAnswer("DHCP", sign, f"{discover}: {_offer(offer)}{measured}") for offer in finding.servers
        ]
        if finding.omitted:
            text = f"{discover}: {finding.omitted} further offers, which are left out"
            answers.append(PathAnswer("DHCP", UNCERTAIN, text))
        return [*answers, *_lease(finding)]
    seconds = f"{finding.elapsed_ms / 1_000:.0f} s"
    asked = f"{discover}: asked {finding.attempts} times in {seconds}{measured}, no offer"
    if finding.outcome is DHCPOutcome.NO_OFFER:
        return [PathAnswer("DHCP", BAD, asked)]
    if finding.outcome is DHCPOutcome.INCONCLUSIVE:
        return [PathAnswer("DHCP", UNCERTAIN, f"{asked}, and frames were lost on this host")]
    return [PathAnswer("DHCP", UNTRIED, f"{discover}: not sent")]


def _offer(offer: Offer) -> str:
    subnet = f" in {offer.cidr}" if offer.cidr else " without a usable subnet mask"
    routers = ", ".join(
        map(str, dict.fromkeys([*([offer.gateway] if offer.gateway else []), *offer.routers]))
    )
    router = f"router {routers}" if routers else "no router"
    relay = f", through the relay {offer.relay}" if offer.relay else ""
    extra = ", a rogue server" if offer.rogue else ""
    server = with_mac(str(offer.server), offer.mac)
    return f"{server} offered {offer.address}{subnet}, {router}{relay}, after {_ms(offer.after_ms)}{extra}"


def _lease(finding: DHCPVerdict) -> list[PathAnswer]:
    lease = finding.lease
    if lease is None:
        return []
    texts = {
        LeaseOutcome.HELD: (GOOD, "acknowledged, and given back"),
        LeaseOutcome.REFUSED: (BAD, "refused by the server (NAK)"),
        LeaseOutcome.CONFLICT: (BAD, f"already in use by {lease.owner or 'another machine'}"),
        LeaseOutcome.PAUSED: (
            UNCERTAIN,
            f"not sent: {lease.address} was in use by {lease.owner} a while ago, so none is leased for now",
        ),
        LeaseOutcome.NO_ANSWER: (BAD, "no answer"),
        LeaseOutcome.INCONCLUSIVE: (UNCERTAIN, "no answer, and frames were lost"),
        LeaseOutcome.NOT_TRIED: (UNTRIED, "stopped before an answer"),
    }
    sign, text = texts[lease.outcome]
    if lease.outcome is LeaseOutcome.PAUSED:
        return [PathAnswer("lease", sign, f"REQUEST {text}")]
    macs = {offer.server: offer.mac for offer in finding.servers}
    server = with_mac(str(lease.server), macs.get(lease.server))
    return [PathAnswer("lease", sign, f"REQUEST of {lease.address} from {server}: {text}")]


def _ms(milliseconds: float) -> str:
    return f"{milliseconds / 1_000:.1f} s" if milliseconds >= 1_000 else f"{milliseconds:.1f} ms"
