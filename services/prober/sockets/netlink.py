"""rtnetlink(7), which needs no privilege: the state of an interface, and dumps of tables."""

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, NLMSG_ERROR, NLMSG_DONE = 16, 17, 18, 2, 3
RTMGRP_LINK = 1
_REQUEST, _DUMP = 0x1, 0x300
_IFF_UP, _IFF_LOWER_UP = 0x1, 0x10000
_IFLA_IFNAME, _IFLA_CARRIER_CHANGES = 3, 35
_ATTRIBUTE_KIND = 0x3FFF
"""Without the flags of nested attributes and of the byte order."""
HEADER = struct.Struct("=IHHII")
IFINFOMSG = struct.Struct("=BBHiII")
ATTRIBUTE = struct.Struct("=HH")
RECEIVE_BYTES = 65536
TIMEOUT_S = 1.0
MAX_DATAGRAMS = 256
"""Of one dump, with some 500 routes each: more would take too long, every two seconds."""


@dataclass(frozen=True, slots=True)
class InterfaceState:
    """The state of an interface."""

    index: int
    up: bool
    """Administratively up, with carrier."""
    carrier_changes: int
    """The kernel's count since the interface was created: includes flaps between two readings."""


@dataclass(frozen=True, slots=True)
class LinkMessage:
    """One message of the kernel: the state of an interface, or None when it was deleted."""

    index: int
    state: InterfaceState | None


def state_request(interface: str) -> bytes:
    """Return the request for an interface's state (RTM_GETLINK)."""
    name = interface.encode() + b"\0"
    attribute = ATTRIBUTE.pack(ATTRIBUTE.size + len(name), _IFLA_IFNAME) + name
    body = IFINFOMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0, 0) + attribute + bytes(-len(attribute) % 4)
    return HEADER.pack(HEADER.size + len(body), RTM_GETLINK, _REQUEST, 1, 0) + body


def open_netlink(*, groups: int = 0) -> socket.socket:
    """Open a netlink socket; groups: multicast groups, such as RTMGRP_LINK. Raises OSError."""
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    try:
        if groups:
            netlink.bind((0, groups))
    except OSError:
        netlink.close()
        raise
    return netlink


def read_state(interface: str) -> InterfaceState | None:
    """Return the interface's state; None when it does not exist. Raises OSError when netlink fails."""
    with contextlib.closing(open_netlink()) as netlink:
        netlink.settimeout(TIMEOUT_S)
        netlink.send(state_request(interface))
        return parse_reply(netlink.recv(RECEIVE_BYTES))


def parse_reply(reply: bytes) -> InterfaceState | None:
    """Return the state in a reply; None for "no such device". Raises OSError for any other error."""
    for message in parse_messages(reply):
        return message.state
    raise OSError(errno.EPROTO, "no reply in the netlink message")


def parse_messages(data: bytes) -> Iterator[LinkMessage]:
    """Yield the messages of a datagram; "no such device" has index 0. Raises OSError for any other error."""
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, _, _, _ = HEADER.unpack_from(data, at)
        end = min(at + length, len(data))
        if length < HEADER.size:
            return
        body = at + HEADER.size
        if kind == NLMSG_ERROR and end >= body + 4:
            code = -int(struct.unpack_from("=i", data, body)[0])
            if code == errno.ENODEV:
                yield LinkMessage(0, None)
            elif code:
                raise OSError(code, os.strerror(code))
        elif kind in (RTM_NEWLINK, RTM_DELLINK) and end >= body + IFINFOMSG.size:
            yield _parse_link(data, body, end, gone=kind == RTM_DELLINK)
        at += (length + 3) & ~3


def _parse_link(data: bytes, body: int, end: int, *, gone: bool) -> LinkMessage:
    _, _, _, index, flags, _ = IFINFOMSG.unpack_from(data, body)
    if gone:
        return LinkMessage(index, None)
    at, changes = body + IFINFOMSG.size, 0
    while at + ATTRIBUTE.size <= end:
        size, attribute = ATTRIBUTE.unpack_from(data, at)
        if size < ATTRIBUTE.size:
            break
        if attribute == _IFLA_CARRIER_CHANGES and at + ATTRIBUTE.size + 4 <= end:
            (changes,) = struct.unpack_from("=I", data, at + ATTRIBUTE.size)
        at += (size + 3) & ~3
    return LinkMessage(index, InterfaceState(index, bool(flags & _IFF_UP and flags & _IFF_LOWER_UP), changes))


def split_attributes(attributes: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the kind and the value of each attribute; ends at a malformed one."""
    at = 0
    while at + ATTRIBUTE.size <= len(attributes):
        size, kind = ATTRIBUTE.unpack_from(attributes, at)
        if size < ATTRIBUTE.size:
            break
        yield kind & _ATTRIBUTE_KIND, attributes[at + ATTRIBUTE.size : at + size]
        at += (size + 3) & ~3


def read_dump(kind: int, body: bytes) -> Iterator[tuple[int, bytes]]:
    """Send a request for a dump (RTM_GET…); yield the kind and the body of each message. Raises OSError."""
    with contextlib.closing(open_netlink()) as netlink:
        netlink.settimeout(TIMEOUT_S)
        netlink.send(HEADER.pack(HEADER.size + len(body), kind, _REQUEST | _DUMP, 1, 0) + body)
        for _ in range(MAX_DATAGRAMS):
            for message in split_dump(netlink.recv(RECEIVE_BYTES)):
                if message[0] == NLMSG_DONE:
                    return
                yield message
    raise OSError(errno.EOVERFLOW, f"more than {MAX_DATAGRAMS} datagrams")


def split_dump(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the kind and the body of each message of a datagram; raises OSError for the kernel's errors."""
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, _, _, _ = HEADER.unpack_from(data, at)
        body = data[at + HEADER.size : at + length]
        if kind == NLMSG_ERROR and len(body) >= 4:
            code = -int(struct.unpack_from("=i", body)[0])
            raise OSError(code, os.strerror(code))
        if kind != NLMSG_DONE and length < HEADER.size:
            return
        yield kind, body
        if kind == NLMSG_DONE:
            return
        at += (length + 3) & ~3
