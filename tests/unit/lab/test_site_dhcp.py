"""The lab's own DHCP server: its replies, its leases, and what it ignores."""

import struct
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.dhcp.answering import EVERYBODY, Reply, Responder, Subnet
from lab.dhcp.builtin import decode_subnets, encode_subnets
from lab.dhcp.leases import DECLINED_SECONDS, OFFER_SECONDS
from lab.dhcp.message import NOWHERE, NotDhcp, parse_request

SERVER, ROUTER = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
FIRST, SECOND = IPv4Address("10.0.0.10"), IPv4Address("10.0.0.11")
SUBNET = Subnet(
    interface="v7",
    cidr=IPv4Network("10.0.0.0/24"),
    pool_start=FIRST,
    pool_end=SECOND,
    address=SERVER,
    router=ROUTER,
    lease_seconds=600,
)
DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)
ALICE, BOB, CAROL = (bytes([2, 0, 0, 0, 0, number]) for number in (1, 2, 3))


def ask(
    kind: int,
    mac: bytes = ALICE,
    *,
    requested: IPv4Address | None = None,
    server: IPv4Address | None = None,
    client: IPv4Address = NOWHERE,
    relay: IPv4Address = NOWHERE,
) -> bytes:
    """Build a client's datagram without the code under test."""
    options = bytes([53, 1, kind])
    if requested is not None:
        options += bytes([50, 4]) + requested.packed
    if server is not None:
        options += bytes([54, 4]) + server.packed
    head = struct.pack("!BBBBIHH4s", 1, 1, 6, 0, 0xCAFE, 0, 0x8000, client.packed)
    addresses = b"\0" * 8 + relay.packed + mac.ljust(16, b"\0") + b"\0" * 192
    return head + addresses + b"\x63\x82\x53\x63" + options + b"\xff"


def read(reply: Reply | None) -> tuple[int, IPv4Address, dict[int, bytes]]:
    """Return message type, yiaddr and options of a reply."""
    assert reply is not None
    assert len(reply.data) >= 300
    assert reply.data[:1] == b"\x02"
    assert reply.data[4:8] == (0xCAFE).to_bytes(4, "big")
    options, at = {}, 240
    while reply.data[at] != 255:
        length = reply.data[at + 1]
        options[reply.data[at]] = reply.data[at + 2 : at + 2 + length]
        at += 2 + length
    return options[53][0], IPv4Address(reply.data[16:20]), options


def test_a_discover_is_answered_with_an_offer() -> None:
    """An OFFER has an address of the pool, mask, router, lease time and server, and is broadcast."""
    reply = Responder(SUBNET).answer(ask(DISCOVER), now=0)
    assert read(reply) == (
        OFFER,
        FIRST,
        {
            53: b"\2",
            54: SERVER.packed,
            1: b"\xff\xff\xff\0",
            3: ROUTER.packed,
            51: (600).to_bytes(4, "big"),
        },
    )
    assert reply is not None
    assert reply.destination == EVERYBODY
    assert reply.data[28:34] == ALICE


def test_without_a_router_the_option_is_left_out() -> None:
    """A server without a router omits the option."""
    subnet = Subnet(**{**vars(SUBNET), "router": None})
    _, _, options = read(Responder(subnet).answer(ask(DISCOVER), now=0))
    assert 3 not in options


def test_a_client_is_offered_the_same_address_again() -> None:
    """An offered address is reserved for its MAC; no other client gets it meanwhile."""
    server = Responder(SUBNET)
    assert read(server.answer(ask(DISCOVER, ALICE), now=0))[1] == FIRST
    assert read(server.answer(ask(DISCOVER, BOB), now=1))[1] == SECOND
    assert read(server.answer(ask(DISCOVER, ALICE), now=2))[1] == FIRST


def test_an_empty_pool_is_silent_until_an_offer_runs_out() -> None:
    """With all addresses taken nothing is offered; an offer that nobody took expires after a minute."""
    server = Responder(SUBNET)
    server.answer(ask(DISCOVER, ALICE), now=0)
    server.answer(ask(DISCOVER, BOB), now=1)
    assert server.answer(ask(DISCOVER, CAROL), now=OFFER_SECONDS - 1) is None
    assert read(server.answer(ask(DISCOVER, CAROL), now=OFFER_SECONDS))[1] == FIRST


