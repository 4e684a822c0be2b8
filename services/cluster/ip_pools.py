"""IPPools of Harvester's VM DHCP add-on (vm-dhcp-controller), read with the rights of who asks."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.cluster.errors import ClusterError, Forbidden, Unauthorized
from services.cluster.http.transport import Transport
from services.network.parse.nad import NetworkRef

IP_POOLS_PATH = "/apis/network.harvesterhci.io/v1alpha1/ippools"
_MOST = 500
"""Pools that are read: one a network, where the add-on is used at all."""


@dataclass(frozen=True)
class IPPool:
    """A pool; its values are as anyone may have written them."""

    ref: NetworkRef
    network: str
    """spec.networkName: NAMESPACE/NAME of a network, or a name in the pool's own namespace."""
    cidr: str
    router: str
    is_paused: bool

    def serves(self, network: NetworkRef) -> bool:
        """Whether it is this network's pool."""
        name = self.network if "/" in self.network else f"{self.ref.namespace}/{self.network}"
        return name == str(network)


def list_ip_pools(transport: Transport, *, timeout_s: tuple[float, float]) -> tuple[IPPool, ...] | None:
    """Return the pools of all namespaces, none where the add-on is not installed; None without the right to
    list them.
    """
    try:
        found = transport.request("GET", IP_POOLS_PATH, query=[("limit", str(_MOST))], timeout_s=timeout_s)
    except (Forbidden, Unauthorized):
        return None
    except ClusterError:
        return ()
    items = found.get("items")
    return (
        tuple(_pool(item) for item in items if isinstance(item, Mapping)) if isinstance(items, list) else ()
    )


def _pool(item: Mapping[str, object]) -> IPPool:
    metadata, spec = _section(item, "metadata"), _section(item, "spec")
    ipv4 = _section(spec, "ipv4Config")
    return IPPool(
        NetworkRef(_text(metadata, "namespace"), _text(metadata, "name")),
        _text(spec, "networkName"),
        _text(ipv4, "cidr"),
        _text(ipv4, "router"),
        spec.get("paused") is True,
    )


def _section(body: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = body.get(name)
    return value if isinstance(value, Mapping) else {}


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""
