"""How often, how long and how fast the engine probes."""

from dataclasses import dataclass, replace

INSPECTED_ARP_RATE = 9.0
"""ARP messages a second: never more than 10 in any second, whatever the clock does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Times are seconds, rates are per second on one uplink; a rate of None sets no limit.

    Rates are limited, never the number in flight: with a tenth of 4094 VLANs silent that is 3 s against 21 s.
    """

    dhcp_deadline_s: float = 12.0
    """Servers probe an address before they offer it, dnsmasq for 3 s each, one after another: below 12 s
    healthy networks are called dead."""
    offer_window_s: float = 0.3
    """How long to listen on after the first offer: a second server is a result."""
    retransmit_s: tuple[float, ...] = (4.0, 8.0, 16.0)
    """Delays before the DHCPDISCOVER is sent again (RFC 2131 section 4.1); the last one repeats."""
    retransmit_jitter_s: float = 1.0
    """Each delay is moved by up to this, at random, either way (RFC 2131 section 4.1)."""
    lease_deadline_s: float = 8.0
    """For an answer to a DHCPREQUEST, which a server that has just offered gives at once."""
    conflict_probes: int = 2
    """ARP probes for a leased address before it is used (RFC 5227 section 2.1.1 has 3)."""
    conflict_interval_s: float = 0.2
    """Between them and after the last one. RFC 5227 has 1-2 s, for addresses that are kept for days."""
    reach_attempts: int = 3
    reach_interval_s: float = 1.0
    """Between two probes of a gateway."""
    reach_wait_s: float = 1.0
    """After the last one, before the gateway is called silent."""
    start_rate: float | None = 1_000.0
    """DHCP exchanges begun."""
    arp_rate: float | None = 1_000.0
    """ARP probes sent. A switch that inspects ARP shuts a port at more than 15 a second."""
    echo_rate: float | None = 500.0
    """ICMP echoes sent through the host's routing, by the whole process."""
    allowed_servers: frozenset[int] = frozenset()
    """DHCP servers that are no rogues; where none are named, the one that counts for a network is none."""

    denied: tuple[tuple[int, int], ...] = ()
    """Subnets, as (address, mask), in which no router that an offer names is asked."""

    def for_inspected_ports(self) -> "EngineSettings":
        """The same for switches that inspect ARP, which shut a port at more than 15 packets a second."""
        rate = INSPECTED_ARP_RATE if self.arp_rate is None else min(self.arp_rate, INSPECTED_ARP_RATE)
        return replace(self, arp_rate=rate)