def test_a_request_leases_the_address() -> None:
    """A REQUEST is answered with an ACK, and the address is leased for the lease time."""
    server = Responder(SUBNET)
    server.answer(ask(DISCOVER), now=0)
    assert read(server.answer(ask(REQUEST, requested=FIRST, server=SERVER), now=1))[:2] == (ACK, FIRST)
    assert read(server.answer(ask(DISCOVER, BOB, requested=FIRST), now=500))[1] == SECOND


def test_a_discover_does_not_shorten_a_lease() -> None:
    """A DISCOVER from a client with a lease leaves the lease unchanged."""
    server = Responder(SUBNET)
    server.answer(ask(REQUEST, requested=FIRST), now=0)
    server.answer(ask(DISCOVER), now=1)
    assert read(server.answer(ask(DISCOVER, BOB, requested=FIRST), now=1 + OFFER_SECONDS))[1] == SECOND


def test_a_renewal_is_answered_to_the_client_itself() -> None:
    """A REQUEST with ciaddr is acknowledged to that address."""
    server = Responder(SUBNET)
    server.answer(ask(REQUEST, requested=FIRST), now=0)
    reply = server.answer(ask(REQUEST, client=FIRST), now=1)
    assert read(reply)[0] == ACK
    assert reply is not None
    assert reply.destination == FIRST


@pytest.mark.parametrize("wanted", [SECOND, IPv4Address("192.168.1.5"), NOWHERE])
def test_an_address_that_cannot_be_had_is_refused(wanted: IPv4Address) -> None:
    """A REQUEST for another client's address, or one outside the pool, gets a broadcast NAK."""
    server = Responder(SUBNET)
    server.answer(ask(REQUEST, BOB, requested=SECOND), now=0)
    reply = server.answer(ask(REQUEST, requested=wanted), now=1)
    assert read(reply)[:2] == (NAK, NOWHERE)
    assert reply is not None
    assert reply.destination == EVERYBODY


def test_a_request_to_another_server_frees_the_offer() -> None:
    """If the client takes another server's offer, this server stays silent and frees its own."""
    server = Responder(SUBNET)
    server.answer(ask(DISCOVER, ALICE), now=0)
    assert server.answer(ask(REQUEST, ALICE, requested=ROUTER, server=ROUTER), now=1) is None
    assert read(server.answer(ask(DISCOVER, BOB), now=2))[1] == FIRST


def test_a_release_frees_the_address_at_once() -> None:
    """A RELEASE frees the address at once, but only if it comes from its owner."""
    server = Responder(SUBNET)
    server.answer(ask(REQUEST, ALICE, requested=FIRST), now=0)
    server.answer(ask(RELEASE, BOB, client=FIRST), now=1)
    assert read(server.answer(ask(DISCOVER, BOB), now=2))[1] == SECOND
    server.answer(ask(RELEASE, ALICE, client=FIRST), now=3)
    assert read(server.answer(ask(DISCOVER, CAROL), now=4))[1] == FIRST


def test_a_declined_address_rests() -> None:
    """An address that a client found in use is not offered for a while."""
    server = Responder(SUBNET)
    server.answer(ask(REQUEST, ALICE, requested=FIRST), now=0)
    server.answer(ask(DECLINE, ALICE, requested=FIRST, server=SERVER), now=1)
    assert read(server.answer(ask(DISCOVER, ALICE), now=2))[1] == SECOND
    assert server.answer(ask(DISCOVER, BOB), now=3) is None
    assert read(server.answer(ask(DISCOVER, BOB), now=1 + DECLINED_SECONDS))[1] == FIRST


def test_inform_is_answered_without_an_address() -> None:
    """An INFORM gets the options, without address and lease time (RFC 2131 section 4.3.5)."""
    kind, address, options = read(Responder(SUBNET).answer(ask(INFORM, client=FIRST), now=0))
    assert (kind, address) == (ACK, NOWHERE)
    assert 51 not in options


