"""A trunk from a host to a network where each VLAN has a gateway and, optionally, a real DHCP server."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path

from lab.bigsite import addressing, dhcpd
from lab.bigsite.limits import raised_limits
from lab.bigsite.splitting import split_trunk
from lab.kernel import enter_network
from lab.namespaces import Namespace

UPLINK = "uplink0"
FAR_END = "trunk0"
"""The other end of UPLINK, in the network."""
_SHARED_MEMORY = Path("/dev/shm")
_SETTINGS = {
    "ipv6/conf/all/disable_ipv6": 1,
    "ipv6/conf/default/disable_ipv6": 1,
    "ipv4/ip_forward": 0,
    # A gateway answers only for its own address, on its own VLAN.
    "ipv4/conf/default/arp_ignore": 1,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
}


@dataclass(frozen=True)
class BigSite:
    """Two namespaces joined by a cable: `host` has the trunk port UPLINK; `network` is behind it."""

    host: Namespace
    network: Namespace
    vlans: Sequence[int]


@contextlib.contextmanager
def cable() -> Iterator[BigSite]:
    """Build only the cable, without stations. Afterwards this process is back in its own namespace."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, home)
        stack.callback(enter_network, home)
        host, network = Namespace("host"), Namespace("network")
        stack.callback(host.close)
        stack.callback(network.close)
        for namespace in (host, network):
            namespace.write_settings(_SETTINGS)
        host.run_ip([f"link add {UPLINK} type veth peer name {FAR_END} netns {network.pid}"])
        host.run_ip([f"link set {UPLINK} up"])
        network.run_ip([f"link set {FAR_END} promisc on up", "link set lo up"])
        yield BigSite(host, network, ())


@contextlib.contextmanager
def big_site(vlans: Sequence[int], *, with_dhcp: bool = True) -> Iterator[BigSite]:
    """Build a kernel gateway on each of `vlans`, and ISC dhcpd unless `with_dhcp` is false.

    Raises:
        BPFUnavailable: the kernel does not support it, or this is not root.
        FileNotFoundError: dhcpd is not installed.
        SiteError: a part could not be started.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(raised_limits())
        site = stack.enter_context(cable())
        split_trunk(site.network, FAR_END, vlans, addresses=_gateway_interface)
        if with_dhcp:
            # A server syncs its file for each lease: that would measure a disk.
            parent = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else None
            directory = stack.enter_context(tempfile.TemporaryDirectory(dir=parent, prefix="nadroute-dhcpd-"))
            stack.enter_context(dhcpd.servers(site.network, vlans, directory=Path(directory)))
        yield BigSite(site.host, site.network, vlans)


def _gateway_interface(vlan: int) -> IPv4Interface:
    return IPv4Interface((addressing.gateway(vlan), addressing.network(vlan).prefixlen))
