"""Replies from the other end of a host's cable, by a script for each VLAN.

    python -m tests.faults.hostile PORT '{"50": ["giant", "true"]}' [--loss 0.3] [--seed 1]

Prints `ready`, and ends at the end of its input. The scripts are the names in SCRIPTS. With --loss that share
of frames is lost in each direction, and as many are duplicated or delayed past the next one.
"""

import argparse
import json
import random
import select
import socket
import sys
from collections.abc import Callable

from lab.site_builder import vlan_cidr
from lab.tagged_socket import open_tagged_socket, receive
from tests.unit.prober import frames
from tests.unit.prober.frames import Sent

TRUE, FORGED = "10.0.7.1", "10.0.7.66"
ROGUE = "10.9.9.9"
HOSTS_GATEWAY = "172.30.0.1"
"""The default gateway of the lab's hosts; see lab.site_builder."""
TAG = b"\x81\x00"
ETH_P_ALL = 3
Script = Callable[[Sent], list[bytes]]
"""Maps a parsed frame of the host to whole frames for it."""


def tagged(frame: bytes, vlan: int, *, kind: bytes = TAG) -> bytes:
    """Return the frame with an 802.1Q tag, or with one of another kind."""
    return frame[:12] + kind + vlan.to_bytes(2, "big") + frame[12:]


def _offer(sent: Sent, *, server: str = FORGED, **fields: object) -> bytes:
    assert sent.dhcp is not None
    options = frames.offer_options(server=server, router=server, **fields)  # type: ignore[arg-type]
    return frames.answer(sent, options=options, server=server)


def _true(sent: Sent) -> list[bytes]:
    """Send a correct offer, and answer ARP."""
    if sent.dhcp is not None:
        return [tagged(_offer(sent, server=TRUE), sent.vlan)]
    if sent.arp_target == TRUE:
        return [tagged(frames.arp_reply(sender=TRUE, to=sent.source), sent.vlan)]
    return []


def _giant(sent: Sent) -> list[bytes]:
    """Send whole offers with valid checksums that are too long: within a slot of the ring, and beyond."""
    if sent.dhcp is None:
        return []
    return [tagged(_offer(sent, more=bytes(octets)), sent.vlan) for octets in (1300, 1700, 3000, 8000)]


