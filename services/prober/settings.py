"""The prober's settings."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from services.contract.gateways import DENIED_SUBNETS, masked
from services.contract.messages import MAX_SEGMENTS
from services.contract.outcomes import Depth
from services.contract.wire import ClusterNetworkName, HostName, InterfaceName
from services.prober.engine.settings import EngineSettings
from services.prober.uplinks import AUTO
from services.runtime.connection.settings import Seconds, TCPPort, TelemetrySettings


def _read_word(value: object) -> object:
    if value != AUTO:
        raise ValueError(f'expected {AUTO}, or a mapping in JSON, such as {{"extra": "extra-bo"}}')
    return value


def _form(value: object) -> str:
    return "word" if isinstance(value, str) else "mapping"


UplinkNames = Annotated[
    Annotated[Literal["auto"], BeforeValidator(_read_word), Tag("word")]
    | Annotated[dict[ClusterNetworkName, InterfaceName], Field(min_length=1), Tag("mapping")],
    Discriminator(_form),
]
Rate = Annotated[float, Field(gt=0, le=1_000_000)]


class ProberSettings(TelemetrySettings):
    """The settings of the prober of one host."""

    host: HostName
    """The Kubernetes node that the prober runs on; its queue is probe.<host>."""
    uplinks: UplinkNames
    """The interface of each cluster network on this host, such as extra=extra-bo; or auto: every interface
    named <cluster network>-bo, as Harvester names its bonds, polled every 2 s."""
    depth: Depth = Depth.OFFER
    """How far to run the DHCP exchange: offer leases no address; lease also leases one, pings the gateway
    from it, and releases it."""
    lease_pause_hours: Annotated[float, Field(ge=0, le=168)] = 6.0
    """At depth lease: hours for which no host leases an address on a VLAN after another station had one that
    was offered. Behind proxy ARP every address is in use, and each lease would take one more from the
    server's pool (DHCPDECLINE). 0 for no pause."""
    dhcp_servers: Annotated[tuple[IPv4Address, ...], Field(max_length=1_000)] = ()
    """Permitted DHCP servers; others are reported as rogues. Without any, a second server on a VLAN is,
    unless it offers the same subnet, mask and gateway, as a failover pair does."""
    denied_subnets: Annotated[tuple[IPv4Network, ...], Field(max_length=1_000)] = DENIED_SUBNETS
    """Gateways in these subnets are never probed, even if DHCP offers them, nor is a gateway whose subnet
    overlaps one of them. Set the same for watcher, prober and updater. A value replaces the default: repeat
    what is to be kept."""
    dhcp_deadline_s: Seconds = 12.0
    """How long to wait for a DHCP offer. Servers ping an address for seconds before they offer it: with less
    than 12 s healthy networks appear dead."""
    offer_window_s: Seconds = 0.3
    """How long to wait for a second server after the first offer."""
    start_rate: Rate = 1_000.0
    """DHCP exchanges started per second, on each uplink."""
    arp_rate: Rate = 1_000.0
    """ARP messages sent per second, on each uplink."""
    echo_rate: Rate = 500.0
    """ICMP echoes sent per second, for all gateways together."""
    arp_inspection: bool = False
    """For switches with ARP inspection or DHCP snooping, which disable a port at more than 15 packets per
    second: send at most 10 ARP and DHCP messages per second on each uplink, all of them together. A sweep of
    200 VLANs takes 23 s, and 67 s where nothing answers; `nadroute hosts` shows how often hosts sweep."""
    one_mac: bool = False
    """Use the same MAC address on all VLANs, for switches that limit the addresses on a port."""
    lldp: bool = True
    """Listen for LLDP on the NICs behind the uplinks, so that texts name the switch port of each. Nothing is
    sent."""
    member_check_interval_s: Annotated[float, Field(ge=0, le=604_800)] = 86_400.0
    """Interval at which the gateway of each VLAN is asked for, by ARP, through each member of the uplink's
    bond: a VLAN that one of two switch ports lacks is told before a failover finds it. At most one VLAN in
    10 s, with a MAC address of its own for each member. 0 disables it."""
    metrics_port: TCPPort = 9402
    """The TCP port that serves /metrics, /healthz and /readyz; 0 disables them."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 32
    """Maximum number of concurrent tasks with awaited results; other tasks end once submitted."""

    @property
    def report_within_s(self) -> float:
        """Seconds within which a request is answered at the configured rates, for the announcement."""
        return self.engine_settings().report_within_s(MAX_SEGMENTS, is_leasing=self.depth is Depth.LEASE)

    def engine_settings(self, *, own_addresses: Iterable[IPv4Address] = ()) -> EngineSettings:
        """Return the engine's settings. own_addresses: the host's, which are denied as gateways."""
        denied = [*self.denied_subnets, *map(IPv4Network, own_addresses)]
        settings = EngineSettings(
            dhcp_deadline_s=self.dhcp_deadline_s,
            offer_window_s=self.offer_window_s,
            start_rate=self.start_rate,
            arp_rate=self.arp_rate,
            echo_rate=self.echo_rate,
            allowed_servers=frozenset(map(int, self.dhcp_servers)),
            denied=masked(denied),
        )
        return settings.for_inspected_ports() if self.arp_inspection else settings
