"""The table of a bridge's ports, as the kernel's dumps have it."""

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.prober.sockets.bridges import (
    BridgePort,
    parse_bridges,
    parse_ports,
    parse_vlans,
    read_bridge_ports,
)

Message = tuple[int, bytes]
BRIDGE, UPLINK = 7, 8
BEGIN, END, PVID_UNTAGGED = 8, 16, 6
FORWARDING = 3


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def interface(index: int, *attributes: bytes) -> Message:
    return 16, struct.pack("=BBHiII", 7, 0, 1, index, 0, 0) + b"".join(attributes)


def bridge(filtering: int, kind: bytes = b"bridge\0") -> Message:
    data = attribute(2, attribute(7, bytes([filtering])))
    return interface(BRIDGE, attribute(18, attribute(1, kind) + data))


def table(*entries: tuple[int, int]) -> bytes:
    return b"".join(attribute(2, struct.pack("=HH", flags, vlan)) for flags, vlan in entries)


def port(
    *entries: tuple[int, int],
    state: bytes = bytes([FORWARDING]),
    master: int = BRIDGE,
    name: bytes = b"extra-bo\0",
) -> Message:
    state = attribute(12 | 0x8000, attribute(1, state) if state else b"")
    return interface(
        UPLINK,
        attribute(3, name),
        attribute(10, struct.pack("=I", master)),
        state,
        attribute(26, table(*entries)),
    )


def ports(*messages: Message, filtering: int = 1) -> dict[str, BridgePort]:
    known = dict(parse_bridges([bridge(filtering)]))
    return dict(parse_ports(messages, known, ["extra-bo"]))


def listed(vlans: int) -> list[int]:
    return [vlan for vlan in range(vlans.bit_length()) if vlans >> vlan & 1]


def test_vlans_of_a_port_are_single_or_ranges() -> None:
    """VLAN 1, untagged as a bridge has it by default, is carried too."""
    found = ports(port((PVID_UNTAGGED, 1), (0, 100), (BEGIN, 200), (END, 203), (BEGIN, 4094), (END, 4094)))
    assert found["extra-bo"].vlans is not None
    assert listed(found["extra-bo"].vlans) == [1, 100, 200, 201, 202, 203, 4094]
    assert [found["extra-bo"].carries(vlan) for vlan in (99, 100, 203, 204)] == [False, True, True, False]


def test_a_bridge_that_does_not_filter_carries_every_vlan() -> None:
    """Whatever its table has."""
    assert ports(port((0, 100)), filtering=0) == {"extra-bo": BridgePort(False, None)}
    assert ports(port(), filtering=0)["extra-bo"].carries(7)


@pytest.mark.parametrize(("state", "is_blocked"), [(0, True), (1, False), (2, False), (3, False), (4, True)])
def test_a_port_that_is_about_to_forward_is_not_blocked(state: int, is_blocked: bool) -> None:
    """Spanning tree lets each port listen and learn for half a minute."""
    assert ports(port(state=bytes([state])))["extra-bo"].is_blocked is is_blocked


@pytest.mark.parametrize(
    "other",
    [
        port(name=b"tap\0"),
        port(master=99),
        port(state=b""),
        interface(UPLINK, attribute(3, b"extra-bo\0")),
        (3, port()[1]),
        (16, b"short"),
    ],
    ids=["another interface", "no bridge", "a switch inside the NIC", "no port", "no link", "cut"],
)
def test_what_is_no_port_of_a_bridge_tells_nothing(other: Message) -> None:
    """Nothing is known of such an uplink, so nothing is said of it."""
    assert ports(other) == {}
    assert ports(other, port((0, 5))).keys() == {"extra-bo"}


def test_an_interface_of_another_kind_is_no_bridge() -> None:
    """Its attributes have other meanings."""
    assert dict(parse_bridges([bridge(1, b"bond\0")])) == {}


def test_a_range_without_its_beginning_is_one_vlan() -> None:
    """So are its numbers outside of 1 to 4094 left out: a table never has more bits than there are VLANs."""
    assert listed(parse_vlans(table((END, 9), (BEGIN, 20), (0, 30), (END, 25), (0, 0), (0, 4095)))) == [
        9,
        25,
        30,
    ]


def messages(data: bytes) -> Iterator[Message]:
    yield 16, data
    yield 16, bytes(16) + data
    for start in (bridge(1), port((BEGIN, 5), (END, 9))):
        yield 16, start[1][: len(data)] + data


@given(st.binary(max_size=300))
def test_any_octets_are_parsed(data: bytes) -> None:
    """Nothing is raised, and no VLAN is one that does not exist."""
    for message in messages(data):
        dict(parse_bridges([message]))
        for found in dict(parse_ports([message], {BRIDGE: True, 0: True}, ["extra-bo", ""])).values():
            assert found.vlans is not None
            assert found.vlans < 1 << 4095
    assert parse_vlans(data) % 2 == 0


def test_an_interface_that_is_no_port_is_read_as_none() -> None:
    """The kernel of this machine is asked: its loopback is behind no bridge."""
    assert read_bridge_ports(["lo"]) == {}
