"""ARP over Ethernet and IPv4 (RFC 826), and ARP probes, which claim no address (RFC 5227 section 1.1)."""

import struct
from typing import Final, NamedTuple

from services.prober.frames import ethernet
from services.prober.frames.ethernet import Station
from services.prober.frames.unchecked import new_unchecked

MESSAGE_BYTES: Final = 28
REQUEST: Final = 1
REPLY: Final = 2
_ETHERNET_IPV4: Final = b"\x00\x01\x08\x00\x06\x04"
"""Hardware type Ethernet, protocol type IPv4, and the lengths of their addresses."""
_FRAME: Final = struct.Struct("!6s6s2s2s10s6sI6sI")
"""MAC addresses, TPID, tag, the ethertype with the constant head of the message, the rest of the message."""
_MESSAGE: Final = struct.Struct("!6sH6sI6sI")
_NO_MAC: Final = bytes(6)


# Functions, since mypyc takes an index that is a constant slice for an integer.
def sender_mac_of(frame: bytes) -> bytes:
    """Return the sender's MAC address in the message of an untagged frame."""
    return frame[22:28]


def target_mac_of(frame: bytes) -> bytes:
    """Return the target's MAC address in the message of an untagged frame."""
    return frame[32:38]


class ARPMessage(NamedTuple):
    """One ARP message; IPv4 addresses are integers."""

    operation: int
    sender_mac: bytes
    sender: int
    target_mac: bytes
    target: int


class ARPTemplate:
    """A tagged ARP message; with the sender address 0.0.0.0 a probe, which updates no ARP cache."""

    def __init__(self, frame: bytes) -> None:
        """frame: a tagged ARP request of at least the minimum length."""
        start = ethernet.TAGGED_HEADER_BYTES
        if len(frame) < start + MESSAGE_BYTES or frame[16:18] != ethernet.TYPE_ARP:
            raise ValueError("expected a tagged ARP request")
        self._tpid = frame[12:14]
        self._head = frame[16 : start + 8]
        self._padding = frame[start + MESSAGE_BYTES :]

    def render(self, *, station: Station, target: int, sender: int = 0) -> bytes:
        """Return a request for target. sender: an address of ours, or 0 for a probe."""
        mac = station.mac
        frame = _FRAME.pack(
            ethernet.BROADCAST, mac, self._tpid, station.tag, self._head, mac, sender, _NO_MAC, target
        )
        return frame + self._padding

    def render_reply(self, *, station: Station, address: int, request: ARPMessage) -> bytes:
        """Return the reply to a request for address, which is ours."""
        mac, asker = station.mac, request.sender_mac
        head = self._head[:-2] + REPLY.to_bytes(2, "big")
        frame = _FRAME.pack(asker, mac, self._tpid, station.tag, head, mac, address, asker, request.sender)
        return frame + self._padding


def parse(frame: bytes) -> ARPMessage | None:
    """Parse the ARP request or reply in an untagged frame; None if it is malformed or anything else."""
    if len(frame) < ethernet.HEADER_BYTES + MESSAGE_BYTES or frame[12:14] != ethernet.TYPE_ARP:
        return None
    kind, operation, sender_mac, sender, target_mac, target = _MESSAGE.unpack_from(frame, 14)
    if kind != _ETHERNET_IPV4 or not REQUEST <= operation <= REPLY:
        return None
    # A group address cannot be a station's own.
    if sender_mac[0] & 1 or sender_mac == _NO_MAC:
        return None
    return new_unchecked(ARPMessage, (operation, sender_mac, sender, target_mac, target))
