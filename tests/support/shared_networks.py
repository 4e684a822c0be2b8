"""Networks on a scripted site, and the annotations that they should have."""

from collections.abc import Mapping

from lab.harvester import Fabric, Lease
from services.network.parse import nad
from services.network.parse.nad import Network
from services.network.parse.status import Status
from tests.support.write_history import fields

CLUSTER_NETWORK = "extra"
AUTO = '{"mode":"auto"}'


def gateway_of(vlan: int) -> str:
    """Return the gateway on this VLAN."""
    return f"10.{vlan // 256}.{vlan % 256}.1"


def cidr_of(vlan: int) -> str:
    """Return the subnet on this VLAN."""
    return f"10.{vlan // 256}.{vlan % 256}.0/24"


def lease_of(vlan: int) -> Lease:
    """Return what DHCP offers on this healthy VLAN."""
    return Lease.of(f"10.{vlan // 256}.{vlan % 256}.50/24", gateway_of(vlan))


def manual(vlan: int, **more: str) -> str:
    """Return a user's own route."""
    extra = "".join(f',"{key}":"{value}"' for key, value in more.items())
    return f'{{"mode":"manual","cidr":"{cidr_of(vlan)}","gateway":"{gateway_of(vlan)}"{extra}}}'


def make_well(fabric: Fabric, *vlans: int) -> None:
    """Make DHCP and the gateway answer, on both paths."""
    for vlan in vlans:
        segment = (CLUSTER_NETWORK, vlan)
        fabric.offer(segment, lease_of(vlan))
        fabric.attach(segment, gateway_of(vlan))
        fabric.route(gateway_of(vlan))


def route_of(network: Network) -> Mapping[str, object]:
    """Return the fields of the route annotation."""
    return fields(network.annotations.get(nad.ROUTE))


def status_of(network: Network) -> Status | None:
    """Return our status annotation."""
    return Status.parse(network.annotations.get(nad.STATUS, ""))


def state_of(network: Network) -> str:
    """Return the reported state; empty if there is none."""
    status = status_of(network)
    return "" if status is None else status.state


def filled(vlan: int, connectivity: str = "true") -> Mapping[str, object]:
    """Return the expected route of an auto network."""
    return {"mode": "auto", "cidr": cidr_of(vlan), "gateway": gateway_of(vlan), "connectivity": connectivity}


def is_made_whole(network: Network, vlan: int) -> bool:
    """Return whether the network has everything that an auto network should have."""
    return {key: value for key, value in route_of(network).items() if value} == filled(vlan)
