"""The site of the soak: hosts, VLANs on two cluster networks, and the networks on them."""

import json
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from lab.site import ALL_VLANS, DhcpServer, Host, ServerKind, Site, Uplink, Vlan
from lab.site_builder import MANAGEMENT, vlan_cidr
from lab.wiring import AccessLink, plan
from services.network.parse import nad
from tests.support.updater_site import NAMESPACE

HOSTS = ("node1", "node2", "node3")
UPLINKS = {"extra": "extra-bo", "storage": "storage-bo"}
STORAGE = range(19, 29)
"""The VLANs on the second cluster network."""
AUTO = (*range(1, 13), 17, 18, *range(19, 25), 28)
MANUAL = (*range(13, 17), *range(25, 28))
WITHOUT_DHCP = (11, 12, 28)
"""Auto, and nobody serves DHCP."""
PINGING = (9, 10)
"""Served by dnsmasq, which checks each address before it offers it."""
ISOLATED, MARKED = 17, 18
"""Not routed; the second one is marked as meant to be so."""
WITH_ROGUE = (2, 12, 20, 28)
"""On which a second DHCP server may turn up; it names a gateway that does not exist."""
VLANS = (*range(1, 19), *STORAGE)
ROGUES_GATEWAY = 66
"""Its number in the VLAN's subnet, and that of the rogue itself."""
_SERVER, _ROGUE = 250, 251


@dataclass(frozen=True)
class Owned:
    """A network as its owner created it."""

    name: str
    vlan: int
    mode: str

    @property
    def route(self) -> str | None:
        """The route annotation of a new one: none for auto."""
        return manual_route(self.vlan) if self.mode == "manual" else None

    @property
    def config(self) -> str:
        """The CNI configuration."""
        bridge = f"{cluster_network_of(self.vlan)}-br"
        return json.dumps({"cniVersion": "0.3.1", "type": "bridge", "bridge": bridge, "vlan": self.vlan})

    def body(self) -> dict[str, Any]:
        """Return the object that its owner applies."""
        annotations = {} if self.route is None else {nad.ROUTE: self.route}
        if self.vlan == MARKED:
            annotations[nad.ISOLATED] = "true"
        return {
            "apiVersion": "k8s.cni.cncf.io/v1",
            "kind": "NetworkAttachmentDefinition",
            "metadata": {"name": self.name, "namespace": NAMESPACE, "annotations": annotations},
            "spec": {"config": self.config},
        }


NETWORKS = (
    *(Owned(f"net-{vlan}", vlan, "auto" if vlan in AUTO else "manual") for vlan in VLANS),
    # Two that share a VLAN with another one.
    Owned("second-1", 1, "auto"),
    Owned("second-13", 13, "manual"),
)


def cluster_network_of(vlan: int) -> str:
    """Return the cluster network of a VLAN."""
    return "storage" if vlan in STORAGE else "extra"


def gateway_of(vlan: int) -> IPv4Address:
    """Return the VLAN's true gateway."""
    return vlan_cidr(vlan)[1]


def manual_route(vlan: int, *, host: int = 1) -> str:
    """Return an owner's route; host is the gateway's number in the subnet."""
    cidr = vlan_cidr(vlan)
    return json.dumps({"mode": "manual", "cidr": str(cidr), "gateway": str(cidr[host])})


def _server(vlan: int, number: int, *, router: int, pings: bool = False) -> DhcpServer:
    cidr = vlan_cidr(vlan)
    first = 100 if number == _SERVER else 200
    return DhcpServer(
        pool_start=cidr[first],
        pool_end=cidr[first + 20],
        address=cidr[number],
        router=cidr[router],
        server=ServerKind.DNSMASQ if pings else ServerKind.BUILTIN,
        ping_check=pings,
    )


def _vlan(vlan: int) -> Vlan:
    servers = []
    if vlan not in (*WITHOUT_DHCP, *MANUAL):
        servers.append(_server(vlan, _SERVER, router=1, pings=vlan in PINGING))
    if vlan in WITH_ROGUE:
        servers.append(_server(vlan, _ROGUE, router=ROGUES_GATEWAY))
    return Vlan(
        vlan=vlan,
        cluster_network=cluster_network_of(vlan),
        cidr=vlan_cidr(vlan),
        gateway=gateway_of(vlan),
        routed=vlan not in (ISOLATED, MARKED),
        dhcp=tuple(servers),
    )


SITE = Site(
    management=MANAGEMENT,
    hosts=tuple(
        Host(
            name=name,
            address=MANAGEMENT.cidr[11 + index],
            uplinks=tuple(
                Uplink(cluster_network=network, interface=interface, vlans=ALL_VLANS)
                for network, interface in UPLINKS.items()
            ),
        )
        for index, name in enumerate(HOSTS)
    ),
    vlans=tuple(map(_vlan, VLANS)),
)
_WIRING = plan(SITE)
_LINKS = _WIRING.accesses


def port_of(host: str, cluster_network: str) -> str:
    """Return the other end of the cable of a host's uplink."""
    interface = UPLINKS[cluster_network]
    return next(
        link.port for link in _WIRING.trunks if link.host.name == host and link.uplink.interface == interface
    )


def gateway_link(vlan: int) -> AccessLink:
    """Return the cable of the VLAN's gateway."""
    return next(link for link in _LINKS if link.vlan.vlan == vlan and link.server is None)


def server_link(vlan: int, *, rogue: bool = False) -> AccessLink:
    """Return the cable of the VLAN's DHCP server, or of its rogue."""
    address = vlan_cidr(vlan)[_ROGUE if rogue else _SERVER]
    return next(
        link
        for link in _LINKS
        if link.vlan.vlan == vlan and link.server is not None and link.server.address == address
    )