def _fragmented(sent: Sent) -> list[bytes]:
    """Send an offer in two fragments, in both orders, and a first fragment that looks complete."""
    if sent.dhcp is None:
        return []
    segment = _offer(sent)[34:]
    # Only the first fragment has offset zero; the unit is eight octets (RFC 791).
    parts = [(segment[:128], 0x2000), (segment[128:], 128 // 8), (segment, 0x2000)]
    first, second, whole = (
        tagged(
            frames.ethernet(
                frames.ip_packet(17, data, source=FORGED, destination="255.255.255.255", fragment=fragment),
                kind=0x0800,
            ),
            sent.vlan,
        )
        for data, fragment in parts
    )
    return [first, second, second, first, whole]


def _other_tags(sent: Sent) -> list[bytes]:
    """Send the offer on other VLANs, untagged, priority-tagged, double-tagged, and with a service tag."""
    if sent.dhcp is None:
        return []
    forged = _offer(sent)
    return [
        tagged(forged, sent.vlan + 1),
        forged,
        tagged(forged, 0),
        tagged(tagged(forged, sent.vlan), sent.vlan + 1),
        tagged(tagged(forged, sent.vlan), sent.vlan),
        tagged(forged, sent.vlan, kind=b"\x88\xa8"),
    ]


def _rogue(sent: Sent, *, mask: str = "255.255.255.0") -> list[bytes]:
    """Offer an address of the rogue's own subnet, and answer ARP as its gateway."""
    if sent.dhcp is not None:
        options = frames.offer_options(server=ROGUE, router=ROGUE, mask=mask)
        return [tagged(frames.answer(sent, options=options, server=ROGUE, address="10.9.9.50"), sent.vlan)]
    return _answer_arp(sent, ROGUE)


def _answer_arp(sent: Sent, address: str) -> list[bytes]:
    if sent.arp_target != address:
        return []
    return [tagged(frames.arp_reply(sender=address, to=sent.source), sent.vlan)]


def _borrowed(sent: Sent, router: str) -> list[bytes]:
    """Name a router of the hosts' network, which is not on this VLAN."""
    if sent.dhcp is None:
        return []
    options = frames.offer_options(server="172.30.0.66", router=router)
    return [
        tagged(frames.answer(sent, options=options, server="172.30.0.66", address="172.30.0.99"), sent.vlan)
    ]


def _true_id(sent: Sent) -> list[bytes]:
    """Name another gateway under the identifier of the VLAN's own server."""
    if sent.dhcp is None:
        return []
    cidr = vlan_cidr(sent.vlan)
    options = frames.offer_options(server=str(cidr[1]), router=str(cidr[66]), mask=str(cidr.netmask))
    return [tagged(frames.answer(sent, options=options, address=str(cidr[50])), sent.vlan)]


def _invented(sent: Sent) -> list[bytes]:
    """Send offers of a hundred servers, each of which names itself as the gateway."""
    if sent.dhcp is None:
        return []
    return [tagged(_offer(sent, server=f"10.0.7.{n}"), sent.vlan) for n in range(101, 201)]


def _others(sent: Sent) -> list[bytes]:
    """Send offers with another transaction id, and with another client's address."""
    if sent.dhcp is None:
        return []
    options = frames.offer_options(server=FORGED, router=FORGED)
    other_id = bytes(octet ^ 0xFF for octet in sent.dhcp[4:8])
    messages = (
        frames.bootp(xid=other_id, chaddr=sent.source, options=options),
        frames.bootp(xid=sent.dhcp[4:8], chaddr=frames.SERVER_MAC, options=options),
    )
    return [tagged(frames.dhcp_frame(message, server=FORGED), sent.vlan) for message in messages]


def _cut(sent: Sent) -> list[bytes]:
    """Send an offer that ends at every seventh octet."""
    if sent.dhcp is None:
        return []
    whole = tagged(_offer(sent), sent.vlan)
    return [whole[:end] for end in range(18, len(whole) - 60, 7)]


def _spoofed(sent: Sent) -> list[bytes]:
    """Answer each ARP request for another address."""
    if sent.arp_target in (None, FORGED):
        return []
    return [tagged(frames.arp_reply(sender=FORGED, to=sent.source), sent.vlan)]


def _unsolicited(sent: Sent) -> list[bytes]:
    """Send echo replies for which nobody asked."""
    message = bytes((0, 0, 0, 0, 0x12, 0x34, 0, 1)) + bytes(16)
    packet = frames.ip_packet(1, message, source=FORGED, destination="10.0.7.2")
    return [tagged(frames.ethernet(packet, kind=0x0800, destination=sent.source), sent.vlan)]


SCRIPTS: dict[str, Script] = {
    "others": _others,
    "cut": _cut,
    "spoofed": _spoofed,
    "unsolicited": _unsolicited,
    "true": _true,
    "rogue": _rogue,
    "is the rogue's gateway": lambda sent: _answer_arp(sent, ROGUE),
    "rogue with half of all addresses": lambda sent: _rogue(sent, mask="128.0.0.0"),
    "names the hosts' gateway": lambda sent: _borrowed(sent, HOSTS_GATEWAY),
    "names a neighbour of the hosts": lambda sent: _borrowed(sent, "172.30.0.77"),
    "is the hosts' gateway": lambda sent: _answer_arp(sent, HOSTS_GATEWAY),
    "giant": _giant,
    "fragmented": _fragmented,
    "other tags": _other_tags,
    "true id": _true_id,
    "invented": _invented,
}


class Air:
    """Loss, duplication and delay of frames."""

    def __init__(self, *, loss: float, seed: int) -> None:
        self._loss = loss
        self._dice = random.Random(seed)
        self._held: bytes | None = None

    def swallows(self) -> bool:
        return self._dice.random() < self._loss

    def carry(self, frame: bytes) -> list[bytes]:
        """Return what arrives now: nothing, the frame, the frame twice, or also a delayed one."""
        if self.swallows():
            return []
        arrived = [frame, frame] if self.swallows() else [frame]
        if self.swallows() and self._held is None:
            self._held = arrived.pop()
        elif self._held is not None:
            arrived.append(self._held)
            self._held = None
        return arrived


def main() -> None:
    """Answer until the end of the input."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port")
    parser.add_argument("scripts", type=json.loads)
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    scripts = {int(vlan): [SCRIPTS[name] for name in names] for vlan, names in arguments.scripts.items()}
    air = Air(loss=arguments.loss, seed=arguments.seed)
    with open_tagged_socket() as link:
        link.bind((arguments.port, ETH_P_ALL))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            readable, _, _ = select.select([link, sys.stdin], [], [])
            if sys.stdin in readable:
                return
            answer(link, scripts, air)


def answer(link: socket.socket, scripts: dict[int, list[Script]], air: Air) -> None:
    """Receive one frame, and send what the scripts of its VLAN return."""
    received = receive(link)
    if received is None or received.tci is None:
        return
    sent = frames.take_apart(tagged(received.frame, received.tci & 0xFFF))
    if sent.vlan not in scripts or air.swallows():
        return
    for script in scripts[sent.vlan]:
        for frame in script(sent):
            for carried in air.carry(frame):
                link.send(carried)


if __name__ == "__main__":
    main()