@pytest.mark.parametrize(
    "data",
    [
        b"",
        ask(DISCOVER)[:239],
        ask(DISCOVER)[:241],
        ask(DISCOVER, relay=ROUTER),
        ask(OFFER),
        ask(99),
        b"\x02" + ask(DISCOVER)[1:],
        ask(DISCOVER)[:-1] + bytes([12, 200]),
        ask(DISCOVER).ljust(1501, b"\0"),
    ],
)
def test_what_is_no_request_for_it_gets_silence(data: bytes) -> None:
    """Malformed, relayed, foreign and oversized datagrams are not answered."""
    assert Responder(SUBNET).answer(data, now=0) is None


def test_what_comes_through_its_relay_is_answered_to_the_relay() -> None:
    """A relayed request is answered to giaddr at the server's port, and only for the subnet's relay."""
    server = Responder(replace(SUBNET, relay=ROUTER))
    reply = server.answer(ask(DISCOVER, relay=ROUTER), now=0)
    assert read(reply)[:2] == (OFFER, FIRST)
    assert reply is not None
    assert (reply.destination, reply.port, reply.data[24:28]) == (ROUTER, 67, ROUTER.packed)
    assert server.answer(ask(DISCOVER, BOB, relay=SERVER), now=0) is None
    assert server.answer(ask(DISCOVER, BOB), now=0) is None


def test_who_has_an_address_speaks_to_a_server_elsewhere_without_the_relay() -> None:
    """A renewal and a RELEASE are unicast, without giaddr."""
    server = Responder(replace(SUBNET, relay=ROUTER))
    server.answer(ask(REQUEST, relay=ROUTER, requested=FIRST), now=0)
    renewal = server.answer(ask(REQUEST, client=FIRST), now=1)
    assert read(renewal)[0] == ACK
    assert renewal is not None
    assert (renewal.destination, renewal.port) == (FIRST, 68)
    server.answer(ask(RELEASE, client=FIRST), now=2)
    assert read(server.answer(ask(DISCOVER, BOB, relay=ROUTER), now=3))[1] == FIRST


@given(st.binary(max_size=600))
def test_any_bytes_are_a_request_or_not(data: bytes) -> None:
    """Parsing any bytes raises nothing but NotDhcp."""
    try:
        parse_request(ask(DISCOVER)[:240] + data)
    except NotDhcp:
        assert Responder(SUBNET).answer(ask(DISCOVER)[:240] + data, now=0) is None


MACS = st.sampled_from([ALICE, BOB, CAROL])
ADDRESSES = st.none() | st.sampled_from([FIRST, SECOND, ROUTER])
STEPS = st.tuples(
    st.sampled_from([DISCOVER, REQUEST, DECLINE, RELEASE]), MACS, ADDRESSES, st.integers(0, 400)
)


@given(st.lists(STEPS, max_size=30))
def test_no_address_is_ever_leased_twice(steps: list[tuple[int, bytes, IPv4Address | None, int]]) -> None:
    """Whatever three clients do, an address that one was given is not promised to another."""
    server, now = Responder(SUBNET), 0
    leased: dict[IPv4Address, tuple[bytes, int]] = {}
    for kind, mac, address, wait in steps:
        now += wait
        client = address if kind == RELEASE and address else NOWHERE
        reply = server.answer(ask(kind, mac, requested=address, client=client), now=now)
        # Any of these may give up the address; its state is then unknown.
        if reply is None or read(reply)[0] == NAK or kind in (DECLINE, RELEASE):
            leased = {own: by for own, by in leased.items() if by[0] != mac}
            continue
        promised = read(reply)[1]
        assert promised in (FIRST, SECOND)
        owner, until = leased.get(promised, (mac, 0))
        assert owner == mac or until <= now
        if read(reply)[0] == ACK:
            leased = {own: by for own, by in leased.items() if by[0] != mac}
            leased[promised] = (mac, now + SUBNET.lease_seconds)


def test_subnets_survive_the_way_to_the_server() -> None:
    """The server's process reads back the subnets that are passed to it."""
    subnets = [SUBNET, replace(SUBNET, router=None), replace(SUBNET, relay=ROUTER)]
    assert decode_subnets(encode_subnets(subnets)) == subnets
