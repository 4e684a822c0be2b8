"""The description of a site: hosts, the VLANs between them, and the gateway and DHCP servers of each VLAN.

The classes are plain data. `lab.site_file` reads them from YAML, `lab.site_builder` builds them in Python,
and `lab.site_rules` checks their consistency.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from lab.lldp import PortLabel

VLAN_MIN = 1
VLAN_MAX = 4094
ALL_VLANS = frozenset(range(VLAN_MIN, VLAN_MAX + 1))


class SiteError(ValueError):
    """A site is invalid or cannot be run; the message is one line for people."""


class ServerKind(StrEnum):
    """The program that answers DHCP. `AUTO` is dnsmasq if it is installed, else the lab's own server."""

    AUTO = "auto"
    DNSMASQ = "dnsmasq"
    UDHCPD = "udhcpd"
    ISC = "isc"
    BUILTIN = "builtin"


@dataclass(frozen=True, kw_only=True)
class DhcpServer:
    """One DHCP server on one VLAN.

    `address` is the server's own: if it is the gateway's address, the gateway itself serves, otherwise a
    machine of its own. `router` is option 3 (RFC 2132 section 3.5); None omits the option. `relay`: the
    server is on the management network, at `address`, and the VLAN's gateway relays to it (RFC 1542).
    `ping_check`: probe an address before offering it, as servers do by default; it delays every OFFER.
    `min_secs`: answer clients only that say they have waited so long (`secs`); with ISC dhcpd alone.
    """

    pool_start: IPv4Address
    pool_end: IPv4Address
    address: IPv4Address
    router: IPv4Address | None
    server: ServerKind = ServerKind.AUTO
    lease_seconds: int = 3600
    ping_check: bool = False
    relay: bool = False
    min_secs: int = 0


@dataclass(frozen=True, kw_only=True)
class Vlan:
    """One segment of the site, with its gateway and DHCP servers.

    `gateway` None: the VLAN has none. `gateway_answers` False: its address is known, but answers neither ARP
    nor ICMP. `routed`: the gateway can also be reached from the management network.
    """

    vlan: int
    cluster_network: str
    cidr: IPv4Network | None = None
    gateway: IPv4Address | None = None
    gateway_answers: bool = True
    routed: bool = True
    dhcp: tuple[DhcpServer, ...] = ()

    @property
    def label(self) -> str:
        """Return the segment's name in messages and commands, e.g. `extra/7`."""
        return f"{self.cluster_network}/{self.vlan}"

    def on_wire(self, address: IPv4Address) -> IPv4Interface:
        """Return `address` with this VLAN's prefix length."""
        if self.cidr is None:
            raise SiteError(f"VLAN {self.label} has no cidr")
        return IPv4Interface((address, self.cidr.prefixlen))


@dataclass(frozen=True, kw_only=True)
class Uplink:
    """A host's port on one cluster network; `vlans` are those that the physical switch trunks to it.

    `native` is the one of them that the switch sends without a tag; None: all are tagged. A port whose only
    VLAN is native is an access port.
    `lldp`: what the switch announces there; None: nothing.
    """

    cluster_network: str
    interface: str
    vlans: frozenset[int] = field(default=ALL_VLANS, repr=False)
    lldp: PortLabel | None = None
    native: int | None = None


@dataclass(frozen=True, kw_only=True)
class Host:
    """A machine of the site; `address` is its address on the management network."""

    name: str
    address: IPv4Address
    uplinks: tuple[Uplink, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Management:
    """The network through which hosts reach everything that is routed."""

    cidr: IPv4Network
    gateway: IPv4Address


@dataclass(frozen=True, kw_only=True)
class Site:
    """A whole site."""

    management: Management
    hosts: tuple[Host, ...]
    vlans: tuple[Vlan, ...]

    def find_vlan(self, name: str) -> Vlan:
        """Return the VLAN called `7` or `extra/7`.

        Raises:
            SiteError: no VLAN has that name, or more than one.
        """
        found = [vlan for vlan in self.vlans if name in (vlan.label, str(vlan.vlan))]
        if len(found) == 1:
            return found[0]
        if found:
            raise SiteError(f"VLAN {name} is in several cluster networks; use CLUSTER_NETWORK/{name}")
        raise SiteError(f"no VLAN {name!r} in this site")

    def find_host(self, name: str) -> Host:
        """Return the host called `name`.

        Raises:
            SiteError: there is none.
        """
        for host in self.hosts:
            if host.name == name:
                return host
        raise SiteError(f"no host {name!r} in this site; hosts: {', '.join(h.name for h in self.hosts)}")


def parse_vlan_set(text: str) -> frozenset[int]:
    """Parse VLAN IDs from `all`, `7` or `7,10-20`.

    Raises:
        ValueError: the text has another form, or a number is outside 1-4094.
    """
    if text.strip() == "all":
        return ALL_VLANS
    vlans: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        low, high = _vlan_id(first), _vlan_id(last if dash else first)
        if low > high:
            raise ValueError(f"{part.strip()!r} descends")
        vlans.update(range(low, high + 1))
    return frozenset(vlans)


def format_vlan_set(vlans: frozenset[int]) -> str:
    """Return the shortest text that `parse_vlan_set` reads back to `vlans`."""
    if vlans == ALL_VLANS:
        return "all"
    runs: list[list[int]] = []
    for vlan in sorted(vlans):
        if runs and runs[-1][-1] == vlan - 1:
            runs[-1][1:] = [vlan]
        else:
            runs.append([vlan])
    return ",".join("-".join(map(str, run)) for run in runs)


def _vlan_id(text: str) -> int:
    # isdecimal alone would accept digits of other scripts.
    if not (text.isascii() and text.isdecimal()) or not VLAN_MIN <= int(text) <= VLAN_MAX:
        raise ValueError(f"{text!r} is not a VLAN ID ({VLAN_MIN}-{VLAN_MAX})")
    return int(text)
