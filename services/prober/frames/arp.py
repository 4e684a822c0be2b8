"""ARP over Ethernet and IPv4 (RFC 826), and the probe that claims no address (RFC 5227 section 1.1)."""

import struct
from typing import Final, NamedTuple

from services.prober.frames import ethernet
from services.prober.frames.station import Station
from services.prober.frames.unchecked import new_unchecked

MESSAGE_BYTES: Final = 28
REQUEST: Final = 1
REPLY: Final = 2
_ETHERNET_IPV4: Final = b"\x00\x01\x08\x00\x06\x04"
"""Hardware type Ethernet, protocol type IPv4, and the lengths of their addresses."""
_FRAME: Final = struct.Struct("!6s6s2s2s10s6sI6sI")
"""MAC addresses, what comes before the tag, the tag, the type with what is always the same, the message."""
_MESSAGE: Final = struct.Struct("!6sH6sI6sI")
_NOBODY: Final = bytes(6)


class ARPMessage(NamedTuple):
    """What one ARP message says; addresses as integers."""

    operation: int
    sender_mac: bytes
    sender: int
    target_mac: bytes
    target: int


class ARPTemplate:
    """A tagged ARP request; with the sender address 0.0.0.0 a probe, from which no cache learns."""

    def __init__(self, frame: bytes) -> None:
        """frame: a whole tagged ARP request of at least the shortest length."""
        start = ethernet.TAGGED_HEADER_BYTES
        if len(frame) < start + MESSAGE_BYTES or frame[16:18] != ethernet.TYPE_ARP:
            raise ValueError("expected a tagged ARP request")
        self._between = frame[12:14]
        self._head = frame[16 : start + 8]
        self._tail = frame[start + MESSAGE_BYTES :]

    def render(self, *, station: Station, target: int, sender: int = 0) -> bytes:
        """The frame that asks who has target on this VLAN; sender: an address that is ours, or 0."""
        mac = station.mac
        frame = _FRAME.pack(
            ethernet.BROADCAST, mac, self._between, station.tag, self._head, mac, sender, _NOBODY, target
        )
        return frame + self._tail

    def reply(self, *, station: Station, address: int, to: ARPMessage) -> bytes:
        """The frame that tells the sender of a request that address is ours."""
        mac, asker = station.mac, to.sender_mac
        head = self._head[:-2] + REPLY.to_bytes(2, "big")
        frame = _FRAME.pack(asker, mac, self._between, station.tag, head, mac, address, asker, to.sender)
        return frame + self._tail


def parse(frame: bytes) -> ARPMessage | None:
    """The ARP request or reply in an untagged frame; None for anything malformed."""
    if len(frame) < ethernet.HEADER_BYTES + MESSAGE_BYTES or frame[12:14] != ethernet.TYPE_ARP:
        return None
    kind, operation, sender_mac, sender, target_mac, target = _MESSAGE.unpack_from(frame, 14)
    if kind != _ETHERNET_IPV4 or not REQUEST <= operation <= REPLY:
        return None
    # A group address cannot be anybody's own.
    if sender_mac[0] & 1 or sender_mac == _NOBODY:
        return None
    return new_unchecked(ARPMessage, (operation, sender_mac, sender, target_mac, target))


def parse_reply(frame: bytes) -> ARPMessage | None:
    """The ARP reply in an untagged frame; None for a request and for anything malformed."""
    message = parse(frame)
    return message if message is not None and message.operation == REPLY else None
