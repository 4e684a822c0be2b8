"""The mark in Redis of a watcher that sends, which tells the updater that hosts are asked, and how often."""

from typing import Annotated

from pydantic import Field

from services.contract.limits import FRAMES_PER_S
from services.contract.wire import ClusterNetworkName, Message

MAX_SLOWER = 1_000
Interval = Annotated[float, Field(gt=0, le=31_536_000)]


class SendingMark(Message):
    """What the watcher that sends lets the updater know."""

    sweep_interval_s: Annotated[float, Field(gt=0, le=86_400)]
    """Seconds between two probes of a segment from one host, as set."""
    pace: Annotated[float, Field(ge=0, le=1_000_000)] = FRAMES_PER_S
    """ARP and DHCP frames a second on one cluster network, by all hosts together; 0 for no limit. Less than
    set where a router has gateways on several cluster networks: a part of it for each."""
    slower_s: dict[ClusterNetworkName, Interval] = Field(default_factory=dict, max_length=MAX_SLOWER)
    """The same as sweep_interval_s where the pace allows no more: by cluster network, in seconds."""
