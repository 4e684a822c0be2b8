"""What is true on the site: its VLANs and probers, and what a prober finds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from services.contract.limits import REPORT_WITHIN_S
from services.contract.messages import (
    DHCPVerdict,
    HostAnnouncement,
    Offer,
    ReachVerdict,
    Segment,
    TargetVerdict,
    Verdict,
)
from services.contract.outcomes import BridgeFault, DHCPOutcome, Fault, ReachOutcome, Untagged
from services.network.parse.intent import Intent

HOSTS = ("node1", "node2", "node3", "node4")
UP = ReachVerdict(outcome=ReachOutcome.REACHABLE, attempts=1)
"""Through routing; on the VLAN with a MAC address."""
SILENT = ReachVerdict(outcome=ReachOutcome.SILENT, attempts=3)
HASTY = ReachVerdict(outcome=ReachOutcome.SILENT, attempts=2)
UNCLEAR = ReachVerdict(outcome=ReachOutcome.INCONCLUSIVE, attempts=3)
NO_OFFER = DHCPVerdict(outcome=DHCPOutcome.NO_OFFER)
FAULTS = {"broken": Fault.UPLINK_DOWN, "stopped": Fault.STOPPED}
BRIDGES = {
    "unbridged": BridgeFault.NOT_IN_BRIDGE,
    "blocked": BridgeFault.PORT_BLOCKED,
    "unsettled": BridgeFault.UNSETTLED,
}


@dataclass
class Vlan:
    """What is true on one VLAN."""

    number: int
    gateway: int = 1
    """Which of its two addresses the gateway has."""
    on_vlan: set[str] = field(default_factory=lambda: set(HOSTS))
    routed: set[str] = field(default_factory=lambda: set(HOSTS))
    has_dhcp: bool = True
    is_guarded: bool = False
    """Whether the gateway answers ARP only from an address."""
    leases: bool = False
    """Whether hosts that ask DHCP hold an address meanwhile."""

    def is_untagged(self, host: str) -> bool:
        """Return whether the switch sends this host the VLAN without its tag."""
        return host not in self.on_vlan and (self.number + HOSTS.index(host)) % 2 == 1

    def address(self, which: int) -> IPv4Address:
        return IPv4Address(f"10.0.{self.number}.{which}")

    def mac(self, which: int) -> str:
        """Return by which MAC address the gateway with this address answers."""
        return f"02:00:00:00:{self.number:02x}:{which:02x}"

    @property
    def cidr(self) -> IPv4Network:
        return IPv4Network(f"10.0.{self.number}.0/24")

    @property
    def segment(self) -> Segment:
        return Segment(cluster_network="extra", vlan=self.number)

    def offer_to(self, host: str) -> Offer:
        """Return what DHCP offers this host: on some VLANs a /32 of its own, with the gateway on the link."""
        address = self.address(50 + HOSTS.index(host))
        return Offer(
            server=self.address(3),
            address=address,
            cidr=IPv4Network(address) if self.is_routed_by_host else self.cidr,
            gateway=self.address(self.gateway),
            on_link=self.is_routed_by_host,
        )

    @property
    def is_routed_by_host(self) -> bool:
        return self.number == 200


@dataclass
class Host:
    """One host's prober."""

    name: str
    is_up: bool = True
    incarnation: int = 1
    counter: int = 0
    report_within_s: float = REPORT_WITHIN_S
    proven: set[IPv4Address] = field(default_factory=set)
    """Gateways that have answered 0.0.0.0."""

    def announcement(self) -> str:
        said = HostAnnouncement(
            host=self.name,
            uplinks={"extra": "extra-bo"},
            version="1",
            incarnation=self.incarnation,
            report_within_s=self.report_within_s,
        )
        return said.model_dump_json()


