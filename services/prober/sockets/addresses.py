"""The host's IPv4 addresses with the names of their interfaces, by rtnetlink(7), which needs no privilege."""

import socket
import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from services.prober.sockets.netlink import read_dump, split_attributes

RTM_NEWADDR, RTM_GETADDR = 20, 22
_IFADDRMSG = struct.Struct("=BBBBI")
_IFA_LOCAL, _IFA_LABEL = 2, 3

NamedAddress = tuple[str, IPv4Address, int]
"""The label of the address, which begins with its interface's name; the address; the length of its prefix."""


def read_addresses() -> list[NamedAddress]:
    """Return all of them. Raises OSError."""
    return list(parse_addresses(read_dump(RTM_GETADDR, _IFADDRMSG.pack(socket.AF_INET, 0, 0, 0, 0))))


def parse_addresses(messages: Iterable[tuple[int, bytes]]) -> Iterator[NamedAddress]:
    """Yield the addresses in a dump (RTM_NEWADDR)."""
    for kind, body in messages:
        if kind != RTM_NEWADDR or len(body) < _IFADDRMSG.size:
            continue
        family, prefix, _, _, _ = _IFADDRMSG.unpack_from(body)
        attributes = dict(split_attributes(body[_IFADDRMSG.size :]))
        local, label = attributes.get(_IFA_LOCAL, b""), attributes.get(_IFA_LABEL, b"")
        if family == socket.AF_INET and len(local) == 4:
            yield label.rstrip(b"\0").decode(errors="replace"), IPv4Address(local), prefix
