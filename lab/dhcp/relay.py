"""The lab's DHCP relay agent (RFC 1542 section 4): it passes broadcasts of a VLAN to servers elsewhere.

    python -m lab.dhcp.relay < legs.json

Reads its legs from standard input and relays until it is terminated.
"""

from __future__ import annotations

import errno
import json
import selectors
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from ipaddress import IPv4Address

from lab.dhcp.answering import CLIENT_PORT, EVERYBODY, SERVER_PORT
from lab.dhcp.builtin import open_socket

_BOOTREQUEST, _BOOTREPLY = 1, 2
_HOPS, _GIADDR = 3, slice(24, 28)
_MIN_LENGTH = 240
_MAX_HOPS = 16
_MAX_DATAGRAM = 2048
# A leg that is down has no address to send from, and loses its messages, as real relays do.
_LOST = {
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.ECONNREFUSED,
    errno.ENOBUFS,
    errno.EAGAIN,
    errno.EINVAL,
    errno.EMSGSIZE,
}


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One VLAN of the relay: its `interface` and `address` there, and the `servers` that it relays to."""

    interface: str
    address: IPv4Address
    servers: tuple[IPv4Address, ...]


def encode_legs(legs: Iterable[Leg]) -> str:
    """Encode `legs` as the JSON that this program reads."""
    return json.dumps([asdict(leg) for leg in legs], default=str)


def decode_legs(text: str) -> list[Leg]:
    """Decode the output of `encode_legs`."""
    return [
        Leg(
            interface=entry["interface"],
            address=IPv4Address(entry["address"]),
            servers=tuple(IPv4Address(server) for server in entry["servers"]),
        )
        for entry in json.loads(text)
    ]


def relay_request(data: bytes, *, address: IPv4Address) -> bytes | None:
    """Return a client's datagram as it goes to a server, with `address` as giaddr; None to drop it.

    The giaddr of a relay nearer to the client is kept (RFC 1542 section 4.1.1).
    """
    if len(data) < _MIN_LENGTH or data[0] != _BOOTREQUEST or data[_HOPS] >= _MAX_HOPS:
        return None
    message = bytearray(data)
    message[_HOPS] += 1
    if not any(message[_GIADDR]):
        message[_GIADDR] = address.packed
    return bytes(message)


def relay_reply(data: bytes, *, address: IPv4Address) -> bytes | None:
    """Return a server's datagram as it goes to the client on the VLAN of `address`; None to drop it."""
    if len(data) < _MIN_LENGTH or data[0] != _BOOTREPLY or data[_GIADDR] != address.packed:
        return None
    return data


class _Relay:
    """One active leg: `downlink` is bound to the VLAN, `uplink` to the address that servers reply to."""

    def __init__(self, leg: Leg) -> None:
        self._leg = leg
        self.downlink = open_socket(leg.interface)
        self.uplink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.uplink.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.uplink.setblocking(False)
        self.uplink.bind((str(leg.address), SERVER_PORT))

    def pass_up(self) -> None:
        """Relay one datagram from the VLAN to the servers."""
        message = relay_request(_receive(self.downlink), address=self._leg.address)
        if message is not None:
            for server in self._leg.servers:
                _send(self.uplink, message, server, SERVER_PORT)

    def pass_down(self) -> None:
        """Relay one datagram from a server to the VLAN by broadcast: the client has no address yet."""
        message = relay_reply(_receive(self.uplink), address=self._leg.address)
        if message is not None:
            _send(self.downlink, message, EVERYBODY, CLIENT_PORT)


def _receive(link: socket.socket) -> bytes:
    try:
        return link.recv(_MAX_DATAGRAM)
    except OSError as error:
        if error.errno not in _LOST:
            raise
        return b""


def _send(link: socket.socket, data: bytes, destination: IPv4Address, port: int) -> None:
    try:
        link.sendto(data, (str(destination), port))
    except OSError as error:
        if error.errno not in _LOST:
            raise


def main() -> None:
    """Read the legs and relay until terminated."""
    selector = selectors.DefaultSelector()
    for leg in decode_legs(sys.stdin.read()):
        relay = _Relay(leg)
        selector.register(relay.downlink, selectors.EVENT_READ, partial(_Relay.pass_up, relay))
        selector.register(relay.uplink, selectors.EVENT_READ, partial(_Relay.pass_down, relay))
    while True:
        for key, _ in selector.select():
            action: Callable[[], None] = key.data
            action()


if __name__ == "__main__":
    main()
