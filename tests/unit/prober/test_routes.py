"""The host's own networks and default gateways, as the kernel's routing table has them."""

import errno
import socket
import struct
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.prober.sockets.netlink import HEADER, NLMSG_DONE, split_dump
from services.prober.sockets.routes import RTM_NEWROUTE, parse_routes, read_host_networks

DST, GATEWAY, MULTIPATH = 1, 5, 9
UNICAST, BLACKHOLE = 1, 6
KERNEL, LINK = 2, 253
ROUTER, OTHER = IPv4Address("10.255.0.1"), IPv4Address("10.255.0.2")


def message(body: bytes, *, kind: int = RTM_NEWROUTE) -> bytes:
    return HEADER.pack(HEADER.size + len(body), kind, 2, 1, 0) + body + bytes(-len(body) % 4)


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def hop(gateway: IPv4Address) -> bytes:
    inner = attribute(GATEWAY, gateway.packed)
    return struct.pack("=HBBi", 8 + len(inner), 0, 0, 2) + inner


def route(
    *attributes: bytes,
    prefix: int = 0,
    family: int = socket.AF_INET,
    route_type: int = UNICAST,
    origin: tuple[int, int] = (3, 0),
) -> bytes:
    """Return a route; origin: protocol and scope."""
    return message(
        struct.pack("=BBBBBBBBI", family, prefix, 0, 0, 254, *origin, route_type, 0) + b"".join(attributes)
    )


def found(dump: bytes) -> set[IPv4Network]:
    """Return what a datagram of a dump names."""
    return set(parse_routes(split_dump(dump)))


VIA_ROUTER = attribute(GATEWAY, ROUTER.packed)


def test_the_gateway_of_a_default_route_is_found() -> None:
    """Among routes to subnets, and routes that have no gateway."""
    dump = route(attribute(DST, b"\x0a\x00\x00\x00"), VIA_ROUTER, prefix=8) + route() + route(VIA_ROUTER)
    assert found(dump) == {IPv4Network(ROUTER)}


def test_every_next_hop_of_a_default_route_counts() -> None:
    """A route may be balanced over several gateways."""
    dump = route(attribute(MULTIPATH, hop(ROUTER) + hop(OTHER)))
    assert found(dump) == {IPv4Network(ROUTER), IPv4Network(OTHER)}


@pytest.mark.parametrize(
    ("prefix", "network"), [(24, "10.255.0.0/24"), (31, "10.255.0.2/31"), (8, "10.0.0.0/8")]
)
def test_the_network_of_an_address_of_the_host_is_found(prefix: int, network: str) -> None:
    """The kernel adds its route together with the address, whatever bits the route has."""
    dump = route(attribute(DST, OTHER.packed), prefix=prefix, origin=(KERNEL, LINK))
    assert found(dump) == {IPv4Network(network)}


@pytest.mark.parametrize(
    "other",
    [
        route(attribute(DST, OTHER.packed), prefix=32, origin=(KERNEL, LINK)),
        route(attribute(DST, OTHER.packed), prefix=7, origin=(KERNEL, LINK)),
        route(attribute(DST, OTHER.packed), prefix=24, origin=(3, LINK)),
        route(attribute(DST, OTHER.packed), prefix=24, origin=(KERNEL, 0)),
        route(prefix=24, origin=(KERNEL, LINK)),
        route(VIA_ROUTER, prefix=1),
        route(VIA_ROUTER, family=socket.AF_INET6),
        route(VIA_ROUTER, route_type=BLACKHOLE),
        route(attribute(GATEWAY, bytes(16))),
        message(b""),
    ],
)
def test_other_routes_name_nothing(other: bytes) -> None:
    """Not one to a pod, from a network plugin, nor one to half of all addresses."""
    assert found(other) == set()


def test_a_dump_ends_where_the_kernel_says_so() -> None:
    """What follows is of no concern."""
    after = message(bytes(4), kind=NLMSG_DONE) + route(attribute(GATEWAY, OTHER.packed))
    assert found(route(VIA_ROUTER) + after) == {IPv4Network(ROUTER)}


def test_an_error_of_the_kernel_is_raised() -> None:
    """So that an unreadable table is not taken for an empty one."""
    with pytest.raises(OSError, match="Operation not permitted"):
        found(message(struct.pack("=i", -errno.EPERM) + bytes(16), kind=2))


@given(st.binary(max_size=200))
@example(bytes(8))
def test_any_octets_are_parsed_or_refused(data: bytes) -> None:
    """Nothing but OSError is raised, and parsing ends."""
    for start in (data, route(data), route(attribute(MULTIPATH, data)), route(VIA_ROUTER)[: len(data)]):
        try:
            found(start)
        except OSError:
            continue


def test_the_networks_of_this_machine_are_read() -> None:
    """The kernel's answer agrees with its main table in /proc/net/route, which has them in hexadecimal."""

    def address(text: str) -> IPv4Address:
        return IPv4Address(socket.ntohl(int(text, 16)))

    lines = [line.split() for line in Path("/proc/net/route").read_text().splitlines()[1:]]
    default = [fields[2] for fields in lines if fields[1] == fields[7] == "00000000"]
    expected = {IPv4Network(address(gateway)) for gateway in default if int(gateway, 16)}
    assert expected <= set(read_host_networks())
