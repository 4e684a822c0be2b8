"""The NICs behind an uplink."""

import socket
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.prober.sockets.members import parse_members, read_members
from services.prober.sockets.netlink import HEADER, IFINFOMSG, RTM_NEWLINK, split_dump
from tests.unit.prober.test_routes import attribute, message

NAME, MASTER, INFO = 3, 10, 18
SLAVE_KIND, SLAVE_DATA = 4, 5
NESTED = 0x8000


def link(name: str, *, master: int = 0, kind: str = "", nested: int = 0) -> bytes:
    """Return one interface of a dump, as the kernel writes it; kind: of its master."""
    info = attribute(SLAVE_KIND, kind.encode() + b"\0") + attribute(SLAVE_DATA, bytes(8))
    attributes = attribute(NAME, name.encode() + b"\0")
    attributes += attribute(MASTER, struct.pack("=I", master)) if master else b""
    attributes += attribute(INFO | nested, info) if kind else b""
    return message(IFINFOMSG.pack(socket.AF_UNSPEC, 0, 1, 9, 0x11043, 0) + attributes, kind=RTM_NEWLINK)


def members(dump: bytes, master: int = 7) -> list[str]:
    return list(parse_members(split_dump(dump), master))


@pytest.mark.parametrize("nested", [0, NESTED])
def test_the_members_of_a_bond_are_found(nested: int) -> None:
    """Of this bond alone: kernels before 4.5 dump all interfaces."""
    dump = link("eno2", master=7, kind="bond", nested=nested) + link("eno1", master=7, kind="bond")
    dump += link("eno9", master=8, kind="bond") + link("lo") + link("t1", master=7, kind="team")
    assert members(dump) == ["eno2", "eno1", "t1"]


def test_the_ports_of_a_bridge_are_no_members() -> None:
    """They may be machines of tenants, which could speak as if they were the switch."""
    assert not members(link("vnet0", master=7, kind="bridge") + link("vnet1", master=7))


def test_an_uplink_that_is_no_bond_is_its_own_member() -> None:
    """And an interface that does not exist is an error, not an uplink without members."""
    assert read_members("lo") == ("lo",)
    with pytest.raises(OSError, match="no interface with this name"):
        read_members("no-such-bo")


@given(st.binary(max_size=100))
@example(bytes(8))
def test_any_octets_are_parsed_or_refused(data: bytes) -> None:
    """Nothing but OSError is raised, and parsing ends."""
    whole = link("eno1", master=7, kind="bond")
    cut = whole[: HEADER.size + len(data)]
    for dump in (data, message(data, kind=RTM_NEWLINK), whole + data, cut):
        try:
            members(dump)
        except OSError:
            continue
