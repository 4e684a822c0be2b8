"""A receive ring shared with the kernel (PACKET_MMAP, TPACKET_V2), which holds a burst of replies.

The default receive buffer of a socket loses more than half of 4094 replies, and enlarging it needs
CAP_NET_ADMIN; the ring needs no privilege. Layout: Documentation/networking/packet_mmap.rst.
"""

import mmap
import socket
import struct
import time
from typing import Final

from services.prober.frames.ethernet import VLAN_MASK
from services.prober.frames.unchecked import new_unchecked
from services.prober.sockets.link import Received

SOL_PACKET: Final = 263
_PACKET_RX_RING: Final = 5
_PACKET_VERSION: Final = 10
_TPACKET_V2: Final = 1
KERNEL: Final = 0
CSUM_NOT_READY: Final = 1 << 3
VLAN_VALID: Final = 1 << 4
TPID_VALID: Final = 1 << 6
CSUM_VALID: Final = 1 << 7
"""Bits of a slot's status; KERNEL, no bit, means that the kernel owns the slot."""
HEADER: Final = struct.Struct("=IIIHHIIHH")
"""struct tpacket2_hdr: status, length, captured, mac, net, seconds, nanoseconds, vlan_tci, vlan_tpid."""
_CSUM_SETTLED: Final = CSUM_NOT_READY | CSUM_VALID
"""The checksum is not to be verified: it is incomplete, or the hardware has verified it."""
_STATUS: Final = struct.Struct("=I")
SLOT_BYTES: Final = 2048
_BLOCK_BYTES: Final = 1 << 16
_TPID_8021Q: Final = 0x8100


class ReceiveRing:
    """A ring of slots that the kernel fills and we empty."""

    def __init__(self, sock: socket.socket, *, slots: int) -> None:
        """slots: capacity in frames, rounded up to whole blocks. Raises OSError."""
        blocks = -(-slots * SLOT_BYTES // _BLOCK_BYTES)
        self._slots = blocks * _BLOCK_BYTES // SLOT_BYTES
        sock.setsockopt(SOL_PACKET, _PACKET_VERSION, _TPACKET_V2)
        # struct tpacket_req: block size, blocks, frame size, frames.
        request = struct.pack("=IIII", _BLOCK_BYTES, blocks, SLOT_BYTES, self._slots)
        sock.setsockopt(SOL_PACKET, _PACKET_RX_RING, request)
        self._memory = mmap.mmap(sock.fileno(), blocks * _BLOCK_BYTES, mmap.MAP_SHARED)
        self._next = 0

    def receive(self, limit: int) -> list[Received]:
        """Return the frames of up to limit slots; see take."""
        received, self._next = take(
            self._memory,
            slots=self._slots,
            at=self._next,
            limit=limit,
            # The clock of the kernel's timestamps; used for nothing else.
            time_s=time.clock_gettime(time.CLOCK_REALTIME),
        )
        return received

    def close(self) -> None:
        self._memory.close()


def take(
    memory: mmap.mmap | bytearray, *, slots: int, at: int, limit: int, time_s: float
) -> tuple[list[Received], int]:
    """Empty up to limit slots, starting at index `at`; returns their frames and the index to continue at.

    time_s: the current time of the clock that timestamps the frames. A frame without a tag is on VLAN 0.
    Frames with another tag than 802.1Q, and frames too long for a slot, are skipped.
    """
    received = []
    unpack, free = HEADER.unpack_from, _STATUS.pack_into
    for _ in range(limit):
        offset = at * SLOT_BYTES
        status, length, captured, mac, _, seconds, nanoseconds, tci, tpid = unpack(memory, offset)
        if status == KERNEL:
            break
        # A kernel that does not report the TPID supports only 802.1Q.
        if (tpid == _TPID_8021Q or not status & TPID_VALID) and captured == length:
            start = offset + mac
            age_s = time_s - seconds - nanoseconds * 1e-9
            frame = memory[start : start + length]
            vlan = tci & VLAN_MASK if status & VLAN_VALID else 0
            fields = (vlan, frame, not status & _CSUM_SETTLED, age_s)
            received.append(new_unchecked(Received, fields))
        free(memory, offset, KERNEL)
        at = at + 1 if at + 1 < slots else 0
    return received, at
