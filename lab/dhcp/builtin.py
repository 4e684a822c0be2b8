"""The lab's own DHCP server, for machines without dnsmasq.

    python -m lab.dhcp.builtin < subnets.json

Reads its subnets from standard input and serves each on its interface until it is terminated.
"""

from __future__ import annotations

import errno
import json
import selectors
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from ipaddress import IPv4Address, IPv4Network

from lab.dhcp.answering import SERVER_PORT, Responder, Subnet

_MAX_DATAGRAM = 2048
# The interface is down, or the client's address is on no network: the reply is lost, as real ones are.
_LOST = {errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENOBUFS, errno.EAGAIN}


def encode_subnets(subnets: Iterable[Subnet]) -> str:
    """Encode `subnets` as the JSON that this program reads."""
    return json.dumps([asdict(subnet) for subnet in subnets], default=str)


def decode_subnets(text: str) -> list[Subnet]:
    """Decode the output of `encode_subnets`."""
    return [
        Subnet(
            interface=entry["interface"],
            cidr=IPv4Network(entry["cidr"]),
            pool_start=IPv4Address(entry["pool_start"]),
            pool_end=IPv4Address(entry["pool_end"]),
            address=IPv4Address(entry["address"]),
            router=IPv4Address(entry["router"]) if entry["router"] else None,
            lease_seconds=entry["lease_seconds"],
            relay=IPv4Address(entry["relay"]) if entry["relay"] else None,
        )
        for entry in json.loads(text)
    ]


def open_socket(interface: str) -> socket.socket:
    """Open a UDP socket on port 67 that is bound to `interface`."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # Other servers listen on port 67 of the same namespace, on other interfaces.
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    opened.setblocking(False)
    opened.bind(("", SERVER_PORT))
    return opened


def serve_waiting(link: socket.socket, responders: Sequence[Responder], *, now: float) -> None:
    """Answer all datagrams that wait at `link`, each by the `responders` it is meant for."""
    while True:
        try:
            data = link.recv(_MAX_DATAGRAM)
        except BlockingIOError:
            return
        except OSError as error:
            # A socket reports once that its interface went down; it works again when the interface is up.
            if error.errno not in _LOST:
                raise
            continue
        for responder in responders:
            reply = responder.answer(data, now=now)
            if reply is None:
                continue
            try:
                link.sendto(reply.data, (str(reply.destination), reply.port))
            except OSError as error:
                if error.errno not in _LOST:
                    raise


def main() -> None:
    """Read the subnets and serve them until terminated."""
    selector = selectors.DefaultSelector()
    # Several subnets on one interface are reached through relays.
    responders: dict[str, list[Responder]] = {}
    for subnet in decode_subnets(sys.stdin.read()):
        responders.setdefault(subnet.interface, []).append(Responder(subnet))
    for interface, here in responders.items():
        selector.register(open_socket(interface), selectors.EVENT_READ, here)
    while True:
        for key, _ in selector.select():
            assert isinstance(key.fileobj, socket.socket)
            serve_waiting(key.fileobj, key.data, now=time.monotonic())


if __name__ == "__main__":
    main()
