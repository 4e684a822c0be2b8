"""Addresses of hosts on VLANs: those that they have of their own, and those that were given and not used."""

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated

from pydantic import Field

from services.contract.limits import WIDEST_OWN_PREFIX
from services.contract.wire import ClusterNetworkName, MACAddress, Message, VlanId

MAX_VLAN_ADDRESSES = 256


class VlanAddress(Message):
    """An address of a host on a VLAN, as from Harvester's HostNetworkConfig."""

    cluster_network: ClusterNetworkName
    vlan: VlanId
    address: IPv4Address
    prefix: Annotated[int, Field(ge=WIDEST_OWN_PREFIX, le=32)]

    @property
    def network(self) -> IPv4Network:
        """The subnet that the host reaches on this VLAN."""
        return IPv4Network((self.address, self.prefix), strict=False)


class SourceConflict(Message):
    """An address that the operator gave this host, and that was not used: another station has it."""

    address: IPv4Address
    owner: MACAddress
