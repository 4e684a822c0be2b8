"""What a prober announces of each NIC behind an uplink: each member of a bond is on another switch port."""

from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated

from pydantic import Field, StringConstraints

from services.contract.limits import MAX_TOLD_CHARACTERS, MAX_VLAN_RANGES
from services.contract.wire import ClusterNetworkName, InterfaceName, Message, VlanId

MAX_MEMBERS = 16
"""NICs of one host. With the limits of the texts and ranges, the largest announcement is still read."""
MAX_CARRIED = 4
"""Cluster networks of one NIC."""

Told = Annotated[str, StringConstraints(max_length=MAX_TOLD_CHARACTERS, pattern=r"^[^\p{Cc}\p{Cf}`]*$")]
"""Text of whoever is on the link: the prober cuts it, and takes out control and formatting characters, and
the backticks that enclose commands in texts."""


class LLDPState(StrEnum):
    """What listening for LLDP on a NIC has come to."""

    HEARD = "heard"
    WAITING = "waiting"
    """None was heard, and two minutes are not over: a switch sends every 30 s, by default."""
    SILENT = "silent"
    """None was heard for two minutes."""
    DOWN = "down"
    """The NIC is down or has no carrier; the port is the last one that was heard."""
    OFF = "off"
    """By the prober's settings."""
    FAILED = "failed"
    """The NIC is gone, or the process may not listen (CAP_NET_RAW)."""


class SwitchPort(Message):
    """What a switch says of itself and of the port that a NIC is plugged into (IEEE 802.1AB)."""

    switch: Told
    """The system name; the chassis ID if there is none."""
    port: Told
    """The port ID."""
    description: Told = ""
    """The port description, which may be the owner's own text."""
    address: IPv4Address | IPv6Address | None = None
    """The management address."""
    native_vlan: VlanId | None = None
    """The port VLAN ID (IEEE 802.1Q, PVID), which untagged frames belong to."""
    vlans: Annotated[tuple[tuple[VlanId, VlanId], ...], Field(max_length=MAX_VLAN_RANGES)] = ()
    """The VLANs that have a VLAN Name TLV, as ranges (first, last), ascending. Often not all that the port
    carries, and often none."""
    others: Annotated[int, Field(ge=0, le=1_000)] = 0
    """Further senders of LLDP on this link: then something between forwards it, and the port may be none of
    this NIC's."""


class MemberNIC(Message):
    """A NIC by which an uplink's frames leave: a member of the bond, or the uplink itself."""

    interface: InterfaceName
    cluster_networks: Annotated[tuple[ClusterNetworkName, ...], Field(max_length=MAX_CARRIED)]
    """Those whose uplink it belongs to, sorted."""
    lldp: LLDPState = LLDPState.WAITING
    port: SwitchPort | None = None
    """None if no LLDP was heard; see LLDPState.DOWN."""
