"""The host's own addresses on the VLANs of its uplinks, by the names of their interfaces.

Harvester's HostNetworkConfig (1.8) makes an interface BRIDGE.VLAN, such as extra-br.7; the management network
with a VLAN is mgmt-br.VLAN.
"""

import re
from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from services.contract.vlan_addresses import MAX_VLAN_ADDRESSES, VlanAddress
from services.prober.sockets.addresses import NamedAddress, read_addresses

_NAME = re.compile(r"(?P<cluster_network>[^:]+)-(br|bo)\.(?P<vlan>[0-9]{1,4})(:.*)?")


def read_vlan_addresses() -> tuple[VlanAddress, ...]:
    """Return the addresses, in order. Raises OSError."""
    found = set(on_vlans(read_addresses()))
    in_order = sorted(found, key=lambda own: (own.cluster_network, own.vlan, own.address))
    return tuple(in_order[:MAX_VLAN_ADDRESSES])


def on_vlans(addresses: Iterable[NamedAddress]) -> Iterator[VlanAddress]:
    """Yield those of these addresses that are on a VLAN."""
    for label, address, prefix in addresses:
        name = _NAME.fullmatch(label)
        if name is None:
            continue
        try:
            yield VlanAddress(
                cluster_network=name["cluster_network"],
                vlan=int(name["vlan"]),
                address=address,
                prefix=prefix,
            )
        except ValidationError:
            # No name of a cluster network, no VLAN, or a subnet that no VLAN has.
            continue
