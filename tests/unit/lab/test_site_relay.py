"""The lab's relay agent: what it relays between a VLAN and servers elsewhere, and what it drops."""

import struct
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.dhcp.relay import Leg, decode_legs, encode_legs, relay_reply, relay_request

RELAY, NEARER = IPv4Address("10.0.0.1"), IPv4Address("10.9.9.9")


def message(operation: int, *, hops: int = 0, relay: bytes = bytes(4)) -> bytes:
    """Build a BOOTP message without the code under test."""
    head = struct.pack("!BBBBIHH", operation, 1, 6, hops, 0xCAFE, 0, 0x8000)
    return head + bytes(12) + relay + bytes(208) + b"\x63\x82\x53\x63" + b"\x35\x01\x01\xff"


def test_a_request_goes_on_with_the_relays_address_and_one_hop_more() -> None:
    """A relayed request has the relay's address and one hop more, and is otherwise unchanged."""
    passed = relay_request(message(1, hops=3), address=RELAY)
    assert passed == message(1, hops=4, relay=RELAY.packed)


def test_a_relay_nearer_to_the_client_stays_named() -> None:
    """The giaddr of a relay nearer to the client stays, because the server must answer to that one."""
    passed = relay_request(message(1, relay=NEARER.packed), address=RELAY)
    assert passed == message(1, hops=1, relay=NEARER.packed)


def test_a_reply_goes_on_as_it_is() -> None:
    """A reply is relayed unchanged."""
    reply = message(2, relay=RELAY.packed)
    assert relay_reply(reply, address=RELAY) == reply


@pytest.mark.parametrize(
    "data", [b"", message(1)[:239], message(2), message(1, hops=16), message(3)], ids=len
)
def test_what_is_no_request_stops_at_the_relay(data: bytes) -> None:
    """Short, malformed and looping messages reach no server."""
    assert relay_request(data, address=RELAY) is None


@pytest.mark.parametrize(
    "data", [b"", message(2, relay=RELAY.packed)[:239], message(1, relay=RELAY.packed), message(2)], ids=len
)
def test_what_is_no_reply_for_it_stops_at_the_relay(data: bytes) -> None:
    """Short messages, requests, and replies to another relay reach no client."""
    assert relay_reply(data, address=RELAY) is None


@given(st.binary(max_size=400))
def test_any_bytes_pass_or_stop(data: bytes) -> None:
    """A relayed message has the length of the original, whatever its bytes."""
    for passed in (relay_request(data, address=RELAY), relay_reply(data, address=RELAY)):
        assert passed is None or len(passed) == len(data)


def test_legs_survive_the_way_to_the_relay() -> None:
    """The relay's process reads back the legs that are passed to it."""
    legs = [Leg(interface="v7", address=RELAY, servers=(NEARER, RELAY))]
    assert decode_legs(encode_legs(legs)) == legs
