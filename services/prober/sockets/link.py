"""What the engine's runner needs of a trunk: a few methods, so that tests run over memory."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from services.contract.errors import NadrouteError
from services.contract.outcomes import Fault


class LinkError(NadrouteError):
    """The uplink cannot be used; fault says why, in the contract's words. Nothing else leaves a link."""

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(f"{fault}: {text}")
        self.fault = fault


class Received(NamedTuple):
    """A frame without its tag, and what the kernel said of it."""

    vlan: int
    frame: bytes
    verify_checksum: bool
    """False where the UDP checksum may be unfinished, since the frame has not left the host, or where the
    hardware has verified it."""
    age_s: float = 0.0
    """How long ago the kernel received it."""


class Link(Protocol):
    """A trunk port. Never blocks; raises LinkError alone."""

    def fileno(self) -> int:
        """Readable when frames are there, or when the interface went down."""
        ...

    def send(self, frames: Sequence[bytes]) -> int:
        """Send tagged frames in order; how many were taken, fewer than all when there is no room now."""
        ...

    def receive(self, limit: int) -> list[Received]:
        """At most limit frames that have come; an empty list when there are none."""
        ...

    def dropped(self) -> int:
        """Frames that the kernel dropped for want of room since the last call."""
        ...

    def interrupted(self, now: float) -> int:
        """Changes of the carrier since the last call; LinkError when it is gone, down or flapping."""
        ...

    def listen_for(self, addresses: frozenset[int]) -> None:
        """Hand over ARP requests for these addresses too, from now on."""
        ...

    def close(self) -> None:
        """Give everything back; harmless the second time."""
        ...
