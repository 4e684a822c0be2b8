"""Results of probes in plain tuples: an IPv4 address is an integer, and a duration is in seconds.

4094 segments may finish within a second; building other objects from the results is left to the edges:
services.prober.verdicts and services.prober.scan.results.
"""

from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from services.contract.outcomes import BridgeFault, DHCPOutcome, Fault, LeaseOutcome, ReachOutcome, Untagged
from services.prober.engine.probes import Probe


class DHCPOffer(NamedTuple):
    """One server's offer."""

    server: int
    address: int
    prefix: int | None
    """The length of the subnet mask; None without a valid one."""
    gateway: int | None
    routers: tuple[int, ...]
    relay: int
    """giaddr; 0 if the offer came without a relay."""
    lease_s: int | None
    after_s: float
    """From the DHCPDISCOVER that it answers to the offer."""
    unasked_ack: bool = False
    """A DHCPACK that nobody had requested (rapid commit)."""
    usable_gateway: int | None = None
    """The gateway, if a host can be asked to check it."""
    xid: bytes = b""
    secs: int = 0
    """Fields of the DHCPDISCOVER, which the DHCPREQUEST repeats (RFC 2131 section 3.1)."""
    server_mac: bytes = b""
    """The source of the offer's frame: the server or a relay."""
    acknowledged: bool = False
    """Whether the options are those of a DHCPACK."""
    on_link: bool = False
    """Whether option 121 says that the default router is on the link, in the subnet or not."""


class DiscoveryResult(NamedTuple):
    """The result of a DHCP discovery; offers are in the order of offers.in_order."""

    outcome: DHCPOutcome
    offers: tuple[DHCPOffer, ...]
    attempts: int
    elapsed_s: float
    """From the first DHCPDISCOVER to the first offer, or to the end."""
    omitted: int = 0
    """Further offers, beyond those that are kept."""


class LeaseResult(NamedTuple):
    """The result of requesting an offered address."""

    outcome: LeaseOutcome
    server: int
    address: int
    attempts: int
    elapsed_s: float
    owner: bytes | None = None
    """The MAC address of the station that has the address already."""
    requested: DHCPOffer | None = None
    acknowledged: DHCPOffer | None = None
    """The requested offer with the options of the DHCPACK; None without one."""
    others: tuple[int, ...] = ()
    """See services.contract.messages.LeaseVerdict."""


class ReachResult(NamedTuple):
    """The result of checking a gateway by one protocol."""

    outcome: ReachOutcome
    rtt_s: float | None = None
    attempts: int = 0
    mac: bytes | None = None
    """The sender of the first ARP reply."""
    macs: tuple[bytes, ...] = ()
    """See contract.messages.ReachVerdict."""
    from_address: bool = False
    unproven: bool = False
    """See services.contract.messages.ReachVerdict."""


NOT_TRIED = ReachResult(ReachOutcome.NOT_TRIED)
DISCOVERY_NOT_TRIED = DiscoveryResult(DHCPOutcome.NOT_TRIED, (), 0, 0.0)


class TargetResult(NamedTuple):
    """The result for one gateway of a target; see segment.SegmentJob."""

    digest: str
    offer: DHCPOffer | None
    """The offer that counts for the target."""
    gateway: int | None
    vlan: ReachResult
    routed: ReachResult
    echo: ReachResult = NOT_TRIED


class SegmentResult(NamedTuple):
    """The result of probing one segment."""

    cluster_network: str
    vlan: int
    dhcp: DiscoveryResult | None
    targets: tuple[TargetResult, ...]
    fault: Fault | None
    dropped_frames: int
    lease: LeaseResult | None = None
    rogues: frozenset[int] = frozenset()
    """Addresses of rogue servers among those that offered."""
    source_owner: bytes | None = None
    """The MAC address of another station that has the address which the operator gave us."""
    source: IPv4Address | None = None
    """That address."""
    bridge: BridgeFault | None = None
    """Why the VLAN does not reach this host's VMs, if that is known."""
    members: tuple[tuple[str, bool | None], ...] = ()
    members_untested: bool = False
    """Both as in contract.messages.Verdict."""
    untagged: Untagged | None = None
    """What answered without the VLAN's tag, where nothing answered with it."""


def untried(cluster_network: str, probe: Probe, fault: Fault) -> SegmentResult:
    """Return the result of a probe that was not started."""
    return SegmentResult(
        cluster_network=cluster_network,
        vlan=probe.vlan,
        dhcp=DISCOVERY_NOT_TRIED if probe.ask_dhcp else None,
        targets=tuple(
            TargetResult(
                digest=target.digest,
                offer=None,
                gateway=None if target.gateway is None else int(target.gateway),
                vlan=NOT_TRIED,
                routed=NOT_TRIED,
            )
            for target in probe.targets
        ),
        fault=fault,
        dropped_frames=0,
    )


def cidr(offer: DHCPOffer) -> IPv4Network | None:
    """Return the subnet of the offered address; None without a valid mask."""
    if offer.prefix is None:
        return None
    host_bits = 32 - offer.prefix
    return IPv4Network((offer.address >> host_bits << host_bits, offer.prefix))


def address(value: int | None) -> IPv4Address | None:
    """Return the address; None stands for none."""
    return None if value is None else IPv4Address(value)


def milliseconds(seconds: float) -> float:
    """Return milliseconds, rounded to the microsecond: further digits are noise."""
    return round(seconds * 1000, 3)
