"""What the engine is asked to probe.

Protocols, which the messages of the contract match: so the engine does not import these, nor pydantic, which
takes longer to import than `nadroute scan` needs for 64 VLANs.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Protocol

from services.contract.outcomes import Depth


class Target(Protocol):
    """One gateway to check; see services.contract.messages.Target."""

    @property
    def digest(self) -> str: ...
    @property
    def gateway(self) -> IPv4Address | None: ...
    @property
    def from_dhcp(self) -> bool: ...
    @property
    def server(self) -> IPv4Address | None: ...


class Probe(Protocol):
    """How to probe one segment; see services.contract.messages.SegmentProbe."""

    @property
    def vlan(self) -> int: ...
    @property
    def ask_dhcp(self) -> bool: ...
    @property
    def depth(self) -> Depth: ...
    @property
    def source(self) -> IPv4Address | None: ...
    @property
    def source_prefix(self) -> int | None: ...
    @property
    def may_lease(self) -> bool: ...
    @property
    def targets(self) -> Sequence[Target]: ...
