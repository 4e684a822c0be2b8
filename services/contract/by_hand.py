"""What `nadroute probe` tells the watcher: the frames that it has sent, which count against the budgets."""

from typing import Annotated

from pydantic import Field

from services.contract.messages import MAX_SEGMENTS
from services.contract.wire import ClusterNetworkName, Message, VlanId

Frames = Annotated[int, Field(ge=0, le=1_000)]


class ByHand(Message):
    """The frames of one request that no watcher has sent."""

    cluster_network: ClusterNetworkName
    frames: Annotated[tuple[tuple[VlanId, Frames], ...], Field(max_length=MAX_SEGMENTS)]
    """ARP and DHCP frames on each VLAN."""
