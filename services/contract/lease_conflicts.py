"""What the probers tell each other of addresses that were offered to one, and that another station has."""

from ipaddress import IPv4Address
from typing import Annotated

from pydantic import Field

from services.contract.limits import MAX_SERVERS
from services.contract.wire import MACAddress, Message, RedisTime


class LeaseConflict(Message):
    """The last such conflict on a segment."""

    at_ms: RedisTime
    server: IPv4Address
    """The DHCP server that offered the address."""
    address: IPv4Address
    owner: MACAddress
    others: Annotated[tuple[IPv4Address, ...], Field(max_length=MAX_SERVERS)] = ()
    """Further addresses for which this MAC address answered before: proxy ARP does so for any."""
