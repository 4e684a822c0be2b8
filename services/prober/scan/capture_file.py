"""A writer of pcapng capture files (draft-ietf-opsawg-pcapng)."""

import struct
from datetime import timedelta
from typing import BinaryIO

from services.prober.scan.evidence import HOLD, Recorded, TimeOrder

# Blocks are in native byte order, which the section header declares.
_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_LINKTYPE_ETHERNET = 1
_OPTION_END, _IF_NAME, _EPB_FLAGS = 0, 2, 2
_INBOUND, _OUTBOUND = 1, 2
_OPTION = struct.Struct("=HH")


class CaptureFile:
    """Writes frames with their direction, in order of time."""

    def __init__(self, file: BinaryIO, *, interface: str, hold: timedelta = HOLD) -> None:
        """file: closed by the caller. hold: how long a frame is held back for older ones to arrive.

        Raises OSError, as keep and finish do.
        """
        self._file = file
        self._order = TimeOrder(self._write, hold=hold)
        file.write(section_header(interface))
        file.flush()

    def keep(self, recorded: Recorded) -> None:
        """Add a frame; writes those that have been held long enough."""
        self._order.keep(recorded)

    def finish(self) -> None:
        """Write all held frames."""
        self._order.finish()

    def _write(self, recorded: Recorded) -> None:
        self._file.write(packet_block(recorded))
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
