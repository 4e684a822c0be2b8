"""What one host tried, and what came back, in words."""

from dataclasses import dataclass

from rich.text import Text

from services.cli.state_style import BAD, DOUBTFUL, FAULTY, GOOD, UNTRIED, symbol
from services.contract.messages import DHCPFinding, Offer, Reach
from services.contract.outcomes import DHCPOutcome, LeaseOutcome, ReachOutcome
from services.network.reasons.states import FAULTS
from services.network.reasons.texts import Facts
from services.view.durations import describe_age
from services.view.host_checks import HostCheck


@dataclass(frozen=True)
class Answer:
    """One path that was tried."""

    path: str
    sign: str
    """One of state_style's."""
    text: str

    @property
    def mark(self) -> Text:
        """The sign as the terminal can show it."""
        styles = {GOOD: "green", BAD: "red", UNTRIED: "dim", DOUBTFUL: "yellow", FAULTY: "red"}
        return Text(symbol(self.sign), style=styles[self.sign])


def told_by(check: HostCheck, facts: Facts) -> list[Answer]:
    """All that this host tried, in the order in which it does; nothing of one that has not reported."""
    answers = []
    if check.fault is not None:
        interface = check.interface or facts.interface
        text = FAULTS[check.fault].format(interface=interface)
        answers.append(Answer("could not", FAULTY, f"{check.fault}: {text}"))
    if check.age_s is None:
        return answers
    answers += _dhcp(check)
    if check.gateway is None and check.fault is None:
        answers.append(Answer("gateway", UNTRIED, "none is known, so none was asked"))
    elif check.gateway is not None:
        gateway = str(check.gateway)
        arp = f"ARP for {gateway} on the VLAN"
        answers.append(_reach("VLAN", arp, check.vlan))
        answers.append(_reach("routed", f"ICMP echo to {gateway} through the host's routing", check.routed))
        if check.echo.outcome is not ReachOutcome.NOT_TRIED:
            answers.append(_reach("VLAN echo", f"ICMP echo to {gateway} on the VLAN", check.echo))
    if check.dropped_frames:
        answers.append(Answer("lost", DOUBTFUL, f"{check.dropped_frames} frames dropped by the kernel"))
    return answers


def _reach(path: str, what: str, reach: Reach) -> Answer:
    times = "once" if reach.attempts == 1 else f"{reach.attempts} times"
    if reach.outcome is ReachOutcome.REACHABLE:
        who = f" by {reach.mac}" if reach.mac else ""
        rtt = "" if reach.rtt_ms is None else f" after {_ms(reach.rtt_ms)}"
        return Answer(path, GOOD, f"{what}: answered{who}{rtt}")
    if reach.outcome is ReachOutcome.SILENT:
        return Answer(path, BAD, f"{what}: asked {times}, no answer")
    if reach.outcome is ReachOutcome.INCONCLUSIVE:
        why = "replies may have been lost on this host"
        return Answer(path, DOUBTFUL, f"{what}: asked {times}, no answer, and {why}")
    return Answer(path, UNTRIED, f"{what}: not asked")


def _dhcp(check: HostCheck) -> list[Answer]:
    """Nothing where this host never asked: one host asks at a time, and in manual mode none."""
    finding = check.dhcp
    if finding is None:
        return []
    same = check.dhcp_age_s is not None and check.age_s is not None and check.dhcp_age_s <= check.age_s
    ago = "" if same or check.dhcp_age_s is None else f" {describe_age(check.dhcp_age_s)} ago"
    discover = f"DISCOVER{ago}"
    if finding.outcome is DHCPOutcome.OFFERED:
        sign = GOOD if len(finding.servers) == 1 else DOUBTFUL
        answers = [Answer("DHCP", sign, f"{discover}: {_offer(offer)}") for offer in finding.servers]
        return [*answers, *_lease(finding)]
    seconds = f"{finding.elapsed_ms / 1_000:.0f} s"
    asked = f"{discover}: asked {finding.attempts} times in {seconds}, no offer"
    if finding.outcome is DHCPOutcome.NO_OFFER:
        return [Answer("DHCP", BAD, asked)]
    if finding.outcome is DHCPOutcome.INCONCLUSIVE:
        return [Answer("DHCP", DOUBTFUL, f"{asked}, and frames were lost on this host")]
    return [Answer("DHCP", UNTRIED, f"{discover}: not sent")]


def _offer(offer: Offer) -> str:
    subnet = f" in {offer.cidr}" if offer.cidr else " without a usable subnet mask"
    routers = ", ".join(
        map(str, dict.fromkeys([*([offer.gateway] if offer.gateway else []), *offer.routers]))
    )
    router = f"router {routers}" if routers else "no router"
    relay = f", by the relay {offer.relay}" if offer.relay else ""
    extra = ", not a server that counts" if offer.rogue else ""
    return (
        f"{offer.server} offered {offer.address}{subnet}, {router}{relay}, after {_ms(offer.after_ms)}{extra}"
    )


def _lease(finding: DHCPFinding) -> list[Answer]:
    lease = finding.lease
    if lease is None:
        return []
    texts = {
        LeaseOutcome.HELD: (GOOD, "acknowledged, and given back"),
        LeaseOutcome.REFUSED: (BAD, "refused by the server (NAK)"),
        LeaseOutcome.CONFLICT: (BAD, f"in use by {lease.owner or 'somebody else'} already"),
        LeaseOutcome.NO_ANSWER: (BAD, "no answer"),
        LeaseOutcome.INCONCLUSIVE: (DOUBTFUL, "no answer, and frames were lost"),
        LeaseOutcome.NOT_TRIED: (UNTRIED, "ended before an answer"),
    }
    sign, text = texts[lease.outcome]
    return [Answer("lease", sign, f"REQUEST of {lease.address} from {lease.server}: {text}")]


def _ms(milliseconds: float) -> str:
    return f"{milliseconds / 1_000:.1f} s" if milliseconds >= 1_000 else f"{milliseconds:.1f} ms"
