"""Frames in a known layout give the same result as parsing them step by step."""

from collections.abc import Container

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.prober.frames.dhcp import Reply
from services.prober.frames.dhcp_frames import MAX_LAYOUTS, DHCPFrameReader
from services.prober.frames.ignore_reasons import IgnoreReason
from tests.unit.prober import frames
from tests.unit.prober.frames import option

XID, MAC = b"\x01\x02\x03\x04", bytes.fromhex("62947e56f007")


class _Everything(Container[bytes]):
    def __contains__(self, _: object) -> bool:
        return True


ALL = _Everything()


def frame(options: bytes, **fields: str) -> bytes:
    """Return a server's frame with these options and the end option."""
    return frames.dhcp_frame(frames.bootp(xid=XID, chaddr=MAC, options=options, **fields))  # type: ignore[arg-type]


def step_by_step(data: bytes, *, verify: bool) -> Reply | IgnoreReason:
    """Parse the frame by a reader that knows no layout."""
    return DHCPFrameReader().read(data, verify_checksum=verify, xids=ALL)


LEARNED = (
    frame(frames.offer_options()),
    frame(frames.offer_options(more=option(6, b"\x08" * 8) + option(15, b"example.org"))),
    frame(frames.offer_options(router=None, mask=None, lease=None, server=None)),
    frame(option(60, b"a") + frames.offer_options()),
)


def learned() -> DHCPFrameReader:
    reader = DHCPFrameReader()
    for known in LEARNED:
        assert isinstance(reader.read(known, verify_checksum=True, xids=ALL), Reply)
    return reader


def test_known_layouts_give_the_same_result() -> None:
    """Also without option 54 or a router: no value of an earlier frame is kept."""
    reader = learned()
    for known in (
        *LEARNED,
        frame(frames.offer_options(kind=5, router="10.0.7.9", lease=7), address="10.0.7.3"),
    ):
        for verify in (True, False):
            assert reader.read(known, verify_checksum=verify, xids=ALL) == step_by_step(known, verify=verify)


@given(st.sampled_from(LEARNED), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4))
def test_changed_frames_are_not_mistaken_for_a_known_layout(
    known: bytes, changes: list[tuple[int, int]]
) -> None:
    """Whichever octets differ: lengths, option codes, fragments, checksums, the cookie."""
    data = bytearray(known)
    for at, value in changes:
        data[at % len(data)] = value
    reader = learned()
    for verify in (True, False):
        assert reader.read(bytes(data), verify_checksum=verify, xids=ALL) == step_by_step(
            bytes(data), verify=verify
        )


Option = st.builds(option, st.integers(1, 254), st.binary(max_size=6))


@given(st.lists(st.lists(Option, max_size=6), min_size=1, max_size=12))
def test_any_order_of_options_may_be_learned(messages: list[list[bytes]]) -> None:
    """Odd lengths, repeated options, overload and option 121 are parsed correctly before and after others."""
    reader = learned()
    for options in messages:
        data = frame(option(53, b"\2") + b"".join(options) + b"\xff")
        for _ in range(2):
            assert reader.read(data, verify_checksum=True, xids=ALL) == step_by_step(data, verify=True)


def test_number_of_layouts_is_bounded() -> None:
    """Replies in ever new layouts do not fill the memory, and are parsed nevertheless."""
    reader = DHCPFrameReader()
    for code in range(60, 250):
        data = frame(frames.offer_options(more=option(code, b"x")))
        assert isinstance(reader.read(data, verify_checksum=True, xids=ALL), Reply)
    for length in range(100):
        data = frame(frames.offer_options(more=option(15, bytes(60 + length))))
        assert isinstance(reader.read(data, verify_checksum=True, xids=ALL), Reply)
    assert max(len(forms) for forms in reader._layouts.values()) == MAX_LAYOUTS
    assert len(reader._layouts) <= 16


