"""The state of an interface, as the kernel tells it (rtnetlink): needs no privilege."""

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, NLMSG_ERROR = 16, 17, 18, 2
RTMGRP_LINK = 1
_REQUEST = 1
_IFF_UP, _IFF_LOWER_UP = 0x1, 0x10000
_IFLA_IFNAME, _IFLA_CARRIER_CHANGES = 3, 35
_HEADER = struct.Struct("=IHHII")
_IFINFOMSG = struct.Struct("=BBHiII")
_ATTRIBUTE = struct.Struct("=HH")
ANSWER_BYTES = 65536
_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class UplinkState:
    """What the kernel says of an interface now."""

    index: int
    up: bool
    """Set up by the administrator, and with a carrier."""
    carrier_changes: int
    """Counted by the kernel since the interface exists, so that a flap between two looks is seen."""


@dataclass(frozen=True, slots=True)
class LinkNews:
    """One message of the kernel's: an interface's state, or that it is gone."""

    index: int
    state: UplinkState | None


def ask_for(interface: str) -> bytes:
    """The request for an interface's state (RTM_GETLINK)."""
    name = interface.encode() + b"\0"
    attribute = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(name), _IFLA_IFNAME) + name
    body = _IFINFOMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0, 0) + attribute + bytes(-len(attribute) % 4)
    return _HEADER.pack(_HEADER.size + len(body), RTM_GETLINK, _REQUEST, 1, 0) + body


def open_netlink(*, groups: int = 0) -> socket.socket:
    """A socket to the kernel; groups: multicast groups, such as RTMGRP_LINK. Raises OSError."""
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    try:
        if groups:
            netlink.bind((0, groups))
    except OSError:
        netlink.close()
        raise
    return netlink


def read_state(interface: str) -> UplinkState | None:
    """The interface's state; None when there is none of that name. Raises OSError when netlink fails."""
    with contextlib.closing(open_netlink()) as netlink:
        netlink.settimeout(_TIMEOUT_S)
        netlink.send(ask_for(interface))
        return parse_answer(netlink.recv(ANSWER_BYTES))


def parse_answer(answer: bytes) -> UplinkState | None:
    """The state in the kernel's answer; None for "no such device"; OSError for any other error."""
    for news in parse_news(answer):
        return news.state
    raise OSError(errno.EPROTO, "no answer in the kernel's message")


def parse_news(data: bytes) -> Iterator[LinkNews]:
    """All that one datagram tells; "no such device" is news of index 0. OSError for any other error."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, at)
        end = min(at + length, len(data))
        if length < _HEADER.size:
            return
        body = at + _HEADER.size
        if kind == NLMSG_ERROR and end >= body + 4:
            code = -int(struct.unpack_from("=i", data, body)[0])
            if code == errno.ENODEV:
                yield LinkNews(0, None)
            elif code:
                raise OSError(code, os.strerror(code))
        elif kind in (RTM_NEWLINK, RTM_DELLINK) and end >= body + _IFINFOMSG.size:
            yield _parse_link(data, body, end, gone=kind == RTM_DELLINK)
        at += (length + 3) & ~3


def _parse_link(data: bytes, body: int, end: int, *, gone: bool) -> LinkNews:
    _, _, _, index, flags, _ = _IFINFOMSG.unpack_from(data, body)
    if gone:
        return LinkNews(index, None)
    at, changes = body + _IFINFOMSG.size, 0
    while at + _ATTRIBUTE.size <= end:
        size, attribute = _ATTRIBUTE.unpack_from(data, at)
        if size < _ATTRIBUTE.size:
            break
        if attribute == _IFLA_CARRIER_CHANGES and at + _ATTRIBUTE.size + 4 <= end:
            (changes,) = struct.unpack_from("=I", data, at + _ATTRIBUTE.size)
        at += (size + 3) & ~3
    return LinkNews(index, UplinkState(index, bool(flags & _IFF_UP and flags & _IFF_LOWER_UP), changes))
