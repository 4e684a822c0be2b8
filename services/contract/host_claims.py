"""A prober's claim to a host's name, kept in Redis for the one that holds it and for one that waits."""

from ipaddress import IPv4Address
from typing import Annotated

from pydantic import Field, StringConstraints

from services.contract.wire import HostName, Identifier, Message, RedisTime


class HostClaim(Message):
    """Which prober claims a host's name, and since when."""

    host: HostName
    process: Identifier
    """A random word that no two probers share: machine and pid may be the same in two containers."""
    machine: Annotated[str, StringConstraints(max_length=253)]
    """The hostname of the prober's machine."""
    pid: Annotated[int, Field(ge=1)]
    address: IPv4Address | None = None
    """An address of the machine; None if it has none or the kernel did not tell."""
    since_ms: RedisTime = 0
    """Since when it has held the name, which is its incarnation, or has waited for it."""

    def __str__(self) -> str:
        """Return which prober it is, for people."""
        address = f" ({self.address})" if self.address else ""
        return f"process {self.pid} on {self.machine}{address}"
