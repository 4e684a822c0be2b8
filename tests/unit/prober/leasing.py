"""Nodes for World: DHCP servers that lease, and stations that claim addresses."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.unit.prober import frames
from tests.unit.prober.frames import Sent

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE = 1, 2, 3, 4, 5, 6, 7
ADDRESS = "10.0.7.100"


def kind_of(sent: Sent) -> int | None:
    """Return the DHCP message type of a frame that the prober sent; None if it is not DHCP."""
    return None if sent.dhcp is None else frames.options_of(sent.dhcp)[53][0]


@dataclass
class LeasingServer:
    """Offers and leases ADDRESS. answer: to a DHCPREQUEST, or None; ignore: requests unanswered at first."""

    server: str = "10.0.7.1"
    answer: int | None = ACK
    ignore: int = 0
    acknowledged: str = ADDRESS
    seen: list[tuple[int, Sent]] = field(default_factory=list)

    def __call__(self, sent: Sent) -> Iterator[tuple[float, bytes]]:
        kind = kind_of(sent)
        if kind is None:
            return
        self.seen.append((kind, sent))
        if kind == DISCOVER:
            yield 0.01, self._reply(sent, OFFER, ADDRESS)
        elif kind == REQUEST and self.answer is not None and len(self.of(REQUEST)) > self.ignore:
            yield 0.01, self._reply(sent, self.answer, self.acknowledged if self.answer == ACK else "0.0.0.0")

    def of(self, kind: int) -> list[Sent]:
        """Return the received messages of this type."""
        return [sent for seen, sent in self.seen if seen == kind]

    def _reply(self, sent: Sent, kind: int, address: str) -> bytes:
        options = frames.offer_options(kind=kind, server=self.server, router="10.0.7.1")
        return frames.answer(sent, options=options, server=self.server, address=address)


@dataclass
class Squatter:
    """Answers ARP requests for an address that is leased to another station."""

    address: str = ADDRESS
    mac: bytes = bytes.fromhex("02bad0000001")

    def __call__(self, sent: Sent) -> Iterator[tuple[float, bytes]]:
        if sent.arp_target == self.address:
            yield 0.001, frames.arp_reply(sender=self.address, to=sent.source, mac=self.mac)


@dataclass
class Pinged:
    """A gateway that answers ICMP echo on the VLAN. silent: it only records requests."""

    address: str = "10.0.7.1"
    silent: bool = False
    seen: list[Sent] = field(default_factory=list)

    def __call__(self, sent: Sent) -> Iterator[tuple[float, bytes]]:
        if sent.kind != 0x0800 or sent.body[9] != 1:
            return
        self.seen.append(sent)
        if not self.silent:
            ours = frames.dotted(int.from_bytes(sent.body[12:16], "big"))
            packet = frames.echo_reply(sent.body[20:], source=self.address, destination=ours)
            yield 0.002, frames.ethernet(packet, kind=0x0800, destination=sent.source)
