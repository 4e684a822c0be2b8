"""What a prober can be told."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from services.contract.gateways import DENIED_SUBNETS, masked
from services.contract.messages import ClusterNetworkName, HostName, InterfaceName
from services.contract.outcomes import Depth
from services.prober.engine.settings import EngineSettings
from services.prober.uplinks import AUTO
from services.runtime.settings import Seconds, TCPPort, TelemetrySettings


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
    """The prober of one host."""

    host: HostName
    """The Kubernetes node that this prober probes from; its queue is probe.<host>."""
    uplinks: UplinkNames
    """The interface of each cluster network on this host, such as extra=extra-bo; or auto: every interface
    that is called <cluster network>-bo, as Harvester calls its bonds, looked at again every 2 s."""
    depth: Depth = Depth.OFFER
    """How far to go with DHCP: offer takes no address; lease also takes one, asks the gateway from it, and
    gives it back."""
    dhcp_servers: Annotated[tuple[IPv4Address, ...], Field(max_length=1_000)] = ()
    """DHCP servers that may be there; others are told as rogues. Without any, a second one on a VLAN is."""
    denied_subnets: Annotated[tuple[IPv4Network, ...], Field(max_length=1_000)] = DENIED_SUBNETS
    """Gateways in these are not asked, though DHCP names them: the same as watcher and updater are told. What
    is given takes the place of the default: repeat what of it still holds."""
    dhcp_deadline_s: Seconds = 12.0
    """How long to wait for a DHCP offer. Servers ping an address for seconds before they offer it: less than
    12 s calls healthy networks dead."""
    offer_window_s: Seconds = 0.3
    """How long to listen on after the first offer, for a second server."""
    start_rate: Rate = 1_000.0
    """DHCP exchanges begun in a second, on each uplink."""
    arp_rate: Rate = 1_000.0
    """ARP messages sent in a second, on each uplink."""
    echo_rate: Rate = 500.0
    """ICMP echoes sent in a second, for all gateways together."""
    arp_inspection: bool = False
    """For switches that inspect ARP, which shut a port at more than 15 packets a second: sends at most 10,
    answers included, on each uplink."""
    one_mac: bool = False
    """Use the same MAC address on all VLANs, for switches that limit addresses on a port."""
    metrics_port: TCPPort = 9402
    """The TCP port of /metrics, /healthz and /readyz; 0 tells them nowhere."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 32
    """Tasks that somebody waits for which may be in hand at once; all others end when they have begun."""

    def engine_settings(self, *, own_addresses: Iterable[IPv4Address] = ()) -> EngineSettings:
        """The engine's part of it. own_addresses: the host's, which are no gateways either."""
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
