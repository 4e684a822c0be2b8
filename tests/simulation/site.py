"""A simulated site: what is on each VLAN, and what a prober finds there at a given time."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from services.contract.messages import (
    NOT_TRIED,
    DHCPVerdict,
    Offer,
    ReachVerdict,
    Segment,
    SegmentProbe,
    TargetVerdict,
    Verdict,
)
from services.contract.outcomes import DHCPOutcome, ReachOutcome

DHCP_DEADLINE_S = 12.0
OFFERED_AFTER_S = 0.4
SILENT_AFTER_S = 4.0
ANSWERED_AFTER_S = 0.01

UP = ReachVerdict(outcome=ReachOutcome.REACHABLE, attempts=1)
DOWN = ReachVerdict(outcome=ReachOutcome.SILENT, attempts=3)
NOBODY = DHCPVerdict(outcome=DHCPOutcome.NO_OFFER)

Outage = tuple[float, float]
"""Begin and end of an outage, in seconds."""
NONE: Outage = (0.0, 0.0)


@dataclass(frozen=True)
class Vlan:
    """One VLAN: its gateway, its DHCP server, and the hosts that cannot reach them.

    Its number is unique on the site, whatever its cluster network.
    """

    vlan: int
    has_dhcp: bool = True
    is_routed: bool = True
    is_manual: bool = False
    gateway_out: Outage = NONE
    dhcp_out: Outage = NONE
    cut_off: frozenset[str] = frozenset()
    """Hosts without the VLAN on their trunk."""
    cluster_network: str = "extra"
    router: str = "02:00:00:00:00:01"
    """The MAC address that answers for its gateway."""

    @property
    def segment(self) -> Segment:
        return Segment(cluster_network=self.cluster_network, vlan=self.vlan)

    @property
    def gateway(self) -> IPv4Address:
        return IPv4Address(f"172.{16 + self.vlan // 256}.{self.vlan % 256}.1")

    @property
    def cidr(self) -> IPv4Network:
        return IPv4Network(f"{self.gateway}/24", strict=False)

    def is_gateway_up(self, now: float) -> bool:
        return not self.gateway_out[0] <= now < self.gateway_out[1]

    def is_dhcp_up(self, now: float) -> bool:
        return self.has_dhcp and not self.dhcp_out[0] <= now < self.dhcp_out[1]


@dataclass(frozen=True)
class Probed:
    """What a prober reports, how long that takes, and how many ARP probes it sends to the gateway."""

    verdict: Verdict
    after_s: float
    arp_probes: int


class Probers:
    """All probers. Equal verdicts are one object, so that 1,000,000 of them are cheap."""

    def __init__(self) -> None:
        self._made: dict[object, tuple[Probed, SegmentProbe]] = {}

    def probe(self, site: Vlan, host: str, probe: SegmentProbe, now: float) -> Probed:
        """Return what this host finds now."""
        is_offered = site.is_dhcp_up(now) and host not in site.cut_off
        on_vlan = site.is_gateway_up(now) and host not in site.cut_off
        routed = site.is_gateway_up(now) and site.is_routed
        # By identity, which is cheap; keeping the probe ensures that no other gets the same id.
        key = (host, id(probe), is_offered, on_vlan, routed)
        known = self._made.get(key)
        if known is None:
            found = find(site, host, probe, is_offered=is_offered, on_vlan=on_vlan, routed=routed)
            known = self._made[key] = (found, probe)
        return known[0]


def find(
    site: Vlan, host: str, probe: SegmentProbe, *, is_offered: bool, on_vlan: bool, routed: bool
) -> Probed:
    """Return what this host finds where these things are so."""
    finding = None
    after_s = 0.0
    if probe.ask_dhcp:
        offer = Offer(
            server=site.gateway, address=site.gateway + 9, cidr=site.cidr, gateway=site.gateway, routers=()
        )
        finding = DHCPVerdict(outcome=DHCPOutcome.OFFERED, servers=(offer,)) if is_offered else NOBODY
        after_s = OFFERED_AFTER_S if is_offered else DHCP_DEADLINE_S
    targets, arp_probes = [], 0
    for target in probe.targets:
        gateway = site.gateway if finding is not None and is_offered else target.gateway
        if gateway is None:
            targets.append(TargetVerdict(digest=target.digest))
            continue
        answer = UP.model_copy(update={"mac": site.router})
        vlan, ping = (answer if on_vlan else DOWN), (UP if routed else DOWN)
        targets.append(TargetVerdict(digest=target.digest, gateway=gateway, vlan=vlan, routed=ping))
        arp_probes = max(arp_probes, vlan.attempts)
        after_s = max(after_s, ANSWERED_AFTER_S if on_vlan and routed else SILENT_AFTER_S)
    assert NOT_TRIED.attempts == 0
    verdict = Verdict(
        segment=site.segment,
        host=host,
        request_id="simulated",
        incarnation=1,
        counter=0,
        dhcp=finding,
        targets=tuple(targets),
    )
    return Probed(verdict, after_s, arp_probes)
