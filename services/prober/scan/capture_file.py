"""A writer of pcapng capture files (draft-ietf-opsawg-pcapng)."""

import heapq
import itertools
import struct
from datetime import datetime, timedelta
from typing import BinaryIO

from services.prober.scan.evidence import Recorded

HOLD = timedelta(seconds=1)
"""Longer than a received frame waits to be read."""

# Blocks are in native byte order, which the section header declares.
_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_LINKTYPE_ETHERNET = 1
_OPTION_END, _IF_NAME, _EPB_FLAGS = 0, 2, 2
_INBOUND, _OUTBOUND = 1, 2
_OPTION = struct.Struct("=HH")


class CaptureFile:
    """Writes frames with their direction, in order of time.

    Frames arrive out of order: a reply is read some time after it was received, and frames sent meanwhile
    are recorded first.
    """

    def __init__(self, file: BinaryIO, *, interface: str, hold: timedelta = HOLD) -> None:
        """file: closed by the caller. hold: how long a frame is held back for older ones to arrive.

        Raises OSError, as keep and finish do.
        """
        self._file = file
        self._hold = hold
        self._held: list[tuple[datetime, int, Recorded]] = []
        self._numbers = itertools.count()
        file.write(section_header(interface))
        file.flush()

    def keep(self, recorded: Recorded) -> None:
        """Add a frame; writes those that have been held long enough."""
        heapq.heappush(self._held, (recorded.at, next(self._numbers), recorded))
        self._write(until=recorded.at - self._hold)

    def finish(self) -> None:
        """Write all held frames."""
        self._write(until=None)

    def _write(self, *, until: datetime | None) -> None:
        blocks = []
        while self._held and (until is None or self._held[0][0] <= until):
            blocks.append(packet_block(heapq.heappop(self._held)[2]))
        if blocks:
            self._file.write(b"".join(blocks))
            self._file.flush()


def section_header(interface: str) -> bytes:
    """Return the first blocks of a file with one interface; timestamps are in microseconds."""
    section = struct.pack("=IHHq", _BYTE_ORDER_MAGIC, 1, 0, -1)
    name = _option(_IF_NAME, interface.encode(errors="replace")) + _option(_OPTION_END, b"")
    described = struct.pack("=HHI", _LINKTYPE_ETHERNET, 0, 0) + name
    return _block(_SECTION, section) + _block(_INTERFACE, described)


def packet_block(recorded: Recorded) -> bytes:
    """Return the block of one frame with its time and direction."""
    frame, length = recorded.frame, len(recorded.frame)
    # Not by a float, which is too imprecise for microseconds.
    whole = int(recorded.at.replace(microsecond=0).timestamp())
    microseconds = whole * 1_000_000 + recorded.at.microsecond
    head = struct.pack("=IIIII", 0, microseconds >> 32, microseconds & 0xFFFFFFFF, length, length)
    flags = struct.pack("=I", _OUTBOUND if recorded.outbound else _INBOUND)
    options = _option(_EPB_FLAGS, flags) + _option(_OPTION_END, b"")
    return _block(_PACKET, head + _padded(frame) + options)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("=I", 12 + len(body))
    return struct.pack("=I", kind) + length + body + length


def _option(code: int, value: bytes) -> bytes:
    return _OPTION.pack(code, len(value)) + _padded(value)


def _padded(value: bytes) -> bytes:
    return value + bytes(-len(value) % 4)
