"""ARP replies and ICMP echo replies, good and hostile."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.prober.frames import arp, icmp, templates
from services.prober.frames.ethernet import Station
from tests.unit.prober import frames

OURS = bytes.fromhex("621f00abc007")
STATION = Station(vlan=4094, mac=OURS, client_id=bytes(17))
GATEWAY = frames.number("10.0.7.1")


def test_arp_probe_claims_no_address() -> None:
    """RFC 5227: the sender address is 0.0.0.0; the frame is tagged and of the minimum length."""
    frame = templates.load().arp.render(station=STATION, target=GATEWAY)
    sent = frames.take_apart(frame)
    assert (sent.vlan, sent.source, sent.destination) == (4094, OURS, frames.BROADCAST)
    assert sent.arp_target == "10.0.7.1"
    assert sent.body[8:14] == OURS
    assert sent.body[14:24] == bytes(10)
    assert len(frame) == 64


def test_arp_reply_is_parsed() -> None:
    """Operation, sender and target."""
    found = arp.parse(frames.arp_reply(sender="10.0.7.1", to=OURS))
    assert found == (arp.REPLY, frames.SERVER_MAC, GATEWAY, OURS, 0)


@pytest.mark.parametrize(
    ("at", "value"),
    [(12, b"\x81\x00"), (14, b"\0\2"), (16, b"\x86\xdd"), (18, b"\x08"), (19, b"\x10"), (20, b"\0\3")],
    ids=["tagged twice", "hardware", "protocol", "hardware length", "protocol length", "operation"],
)
def test_other_frame_is_not_an_arp_message(at: int, value: bytes) -> None:
    """N9 and N15: another ethertype, hardware, protocol or operation is ignored."""
    frame = frames.arp_reply(sender="10.0.7.1", to=OURS)
    assert arp.parse(frame[:at] + value + frame[at + len(value) :]) is None


@pytest.mark.parametrize("mac", [bytes(6), b"\xff" * 6, bytes.fromhex("01005e000001")])
def test_arp_reply_with_an_invalid_sender_mac_is_rejected(mac: bytes) -> None:
    """A group address or zero cannot be a station's own."""
    assert arp.parse(frames.arp_reply(sender="10.0.7.1", to=OURS, mac=mac)) is None


@given(st.binary(max_size=64))
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    """The parsers reject arbitrary bytes, even after a valid header."""
    for frame in (data, bytes(12) + b"\x08\x06" + data, bytes(12) + b"\x08\x06\0\1\x08\0\x06\4\0\2" + data):
        arp.parse(frame)
    for packet in (data, frames.ip_packet(1, data)):
        icmp.parse_reply(packet)


@given(st.integers(0, 65535), st.integers(0, 65535), st.binary(min_size=8, max_size=8))
def test_echo_reply_matches_its_request(identifier: int, sequence: int, nonce: bytes) -> None:
    """It has the identifier, sequence number and payload of the request."""
    message = templates.load().echo.render(identifier=identifier, sequence=sequence, nonce=nonce)
    assert frames.internet_checksum(message) == 0
    found = icmp.parse_reply(frames.echo_reply(message, source="10.0.7.1"))
    assert found == (GATEWAY, frames.number("10.0.0.2"), identifier, sequence, nonce)


def test_damaged_and_other_icmp_is_rejected() -> None:
    """N16: an unreachable, a request, a damaged or truncated reply is not a reply."""
    message = templates.load().echo.render(identifier=1, sequence=2, nonce=b"12345678")
    whole = frames.echo_reply(message, source="10.0.7.1")
    for kind in (3, 8, 11):
        assert icmp.parse_reply(frames.echo_reply(message, source="10.0.7.1", kind=kind)) is None
    for length in range(len(whole)):
        assert icmp.parse_reply(whole[:length]) is None
    place = random.Random(3).randrange(20, len(whole))
    assert icmp.parse_reply(whole[:place] + bytes((whole[place] ^ 1,)) + whole[place + 1 :]) is None
