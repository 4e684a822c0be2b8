"""Networks that live on a scripted site, and what should stand on them."""

from collections.abc import Mapping

from lab.harvester import Fabric, Lease
from services.network.parse import annotations as names
from services.network.parse.nad import Network
from services.network.parse.status import Status
from tests.support.write_history import fields

CLUSTER_NETWORK = "extra"
AUTO = '{"mode":"auto"}'


def gateway_of(vlan: int) -> str:
    """The gateway on this VLAN."""
    return f"10.{vlan // 256}.{vlan % 256}.1"


def cidr_of(vlan: int) -> str:
    """The subnet on this VLAN."""
    return f"10.{vlan // 256}.{vlan % 256}.0/24"


def lease_of(vlan: int) -> Lease:
    """What DHCP offers on this VLAN, where all is well."""
    return Lease.of(f"10.{vlan // 256}.{vlan % 256}.50/24", gateway_of(vlan))


def manual(vlan: int, **more: str) -> str:
    """A user's own route."""
    extra = "".join(f',"{key}":"{value}"' for key, value in more.items())
    return f'{{"mode":"manual","cidr":"{cidr_of(vlan)}","gateway":"{gateway_of(vlan)}"{extra}}}'


def make_well(fabric: Fabric, *vlans: int) -> None:
    """DHCP answers there, and the gateway on both paths."""
    for vlan in vlans:
        segment = (CLUSTER_NETWORK, vlan)
        fabric.offer(segment, lease_of(vlan))
        fabric.attach(segment, gateway_of(vlan))
        fabric.route(gateway_of(vlan))


def route_of(network: Network) -> Mapping[str, object]:
    """The route annotation's fields."""
    return fields(network.annotations.get(names.ROUTE))


def status_of(network: Network) -> Status | None:
    """What we say of it."""
    return Status.parse(network.annotations.get(names.STATUS, ""))


def state_of(network: Network) -> str:
    """The state that is told; empty where none is."""
    status = status_of(network)
    return "" if status is None else status.state


def filled(vlan: int, connectivity: str = "true") -> Mapping[str, object]:
    """The route of an auto network as it should be."""
    return {"mode": "auto", "cidr": cidr_of(vlan), "gateway": gateway_of(vlan), "connectivity": connectivity}


def is_made_whole(network: Network, vlan: int) -> bool:
    """All that an auto network should have stands there."""
    return {key: value for key, value in route_of(network).items() if value} == filled(vlan)
