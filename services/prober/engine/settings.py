"""The engine's rates, deadlines and intervals."""

import math
from dataclasses import dataclass, replace

from services.contract.limits import MAX_REPORT_WITHIN_S, REPORT_WITHIN_S

INSPECTED_RATE = 9.0
"""DHCP and ARP messages a second: a full token bucket then still allows no more than 10 in any one second."""
_DISCOVERS = 3
"""Of one discovery, until its deadline."""
_FRAMES_OF_LEASE = 3
"""DHCPREQUEST, once repeated, and DHCPRELEASE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Times are in seconds; rates are per second on one uplink, and None is no limit.

    Rates are limited, not the number of open exchanges: with a tenth of 4094 VLANs silent, probing all of
    them takes 3 s instead of 21 s.
    """

    dhcp_deadline_s: float = 12.0
    """A server probes an address before it offers it; dnsmasq does so for 3 s for each client in turn. With
    less than 12 s, healthy networks are reported as failed."""
    offer_window_s: float = 0.3
    """How long further offers are accepted after the first: a second server is worth reporting. While an
    offer that confirms what is known is missing, they are accepted until the deadline."""
    retransmit_s: tuple[float, ...] = (4.0, 8.0, 16.0)
    """Delays before retransmissions (RFC 2131 section 4.1); the last one repeats."""
    retransmit_jitter_s: float = 1.0
    """Each delay is changed by a random time of up to this, either way (RFC 2131 section 4.1)."""
    lease_deadline_s: float = 8.0
    """How long to wait for the reply to a DHCPREQUEST; a server that has just offered replies at once."""
    conflict_probes: int = 2
    """ARP probes before a leased address is used (RFC 5227 section 2.1.1: 3)."""
    conflict_interval_s: float = 0.2
    """After each such probe. RFC 5227 has 1-2 s, for addresses that are kept for days."""
    tries_without_address: bool = True
    """Whether a gateway that answers our address is asked once from 0.0.0.0, too: see senders."""
    reach_attempts: int = 3
    """Probes of a gateway before it is reported as silent."""
    reach_interval_s: float = 1.0
    """Between two of them."""
    reach_wait_s: float = 1.0
    """After the last one."""
    start_rate: float | None = 1_000.0
    """DHCP exchanges started."""
    arp_rate: float | None = 1_000.0
    """ARP messages sent. A switch that inspects ARP disables a port at more than 15 a second."""
    port_rate: float | None = None
    """DHCP and ARP messages sent, together; if set, in place of the two above. A switch that rates both, by
    DHCP snooping and ARP inspection, disables a port for either."""
    echo_rate: float | None = 500.0
    """ICMP echo requests sent through the host's routing, by the whole process."""
    allowed_servers: frozenset[int] = frozenset()
    """DHCP servers that are legitimate; if empty, the one that counts for a network is."""

    denied: tuple[tuple[int, int], ...] = ()
    """Subnets, as (address, mask), in which no router that an offer names is probed."""

    def report_within_s(self, segments: int, *, is_leasing: bool) -> float:
        """Return the time in which a request for so many segments is answered, in the bounds of contract.

        It is the longest probe, in which neither DHCP nor the gateway answers, after the time for which the
        rates hold back the request's last segment.
        """
        of_port = self.frames_of_silence + (_FRAMES_OF_LEASE + self.conflict_probes if is_leasing else 0)
        slowest = max(
            0.0 if rate is None else frames / rate
            for frames, rate in (
                (1, self.start_rate),
                (self.reach_attempts, self.arp_rate),
                (self.reach_attempts, self.echo_rate),
                (of_port, self.port_rate),
            )
        )
        probe_s = self.dhcp_deadline_s + self.reach_attempts * self.reach_interval_s + self.reach_wait_s
        if is_leasing:
            probe_s += self.lease_deadline_s
        return min(MAX_REPORT_WITHIN_S, max(REPORT_WITHIN_S, segments * slowest + probe_s))

    @property
    def frames_of_silence(self) -> int:
        """The DHCP and ARP messages on a VLAN on which nothing answers."""
        return _DISCOVERS + self.reach_attempts

    def paced_s(self, segments: int, *, is_leasing: bool) -> tuple[float, float]:
        """Return for how long port_rate holds back so many segments that ask DHCP, in seconds.

        The first time is where every server and gateway answers, the second where none does.
        """
        leasing = _FRAMES_OF_LEASE + self.conflict_probes - 1 if is_leasing else 0
        rate = self.port_rate or math.inf
        return segments * (2 + leasing) / rate, segments * (self.frames_of_silence + leasing) / rate

    def for_inspected_ports(self) -> "EngineSettings":
        """Return these settings with a rate that a switch tolerates which counts a port's DHCP and ARP."""
        rates = [rate for rate in (self.start_rate, self.arp_rate, INSPECTED_RATE) if rate is not None]
        return replace(self, port_rate=min(rates))