def find(prober: Host, lan: Vlan, intents: Iterable[Intent], *, ask: bool, quality: str) -> Verdict | None:
    """Return what the prober finds for these intents; None where none of them is on this VLAN.

    quality: good, or less than the truth: wrong, hasty, lossy, broken or stopped; or what only concerns the
    host's bridge: unbridged, blocked or unsettled.
    """
    here = {(i.digest, i.gateway or i.known_gateway): i for i in intents if i.segment == lan.segment}
    if not here:
        return None
    finding = None
    if ask and any(intent.mode == "auto" for intent in here.values()):
        answers = lan.has_dhcp and prober.name in lan.on_vlan
        finding = (
            DHCPVerdict(outcome=DHCPOutcome.OFFERED, servers=(lan.offer_to(prober.name),))
            if answers
            else NO_OFFER
        )
        if quality == "lossy":
            finding = DHCPVerdict(outcome=DHCPOutcome.INCONCLUSIVE)
    targets = []
    for (digest, known), intent in here.items():
        offered = finding is not None and bool(finding.servers) and intent.mode == "auto"
        gateway = lan.address(lan.gateway) if offered else known
        if gateway is None:
            targets.append(TargetVerdict(digest=digest))
            continue
        is_there = gateway == lan.address(lan.gateway) and quality != "wrong"
        vlan, routed = (
            UP if is_there and prober.name in path else _SILENCES.get(quality, SILENT)
            for path in (lan.on_vlan, lan.routed)
        )
        vlan = _asked_from(vlan, gateway, prober, lan, has_address=offered and lan.leases, silence=quality)
        if vlan.outcome is ReachOutcome.REACHABLE:
            vlan = vlan.model_copy(update={"mac": lan.mac(lan.gateway)})
        targets.append(TargetVerdict(digest=digest, gateway=gateway, vlan=vlan, routed=routed))
    prober.counter += 1
    is_untagged = lan.is_untagged(prober.name) and quality not in FAULTS
    return Verdict(
        segment=lan.segment,
        host=prober.name,
        request_id="request",
        incarnation=prober.incarnation,
        counter=prober.counter,
        dhcp=finding,
        targets=tuple(targets),
        fault=FAULTS.get(quality),
        bridge=BRIDGES.get(quality),
        untagged=Untagged.ALL if is_untagged else None,
    )


def _asked_from(
    vlan: ReachVerdict, gateway: IPv4Address, prober: Host, lan: Vlan, *, has_address: bool, silence: str
) -> ReachVerdict:
    """Return what ARP finds from the address that the host has, or from 0.0.0.0."""
    if has_address:
        return vlan.model_copy(update={"from_address": True})
    if vlan.outcome is ReachOutcome.REACHABLE and not lan.is_guarded:
        prober.proven.add(gateway)
        return vlan
    silent = _SILENCES.get(silence, SILENT)
    is_unproven = silent.outcome is ReachOutcome.SILENT and gateway not in prober.proven
    return silent.model_copy(update={"unproven": is_unproven})


_SILENCES = {"hasty": HASTY, "lossy": UNCLEAR}


def rewritten(how: str, route: Mapping[str, object], lan: Vlan) -> Mapping[str, object] | None:
    """Return the route annotation as somebody else writes it; None where they have nothing to write."""
    match how:
        case "true" | "false" | "ping failed" if route.get("cidr"):
            # Harvester's controller.
            return {**route, "connectivity": how}
        case "ui" if route:
            return {key: route.get(key, "") for key in ("mode", "serverIPAddr", "cidr", "gateway")}
        case "bare" if route.get("mode") == "manual":
            # Terraform, or any tool that puts back what is in its repository.
            return {key: route[key] for key in ("mode", "cidr", "gateway")}
        case "bare" if route:
            return {"mode": "auto"}
        case "gateway" if route.get("mode") == "manual":
            other = 3 - int(str(route["gateway"]).rpartition(".")[2])
            return {**route, "gateway": str(lan.address(other))}
        case "manual":
            return {"mode": "manual", "cidr": str(lan.cidr), "gateway": str(lan.address(1))}
        case "auto":
            return {"mode": "auto"}
    return None
