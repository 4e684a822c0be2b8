"""The receive ring, over ordinary memory."""

import pytest

from services.prober.sockets import ring
from services.prober.sockets.link import Received
from services.prober.sockets.ring import (
    CSUM_NOT_READY,
    CSUM_VALID,
    HEADER,
    SLOT_BYTES,
    TPID_VALID,
    VLAN_VALID,
)

MAC_AT = 82
USER = 1 << 0
"""TP_STATUS_USER: the slot is ours to read."""
TAGGED = USER | VLAN_VALID | TPID_VALID
SLOTS = 4
NOW_S = 1000.0
"""0.25 s after the frames' timestamps."""


def fill(
    memory: bytearray,
    slot: int,
    frame: bytes,
    *,
    status: int = TAGGED,
    tci: int = 7,
    tpid: int = 0x8100,
    more: int = 0,
) -> None:
    """Fill a slot as the kernel does; more: octets of the frame beyond the slot."""
    at = slot * SLOT_BYTES
    memory[at + MAC_AT : at + MAC_AT + len(frame)] = frame
    length = len(frame)
    HEADER.pack_into(
        memory, at, status, length + more, length, MAC_AT, MAC_AT + 14, 999, 750_000_000, tci, tpid
    )


def test_frames_are_taken_in_order_and_slots_are_returned() -> None:
    """Across the end of the ring, up to the first slot that the kernel owns."""
    memory = bytearray(SLOTS * SLOT_BYTES)
    for slot, frame in ((3, b"first"), (0, b"second"), (1, b"third")):
        fill(memory, slot, frame)
    received, at = ring.take(memory, slots=SLOTS, at=3, limit=100, time_s=NOW_S)
    assert received == [Received(7, frame, True, 0.25) for frame in (b"first", b"second", b"third")]
    assert at == 2
    assert ring.take(memory, slots=SLOTS, at=3, limit=100, time_s=NOW_S) == ([], 3), (
        "the slots belong to the kernel again"
    )


def test_the_limit_bounds_the_slots_read() -> None:
    """A ring that the kernel refills meanwhile does not occupy the loop forever."""
    memory = bytearray(SLOTS * SLOT_BYTES)
    for slot in range(SLOTS):
        fill(memory, slot, bytes((slot,)))
    received, at = ring.take(memory, slots=SLOTS, at=0, limit=3, time_s=NOW_S)
    assert ([r.frame for r in received], at) == ([b"\0", b"\1", b"\2"], 3)


@pytest.mark.parametrize(
    ("status", "tci", "tpid", "expected"),
    [
        (TAGGED, 0xEFFF, 0x8100, Received(0xFFF, b"frame", True, 0.25)),
        (TAGGED | CSUM_NOT_READY, 7, 0x8100, Received(7, b"frame", False, 0.25)),
        (TAGGED | CSUM_VALID, 7, 0x8100, Received(7, b"frame", False, 0.25)),
        (USER | VLAN_VALID, 7, 0, Received(7, b"frame", True, 0.25)),
        (USER, 7, 0x8100, Received(0, b"frame", True, 0.25)),
        (TAGGED, 0xE000, 0x8100, Received(0, b"frame", True, 0.25)),
        (TAGGED, 7, 0x88A8, None),
    ],
    ids=[
        "priority bits",
        "checksum incomplete",
        "checksum verified",
        "TPID unknown",
        "no tag",
        "a priority alone",
        "service tag",
    ],
)
def test_frames_of_our_vlans_and_untagged_ones_are_taken(
    status: int, tci: int, tpid: int, expected: Received | None
) -> None:
    """N9: a service provider's outer tag (802.1ad) is not one of our VLANs. Without a VLAN it is 0."""
    memory = bytearray(SLOTS * SLOT_BYTES)
    fill(memory, 0, b"frame", status=status, tci=tci, tpid=tpid)
    received, at = ring.take(memory, slots=SLOTS, at=0, limit=1, time_s=NOW_S)
    assert (received, at) == ([expected] if expected else [], 1)


def test_a_truncated_frame_is_skipped() -> None:
    """N14: the rest of a giant frame is missing."""
    memory = bytearray(SLOTS * SLOT_BYTES)
    fill(memory, 0, bytes(1900), more=1)
    assert ring.take(memory, slots=SLOTS, at=0, limit=1, time_s=NOW_S) == ([], 1)