def test_known_layout_needs_an_expected_xid() -> None:
    """A frame with another transaction ID is ignored."""
    assert learned().read(LEARNED[0], verify_checksum=True, xids={b"none"}) is IgnoreReason.DHCP_UNSOLICITED


def with_header(data: bytes, at: int, value: bytes) -> bytes:
    """Return the frame with other octets in its IPv4 header and a correct checksum."""
    header = bytearray(data[14:34])
    header[at : at + len(value)] = value
    header[10:12] = b"\0\0"
    header[10:12] = frames.internet_checksum(bytes(header)).to_bytes(2, "big")
    return data[:14] + bytes(header) + data[34:]


@pytest.mark.parametrize(
    ("at", "value"),
    [(0, b"\x46"), (2, b"\x01\x00"), (6, b"\x20\x00"), (6, b"\x00\x01"), (9, b"\x06")],
    ids=["options", "shorter", "more fragments", "a later fragment", "no UDP"],
)
def test_known_layout_with_an_invalid_ip_header_is_rejected(at: int, value: bytes) -> None:
    """Even if its checksum is correct: step-by-step parsing rejects it too."""
    for known in LEARNED:
        data = with_header(known, at, value)
        assert learned().read(data, verify_checksum=False, xids=ALL) is IgnoreReason.DHCP_DATAGRAM


def test_xid_is_found_behind_ip_options() -> None:
    """An unexpected one is ignored there as well."""
    data = frames.with_ip_options(frame(frames.offer_options()))
    reader = learned()
    read = reader.read(data, verify_checksum=True, xids={XID})
    assert isinstance(read, Reply)
    assert (read.xid, read.chaddr) == (XID, MAC)
    assert reader.read(data, verify_checksum=True, xids={b"none"}) is IgnoreReason.DHCP_UNSOLICITED


def test_frame_with_ip_options_is_not_remembered() -> None:
    """Even if all fields of a layout seem to be at the offsets that they have without IP options."""
    # Read at those offsets, the cookie is an option of 130 octets, and the source port the length.
    options = option(53, b"\2") + option(15, b"x" * 123) + option(53, b"\2") + b"\xff"
    message = frames.bootp(xid=XID, chaddr=MAC, options=options)
    packet = frames.udp_datagram(message, source="10.0.7.1", ports=(1000, 68))
    data = frames.with_ip_options(frames.ethernet(packet, kind=0x0800))
    reader = DHCPFrameReader()
    for _ in range(2):
        read = reader.read(data, verify_checksum=True, xids={XID})
        assert isinstance(read, Reply)
        assert (read.xid, read.chaddr) == (XID, MAC)


def framed(options: bytes, trailer: bytes = b"") -> bytes:
    """Return a frame whose datagram ends with these options, and the trailer that follows it."""
    filler = option(60, b"x" * 60)
    return frame(filler + options) + trailer


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (framed(option(53, b"\2") + option(3, b"\x0a\0\7\1") * 2 + b"\xff"),) * 2,
        (framed(option(53, b"\2") + b"\0" + option(3, b"\x0a\0\xff\1") + b"\xff"),) * 2,
        (framed(option(53, b"\2"), trailer=option(3, b"\x0a\0\7\1") + b"\xff"),) * 2,
        (LEARNED[0], frame(frames.offer_options(router="224.0.0.1"))),
        (LEARNED[0], frame(frames.offer_options(router="0.0.0.0"))),
    ],
    ids=["an option twice", "a pad between", "no end but in a trailer", "a group as router", "no router"],
)
def test_second_frame_gives_the_same_result_as_alone(first: bytes, then: bytes) -> None:
    """Whatever could confuse a layout: repeated codes, padding, a trailer."""
    reader = DHCPFrameReader()
    reader.read(first, verify_checksum=True, xids=ALL)
    expected = step_by_step(then, verify=True)
    assert isinstance(expected, Reply)
    assert reader.read(then, verify_checksum=True, xids=ALL) == expected
