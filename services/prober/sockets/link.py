"""The interface between the loop and a trunk's socket, so that tests can replace the socket."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from services.contract.errors import NadrouteError
from services.contract.outcomes import Fault


class LinkError(NadrouteError):
    """The uplink cannot be used; fault is the reason. The only exception that a Link raises."""

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(f"{fault}: {text}")
        self.fault = fault


class Received(NamedTuple):
    """A received frame without its VLAN tag, and the kernel's metadata."""

    vlan: int
    """0 without a tag, and with a tag that names no VLAN but a priority (IEEE 802.1Q section 9.6)."""
    frame: bytes
    verify_checksum: bool
    """False when the UDP checksum may be incomplete (the frame has not left the host) or the hardware has
    verified it."""
    age_s: float = 0.0
    """Seconds since the kernel received it."""


class Link(Protocol):
    """A socket for the tagged frames of one interface, and for untagged replies to us.

    Never blocks; raises only LinkError.
    """

    def fileno(self) -> int:
        """Return a file descriptor that is readable when frames have arrived or the interface has changed."""
        ...

    def send(self, frames: Sequence[bytes]) -> int:
        """Send tagged frames in order; returns how many fit into the send buffer."""
        ...

    def receive(self, limit: int) -> list[Received]:
        """Return up to limit received frames."""
        ...

    def dropped(self) -> int:
        """Return how many frames the kernel has dropped since the last call, because the ring was full."""
        ...

    def carrier_changes(self, now: float) -> int:
        """Return the carrier changes since the last call; LinkError when it is gone, down or flapping."""
        ...

    def listen_for(self, addresses: frozenset[int]) -> None:
        """Also receive ARP messages about these IPv4 addresses from now on."""
        ...

    def close(self) -> None:
        """Release all resources. Idempotent."""
        ...
