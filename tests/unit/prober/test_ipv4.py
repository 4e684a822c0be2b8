"""IPv4, UDP and the Internet checksum."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.prober.frames import ipv4
from tests.unit.prober import frames


@given(st.binary(max_size=400))
def test_checksum_is_that_of_rfc_1071(data: bytes) -> None:
    """One division gives the same as adding word by word."""
    assert ipv4.checksum(data) == frames.internet_checksum(data)


@given(st.binary(min_size=2, max_size=100).filter(any), st.integers(0, 799), st.booleans())
def test_checksum_holds_only_for_unchanged_data(data: bytes, bit: int, flip: bool) -> None:
    """Data with its checksum verifies; with one bit flipped it does not."""
    data = data[: len(data) // 2 * 2]
    whole = bytearray(data + ipv4.checksum(data).to_bytes(2, "big"))
    if flip:
        place = bit % (len(whole) * 8)
        whole[place // 8] ^= 1 << place % 8
    assert ipv4.checksum_holds(bytes(whole)) is (not flip and any(whole))


def test_whole_datagram_is_parsed() -> None:
    """Addresses, ports and payload; what follows the packet is padding."""
    frame = bytes(14) + frames.udp_datagram(b"hello", source="10.1.2.3", destination="10.4.5.6") + b"\0" * 9
    found = ipv4.parse_udp(frame, start=14, verify_checksum=True)
    assert found == (0x0A010203, 0x0A040506, 67, 68, b"hello")


@pytest.mark.parametrize("checksum", [0x1234, 1])
def test_wrong_udp_checksum_is_rejected_unless_it_may_be_incomplete(checksum: int) -> None:
    """The checksum of a frame that has not left the host is not verified."""
    packet = frames.udp_datagram(b"hello", checksum=checksum)
    assert ipv4.parse_udp(packet, start=0, verify_checksum=True) is None
    assert ipv4.parse_udp(packet, start=0, verify_checksum=False) is not None


def test_udp_checksum_of_zero_is_accepted() -> None:
    """RFC 768: zero means that there is no checksum."""
    assert ipv4.parse_udp(frames.udp_datagram(b"x", checksum=0), start=0, verify_checksum=True) is not None


@pytest.mark.parametrize("fragment", [0x2000, 0x0001, 0x1FFF])
def test_fragment_is_rejected(fragment: int) -> None:
    """N14: fragments are not reassembled."""
    whole = frames.udp_datagram(b"hello")
    packet = frames.ip_packet(17, whole[20:], destination="255.255.255.255", fragment=fragment)
    assert ipv4.parse_udp(packet, start=0, verify_checksum=True) is None


def test_truncated_datagram_is_rejected() -> None:
    """N10: at any octet."""
    packet = frames.udp_datagram(b"hello")
    for length in range(len(packet)):
        assert ipv4.parse_udp(packet[:length], start=0, verify_checksum=True) is None


def test_header_checksum_is_verified() -> None:
    """A packet with a damaged header is rejected."""
    packet = bytearray(frames.udp_datagram(b"hello"))
    packet[8] ^= 1
    assert ipv4.parse_udp(bytes(packet), start=0, verify_checksum=False) is None


@given(st.binary(max_size=120), st.booleans())
def test_arbitrary_bytes_never_raise(data: bytes, verify: bool) -> None:
    """The parsers reject arbitrary bytes."""
    ipv4.parse(data)
    ipv4.parse_udp(data, start=0, verify_checksum=verify)


@given(st.binary(max_size=60), st.integers(0, 79), st.integers(0, 255))
def test_lying_lengths_never_raise(payload: bytes, at: int, value: int) -> None:
    """A datagram with one octet changed is parsed or rejected."""
    packet = bytearray(frames.udp_datagram(payload))
    packet[at % len(packet)] = value
    found = ipv4.parse_udp(bytes(packet), start=0, verify_checksum=False)
    assert found is None or len(found.payload) <= len(payload)
